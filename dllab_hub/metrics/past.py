"""`Past`: samples as they were a few minutes ago, as Prometheus remembers them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Iterable, Mapping

from .samples import Sample

__all__ = ("LOOKBACK", "Labels", "Past", "labels_of")

#: Labels of a series, by name.
Labels = tuple[tuple[str, str], ...]
#: Seconds after which Prometheus forgets a value that nothing has followed.
LOOKBACK = 300.0


def labels_of(labels: Mapping[str, str]) -> Labels:
    """In order of their names; an empty label is none, as for Prometheus."""
    return tuple(sorted((key, value) for key, value in labels.items() if value))


class Past:
    """Values of some series, moment by moment.

    What a moment does not have was gone then: as if a scrape had not found it.

    Args:
        windows: Seconds for which each metric has to be remembered, by its name. Others are not
            kept.

    Attributes:
        now: Of the newest moment, seconds since the epoch.
    """

    def __init__(self, windows: Mapping[str, float]) -> None:
        self.now = 0.0
        self._windows = dict(windows)
        # Of what is asked only as it is now, one moment is enough.
        long = {name: seconds for name, seconds in windows.items() if seconds}
        self._keep = {name: seconds + LOOKBACK for name, seconds in long.items()}
        self._present: dict[str, dict[Labels, float]] = {}
        self._moments: dict[str, deque[tuple[float, dict[Labels, float]]]] = {
            name: deque() for name in long
        }

    def add(self, samples: Iterable[Sample], now: float, same: Collection[str] = ()) -> None:
        """The next moment. One that is not later than the last is none: a clock was set back.

        Then what is remembered begins anew.

        Args:
            samples: What is measured.
            now: Seconds since the epoch.
            same: Metrics that could not be measured: they are taken to be as they were.
        """
        if now <= self.now:
            for moments in self._moments.values():
                moments.clear()
        self.now = now
        before = self._present
        self._present = {
            name: before.get(name, {}) if name in same else {} for name in self._windows
        }
        for sample in samples:
            if sample.name in self._present and sample.name not in same:
                self._present[sample.name][labels_of(sample.labels)] = float(sample.value)
        for name, moments in self._moments.items():
            moments.append((now, self._present[name]))
            # One that is older than asked for stays: it says what was true at the beginning.
            while len(moments) > 2 and moments[1][0] < now - self._keep[name]:
                moments.popleft()

    def value(self, name: str, time: float) -> dict[Labels, float]:
        """What a metric's series had then, if that is no older than `LOOKBACK`."""
        if time >= self.now:
            return self._present.get(name, {})
        moments = self._moments[name]
        place = bisect_right(moments, time, key=lambda moment: moment[0])
        if not place or time - moments[place - 1][0] > LOOKBACK:
            return {}
        return moments[place - 1][1]

    def least(self, name: str, since: float) -> dict[Labels, float]:
        """The smallest value of each series since then."""
        moments = self._moments[name]
        least: dict[Labels, float] = {}
        for index in range(bisect_left(moments, since, key=lambda m: m[0]), len(moments)):
            for labels, value in moments[index][1].items():
                least[labels] = min(value, least.get(labels, value))
        return least
