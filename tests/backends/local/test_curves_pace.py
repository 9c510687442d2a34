"""How fast a training goes, and who of its replicas is slow."""

from __future__ import annotations

import pytest

from dllab_hub.backends.local.curves.pace import Pace, stragglers

NOW = 1000.0


def pace(rate: float, *, seconds: float = 30.0, ago: float = 0.0, start: float = 0.0) -> Pace:
    """One that has reported five times a second, until ``ago`` seconds ago."""
    made = Pace()
    for n in range(int(seconds * 5) + 1):
        made.add(NOW - ago - seconds + n / 5, int(start + rate * n / 5))
    return made


@pytest.mark.parametrize("rate", [0.5, 7.0, 1000.0])
def test_rate(rate):
    """Is that of the last minute."""
    assert pytest.approx(rate, rel=0.1) == pace(rate, seconds=300).rate(NOW)


def test_a_change_of_rate():
    """After a minute, only the new one counts."""
    made = Pace()
    for n in range(100):
        made.add(n, 10 * n)
    for n in range(100):
        made.add(100 + n, 1000 + n)

    assert pytest.approx(1.0) == made.rate(199.0)
    assert made.seconds <= 62


def test_silence():
    """Who has said nothing for longer than usual gets slower; a pause between two is usual."""
    assert pace(10, ago=8).rate(NOW) == pytest.approx(10)
    assert pace(10, ago=30, seconds=30).rate(NOW) == pytest.approx(5, rel=0.01)
    seldom = Pace()
    for n in range(10):
        seldom.add(n * 45.0, n * 90)
    assert pytest.approx(2.0) == seldom.rate(9 * 45.0 + 100)


def test_before_it_can_be_said():
    """One report is no rate; nor are two at the same moment."""
    made = Pace()
    assert (None, None, None) == (made.rate(NOW), made.step, made.time)
    made.add(5.0, 1)
    made.add(5.0, 2)
    assert (None, 1) == (made.rate(5.0), made.step)


@pytest.mark.parametrize(("reports", "usual"), [(1, None), (2, None), (3, 1200.0), (100, 1200.0)])
def test_how_often_it_reports(reports, usual):
    """Is the time between reports, from the third on, however many steps each tells of."""
    seldom = Pace()
    for n in range(reports):
        seldom.add(n * 1200.0, n * 1000)

    assert usual == seldom.interval


def test_silence_is_not_how_often_it_reports():
    """Who stops is as late as he is: neither time nor a single long pause changes what is usual."""
    made = Pace()
    for n in range(3):
        made.add(NOW + n, n)
    assert made.rate(NOW + 600) < 0.01
    assert 1.0 == made.interval
    for n in range(3, 6):
        made.add(NOW + 900 + n, n)
    assert 1.0 == made.interval


def test_how_often_another_attempt_reported():
    """Neither that nor the time between two attempts says anything of this one."""
    made = Pace()
    for when in (1.0, 2.0, 3.0, 500.0, 510.0):
        made.add(when, int(when))
    made.forget(400.0)
    assert made.interval is None
    made.add(520.0, 520)
    assert 10.0 == made.interval


def test_a_training_that_is_set_back():
    """The time before a restart says nothing of the speed after it."""
    made = pace(10)
    made.add(NOW + 20, 5)
    made.add(NOW + 22, 9)

    assert (2.0, 9) == (made.rate(NOW + 22), made.step)
    made.forget(NOW + 100)
    assert (None, None) == (made.rate(NOW + 100), made.step)


@pytest.mark.parametrize(
    ("replicas", "slow"),
    [
        ({"a": pace(10), "b": pace(10), "c": pace(10)}, set()),
        ({"a": pace(10), "b": pace(10), "c": pace(6.5)}, {"c"}),
        ({"a": pace(10), "b": pace(10), "c": pace(7.5, start=70)}, set()),
        # Two that report cannot tell who of them is the slow one.
        ({"a": pace(10), "b": pace(1)}, set()),
        # As fast as the others, and behind.
        ({"a": pace(10, start=200), "b": pace(10, start=200), "c": pace(10)}, {"c"}),
        ({"a": pace(10, start=8), "b": pace(10, start=8), "c": pace(10)}, set()),
        # A fast one may be some steps behind: they are read one after the other.
        ({"a": pace(900, start=900), "b": pace(900, start=900), "c": pace(900)}, set()),
        ({"a": pace(10), "b": pace(10), "c": pace(10), "d": pace(10, ago=28)}, {"d"}),
        # All wait for the one that hangs.
        ({name: pace(10, ago=60) for name in "abcd"}, set()),
        # A start is no measure.
        ({"a": pace(10), "b": pace(10), "c": pace(1, seconds=2, start=290)}, set()),
    ],
)
def test_stragglers(replicas, slow):
    """Clearly slower, or clearly behind, and only where others tell what is usual."""
    assert slow == stragglers(replicas, NOW)
