"""How many replicas a load needs, on a simulated clock; the real engine is not asked here."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from dllab_hub.backends.local.serving.autoscaler import Autoscaler
from dllab_hub.specs import Autoscale

STEP = 0.5


class Played:
    """A deployment under a load that the test says, looked at twice a second.

    Attributes:
        now: Seconds.
        replicas: How many there are to be.
        changes: When their number became which.
    """

    def __init__(self, replicas: int = 1, **limits: object) -> None:
        self.scaler = Autoscaler(Autoscale(**{"max": 8, **limits}))
        self.now, self.replicas, self.area, self.last = 1000.0, replicas, 0.0, 1000.0
        self.changes: list[tuple[float, int]] = []

    def play(self, seconds: float, load: float, noise: random.Random | None = None) -> int:
        """So many seconds with so many requests in flight; how many replicas there are then."""
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            there = load if noise is None else noise.gauss(load, load**0.5)
            self.area += max(there, 0.0) * STEP
            if load:
                self.last = self.now
            self.step(self.area, round(load))
        return self.replicas

    def step(self, area: float | None, inflight: int = 0) -> None:
        wanted = self.scaler.decide(
            self.now, self.replicas, area, inflight=inflight, quiet=self.now - self.last
        )
        if wanted != self.replicas:
            self.changes.append((self.now, wanted))
            self.replicas = wanted


def test_up_within_seconds() -> None:
    """A load that is four times as high has as many replicas as it needs within five seconds."""
    played = Played(target=4)
    assert 1 == played.play(30, 4)
    assert 4 == played.play(5, 16)


def test_down_when_it_is_sure() -> None:
    """Fewer only come when they have been enough for five minutes."""
    played = Played(target=4)
    played.play(20, 16)
    assert 4 == played.play(290, 4)
    assert 1 == played.play(20, 4)
    (up, most), *down = played.changes
    assert (4, 1) == (most, down[-1][1])
    assert all(when - up >= 300 for when, _ in down)


def test_a_peak_counts() -> None:
    """One peak within the five minutes keeps as many as it needed."""
    played = Played(4, target=4)
    played.play(200, 4)
    played.play(5, 12)
    assert 4 == played.play(90, 4)
    assert 3 == played.play(20, 4)


def test_the_limits() -> None:
    """There are never fewer or more than allowed, whatever the load; also when limits change."""
    played = Played(1, min=2, max=3, target=1)
    assert 2 == played.play(1, 0)
    assert 3 == played.play(10, 50)
    assert 2 == played.play(400, 0)


def test_to_zero_and_back() -> None:
    """With fewest 0 they end after the idle time and not before; a request starts one at once."""
    played = Played(2, min=0, idle=60, target=4)
    played.play(5, 4)
    assert 2 == played.play(59, 0)
    assert 0 == played.play(2, 0)
    assert 0 == played.play(100, 0)
    played.step(played.area, inflight=1)
    assert 1 == played.replicas


def test_not_to_zero_while_one_is_answered() -> None:
    """A request that takes longer than the idle time keeps its replica."""
    played = Played(1, min=0, idle=10, target=4)
    for _ in range(100):
        played.now += STEP
        played.area += STEP
        played.step(played.area, inflight=1)
    assert 1 == played.replicas


def test_it_holds_without_a_signal() -> None:
    """While the load is not known nothing changes, and nothing from before counts afterwards."""
    played = Played(4, target=4)
    played.play(295, 4)
    for _ in range(1000):
        played.now += STEP
        played.step(None)
    assert 4 == played.replicas
    assert 4 == played.play(290, 4)
    assert 1 == played.play(20, 4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("load", [4, 8.2, 17.5])
def test_quiet_at_a_constant_load(load, seed) -> None:
    """At a load that only varies by chance the number turns round at most once in five minutes."""
    played = Played(3, target=4)
    played.play(2 * 3600, load, random.Random(seed))
    turns = [
        now
        for (_, first), (_, second), (now, third) in zip(
            played.changes, played.changes[1:], played.changes[2:], strict=False
        )
        if (second - first) * (third - second) < 0
    ]

    assert all(after - before >= 300 for before, after in pairwise(turns))
