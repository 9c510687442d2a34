"""What is told of the requests of a deployment whose replicas are pods."""

from __future__ import annotations

import pytest

from dllab_hub.backends.kubernetes.serving.counting import Counting


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_answers_are_counted_by_what_they_are(clock: Clock) -> None:
    """4xx is the caller's fault and 5xx the model's; both have been answered."""
    counting = Counting(clock)
    for status in (200, 200, 404, 422, 500, 503):
        counting.answered(status, 0.1)

    traffic = counting.traffic
    assert (6, 2, 2) == (traffic.requests, traffic.rejected, traffic.failed)


def test_the_rate_is_that_of_ten_seconds(clock: Clock) -> None:
    """Fifty answers a second are fifty a second, and nothing ten seconds after the last."""
    counting = Counting(clock)
    for _ in range(30):
        for _ in range(50):
            counting.answered(200, 0.01)
        clock.now += 1
    assert 50 == pytest.approx(counting.traffic.rate, rel=0.1)

    clock.now += 11
    assert 0 == counting.traffic.rate
    assert 1500 == counting.traffic.requests


def test_the_rate_of_a_deployment_that_is_new(clock: Clock) -> None:
    """Its first seconds are no reason to call it slow; its first moment makes it no rocket."""
    counting = Counting(clock)
    counting.answered(200, 0.01)
    assert 1 == counting.traffic.rate

    clock.now += 2
    counting.answered(200, 0.01)
    assert 1 == counting.traffic.rate


def test_the_latency_is_that_of_the_last_thousand(clock: Clock) -> None:
    """None before the first answer; what is long past counts no more."""
    counting = Counting(clock)
    assert counting.traffic.latency is None

    for _ in range(100):
        counting.answered(200, 9.0)
    for _ in range(1024):
        counting.answered(200, 0.25)
    assert 0.25 == pytest.approx(counting.traffic.latency)


def test_who_is_busy(clock: Clock) -> None:
    """Requests are with a replica until they are answered, or fail."""
    counting = Counting(clock)
    with counting.asking("replica-a"), counting.asking("replica-b"):
        with counting.asking("replica-a"):
            assert {"replica-a": 2, "replica-b": 1} == counting.traffic.busy
            assert 3 == counting.traffic.waiting
        assert 1 == counting.traffic.busy["replica-a"]
    with pytest.raises(ZeroDivisionError), counting.asking("replica-a"):
        raise ZeroDivisionError

    assert ({}, 0) == (counting.traffic.busy, counting.traffic.waiting)


def test_a_look_changes_nothing(clock: Clock) -> None:
    """Another thread looks, at its own time: what is counted stays as it is."""
    counting = Counting(clock)
    counting.answered(200, 0.1)
    clock.now += 20
    assert 0 == counting.traffic.rate

    clock.now -= 20
    assert 1 == counting.traffic.rate
