"""`Record`: what a deployment has answered lately, and all in all, as whoever asked has seen it.

Every request to a model goes through the lab service, so here is the one place that knows them
all. It begins anew with the service.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate

from ....specs.tally import LATENCIES, Tally

__all__ = ("Record", "Summary")

#: Seconds that an answer is remembered for, and most answers of one version.
_SPAN, _MOST = 300.0, 4096


@dataclass(frozen=True)
class Summary:
    """Answers of one version in the last minutes.

    Attributes:
        requests: How many.
        failed: Of these, with 5xx or none at all.
        mean: Seconds of those that did not fail; None: there is none.
        p50: As `mean`: the median.
        p95: Of 100, 95 took no longer.
        p99: Of 100, 99 took no longer.
    """

    requests: int = 0
    failed: int = 0
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass
class _Total:
    """Answers of one version since it serves."""

    requests: int = 0
    failed: int = 0
    seconds: float = 0.0
    bins: list[int] = field(default_factory=lambda: [0] * (len(LATENCIES) + 1))

    def add(self, seconds: float, failed: bool) -> None:
        self.requests += 1
        if failed:
            self.failed += 1
            return
        self.seconds += seconds
        self.bins[bisect_left(LATENCIES, seconds)] += 1


class Record:
    """Of one deployment. Used on one event loop.

    Attributes:
        inflight: Requests that are being answered, or wait.
        last: When somebody last asked, or was answered; of the clock.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.inflight = 0
        self.last = clock()
        self._clock = clock
        self._area = 0.0  # Of the number in flight over time.
        self._changed = self.last
        self._answers: dict[int, deque[tuple[float, float, bool]]] = {}  # When, seconds, failed.
        self._totals: dict[int, _Total] = {}

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Somebody asks."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def answered(self, version: int, seconds: float, *, failed: bool) -> None:
        """A version has answered once, after so many seconds."""
        answers = self._answers.setdefault(version, deque(maxlen=_MOST))
        answers.append((self._clock(), seconds, failed))
        self._totals.setdefault(version, _Total()).add(seconds, failed)

    def touch(self) -> None:
        """As if somebody had asked now."""
        self.last = self._clock()

    def keep(self, versions: Collection[int]) -> None:
        """Forget all others."""
        for version in self._answers.keys() - set(versions):
            del self._answers[version]
        for version in self._totals.keys() - set(versions):
            del self._totals[version]

    def forget(self, version: int) -> None:
        """What is told of it lately begins now; what it is measured by grows on."""
        self._answers.pop(version, None)

    def area(self) -> float:
        """Seconds that requests have been in flight, all together.

        By how much it grows in a second, so many there were on average.
        """
        self._count(0)
        return self._area

    def of(self, version: int) -> Summary:
        """What one version has answered in the last minutes."""
        answers = self._answers.get(version)
        if answers is None:
            return Summary()
        old = self._clock() - _SPAN
        while answers and answers[0][0] < old:
            answers.popleft()
        took = sorted(seconds for _, seconds, failed in answers if not failed)
        if not took:
            return Summary(len(answers), len(answers))
        mean = sum(took) / len(took)
        quantiles = (took[-(-len(took) * percent // 100) - 1] for percent in (50, 95, 99))
        return Summary(len(answers), len(answers) - len(took), mean, *quantiles)

    def tally(self, version: int) -> Tally:
        """All that one version has answered since it serves."""
        total = self._totals.get(version, _Total())
        *within, _ = accumulate(total.bins)
        return Tally(
            requests=total.requests,
            failed=total.failed,
            seconds=total.seconds,
            within=tuple(within),
        )

    def _count(self, more: int) -> None:
        now = self._clock()
        self._area += self.inflight * (now - self._changed)
        self._changed = now
        self.inflight += more
        if more:
            self.last = now
