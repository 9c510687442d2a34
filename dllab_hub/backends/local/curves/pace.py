"""How fast steps go by, and who is behind: `Pace`, `stragglers`."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping

__all__ = ("Pace", "stragglers")

#: Seconds that count as of late, and between two moments that are remembered.
_WINDOW, _APART = 60.0, 1.0
#: Moments that are kept although they are older, for who reports seldom.
_FEWEST = 5
#: Times between two reports that are remembered, and that are needed to say what is usual.
_GAPS, _USUAL = 32, 2
#: Who has less than this part of the others' rate is slow; measured over so many seconds.
_SLOW, _MEASURED = 0.7, 5.0
#: Who is more steps, or a larger part of the others' steps, behind is slow.
_STEPS, _PART = 10, 0.05
#: Seconds by which what two replicas last said may lie apart.
_SKEW = 2.0


class Pace:
    """The steps of one program over the last minute.

    Args:
        patience: Seconds of silence that are nothing unusual.
    """

    __slots__ = ("_gaps", "_moments", "_newest", "_patience")

    def __init__(self, patience: float = 10.0) -> None:
        self._patience = patience
        self._moments: deque[tuple[float, int]] = deque()
        self._newest: tuple[float, int] | None = None
        self._gaps: deque[tuple[float, float]] = deque(maxlen=_GAPS)  # When one began, its length.

    @property
    def step(self) -> int | None:
        """The newest step."""
        return None if self._newest is None else self._newest[1]

    @property
    def time(self) -> float | None:
        """When it was said, seconds since the epoch."""
        return None if self._newest is None else self._newest[0]

    @property
    def seconds(self) -> float:
        """How long a time `rate` is measured over."""
        return self._newest[0] - self._moments[0][0] if self._newest else 0.0

    @property
    def interval(self) -> float | None:
        """Seconds between two reports as a rule, of those there were; None before it can be said.

        However many steps lie between them, and however long nothing has been said since.
        """
        if len(self._gaps) < _USUAL:
            return None
        return statistics.median(length for _, length in self._gaps)

    def add(self, time: float, step: int) -> None:
        """It was at ``step`` then. What is older than what is known counts for nothing."""
        if self._newest is not None:
            if time <= self._newest[0]:
                return
            if step < self._newest[1]:  # It was set back, by a restart for example.
                self._moments.clear()
            self._gaps.append((self._newest[0], time - self._newest[0]))
        self._newest = (time, step)
        if not self._moments or time - self._moments[-1][0] >= _APART:
            self._moments.append((time, step))
        while len(self._moments) > _FEWEST and self._moments[0][0] < time - _WINDOW:
            self._moments.popleft()

    def forget(self, before: float) -> None:
        """What was said before is of another attempt."""
        while self._moments and self._moments[0][0] < before:
            self._moments.popleft()
        while self._gaps and self._gaps[0][0] < before:
            self._gaps.popleft()
        if self._newest is not None and self._newest[0] < before:
            self._newest = None

    def rate(self, now: float) -> float | None:
        """Steps a second of late; None before it can be said.

        Args:
            now: Seconds since the epoch. Who has been silent for much longer than usual is slower
                than he last was.
        """
        if self._newest is None or not self._moments:
            return None
        (time, step), (first, begin) = self._newest, self._moments[0]
        if time <= first:
            return None
        usual = (time - first) / max(len(self._moments) - 1, 1)
        end = now if now - time > max(self._patience, 3 * usual) else time
        return (step - begin) / (end - first)


def stragglers(paces: Mapping[str, Pace], now: float) -> set[str]:
    """Who is clearly slower than the others; nobody, while fewer than two others report.

    Args:
        paces: Of the replicas of one role that run and report, by name.
        now: Seconds since the epoch.
    """
    if len(paces) < 3:
        return set()
    rates = {name: pace.rate(now) for name, pace in paces.items() if pace.seconds >= _MEASURED}
    found = set()
    for name, pace in paces.items():
        theirs = [rate for other, rate in rates.items() if other != name and rate is not None]
        usual = statistics.median(theirs) if len(theirs) >= 2 else None
        own = rates.get(name)
        if own is not None and usual is not None and own < _SLOW * usual:
            found.add(name)
            continue
        steps = statistics.median(p.step or 0 for other, p in paces.items() if other != name)
        allowed = max(_STEPS, _PART * steps, _SKEW * (usual or 0.0))
        if pace.step is not None and steps - pace.step >= allowed and usual is not None:
            found.add(name)
    return found
