"""What is remembered of a deployment's answers, on a clock of the test."""

from __future__ import annotations

import pytest

from dllab_hub.backends.local.serving.record import Record, Summary
from dllab_hub.specs.tally import LATENCIES, Tally


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


@pytest.fixture
def record(clock) -> Record:
    return Record(lambda: clock[0])


def test_in_flight_over_time(record, clock) -> None:
    """The area grows by the number of requests in flight each second, also while they last."""
    with record.asking():
        clock[0] += 2
        with record.asking():
            assert 2 == record.inflight
            clock[0] += 3
        assert (8.0, 1) == (record.area(), record.inflight)
        clock[0] += 1
    clock[0] += 50

    assert (9.0, 0, 106.0) == (record.area(), record.inflight, record.last)


def test_a_request_that_fails_ends(record) -> None:
    """Who is not answered is not in flight any more."""
    with pytest.raises(ValueError, match="broken"), record.asking():
        raise ValueError("broken")

    assert 0 == record.inflight


def test_percentiles(record) -> None:
    """Of a hundred answers the fiftieth, the ninety-fifth and the ninety-ninth; errors apart."""
    for number in range(100, 0, -1):
        record.answered(1, number / 1000, failed=False)
    record.answered(1, 60.0, failed=True)
    record.answered(2, 7.0, failed=True)

    assert Summary(101, 1, pytest.approx(0.0505), 0.05, 0.095, 0.099) == record.of(1)
    assert Summary(1, 1) == record.of(2)
    assert Summary() == record.of(3)


def test_what_is_long_ago_is_forgotten(record, clock) -> None:
    """Answers count for five minutes; those of a version can be forgotten before."""
    record.answered(1, 0.1, failed=True)
    clock[0] += 299
    record.answered(1, 0.2, failed=False)
    assert (2, 1) == (record.of(1).requests, record.of(1).failed)
    clock[0] += 2
    assert (1, 0) == (record.of(1).requests, record.of(1).failed)
    record.forget(1)

    assert Summary() == record.of(1)


def test_what_grows(record, clock) -> None:
    """Counts outlive the minutes and a canary that begins anew; those of versions that serve no
    more go. A bound of the histogram holds what is as long as itself, and no error.
    """
    for seconds in (0.0005, 0.001, 0.0011, 59.0, 3600.0):
        record.answered(1, seconds, failed=False)
    record.answered(1, 0.002, failed=True)
    clock[0] += 1000
    record.forget(1)
    seen = record.tally(1)
    assert Summary() == record.of(1)
    assert (6, 1, pytest.approx(3659.0026)) == (seen.requests, seen.failed, seen.seconds)
    assert dict(zip(LATENCIES, seen.within, strict=True)) == {
        bound: 2 if bound == 0.001 else 3 if bound < 60 else 4 for bound in LATENCIES
    }
    record.keep({2})

    assert Tally() == record.tally(1) == record.tally(2)


def test_only_what_serves_is_kept(record, clock) -> None:
    """Versions that serve no more are forgotten; a wish counts as if somebody had asked."""
    for version in (1, 2, 3):
        record.answered(version, 0.1, failed=False)
    record.keep({2, 4})
    clock[0] += 7
    record.touch()

    assert [0, 1, 0] == [record.of(version).requests for version in (1, 2, 3)]
    assert 107.0 == record.last
