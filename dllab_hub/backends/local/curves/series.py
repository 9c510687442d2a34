"""`Series`: the points of one curve as they come, in bounded memory."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from ....specs import Curve
from ....specs.curve import MAX_POINTS
from ...thinning import evenly

__all__ = ("LONGEST_NAME", "Series", "Snapshot", "new_series", "shown")

#: Characters of a curve's name.
LONGEST_NAME = 200

#: Curves of one job that have all points there may be.
_LARGE = 100
Source = Literal["report", "tensorboard", "usage", "gpu"]


def new_series(before: int) -> Series:
    """A new one, the smaller the more there are before it: 500 of a job take 12 MB at most."""
    return Series(2 * MAX_POINTS if before < _LARGE else 2 * MAX_POINTS // 5)


class Series:
    """Keeps every n-th point once there are many, and always the newest.

    Attributes:
        owner: Which file has written the newest points; see `events`.

    Args:
        most: Points that are kept, an even number; at least half as many of those that came are.
    """

    __slots__ = ("_every", "_last", "_most", "_since", "owner", "steps", "times", "values")

    def __init__(self, most: int = 2 * MAX_POINTS) -> None:
        self.steps, self.times, self.values = array("q"), array("d"), array("d")
        self.owner = ""
        self._most = most
        self._every = 1
        self._since = 0  # Points since the last one that was kept, that one included.
        self._last: tuple[int, float, float] | None = None  # The newest, while it is not kept.

    def __len__(self) -> int:
        return len(self.steps) + (self._last is not None)

    @property
    def last(self) -> tuple[int, float, float] | None:
        """Step, time and value of the newest point."""
        if self._last is not None:
            return self._last
        return (self.steps[-1], self.times[-1], self.values[-1]) if self.steps else None

    def add(self, step: int, time: float, value: float) -> None:
        """Add a point. One of an earlier step is of a training that was set back: what was known
        from that step on is forgotten.
        """
        last = self.last
        if last is not None and step < last[0]:
            self.cut(step)
        if self.steps and self._since < self._every:
            self._since += 1
            self._last = (step, time, value)
            return
        self._keep(step, time, value)

    def cut(self, step: int) -> None:
        """Forget the points of ``step`` and later."""
        if self._last is not None and self._last[0] >= step:
            self._last = None
        if self.steps and self.steps[-1] >= step:
            at = bisect_left(self.steps, step)
            del self.steps[at:], self.times[at:], self.values[at:]
            self._last, self._since = None, self._every

    def snapshot(self) -> Snapshot:
        """The points as they are now."""
        last = () if self._last is None else (self._last,)
        return Snapshot(
            (*self.steps, *(step for step, _, _ in last)),
            (*self.times, *(time for _, time, _ in last)),
            (*self.values, *(value for _, _, value in last)),
        )

    def _keep(self, step: int, time: float, value: float) -> None:
        self.steps.append(step)
        self.times.append(time)
        self.values.append(value)
        self._last, self._since = None, 1
        if len(self.steps) == self._most:
            self._last = self.last
            self.steps, self.times, self.values = (
                self.steps[::2],
                self.times[::2],
                self.values[::2],
            )
            # The newest was the second of a pair; it counts as one since that which is kept.
            self._since = self._every + 1
            self._every *= 2


@dataclass(frozen=True)
class Snapshot:
    """Points that do not change any more."""

    steps: tuple[int, ...]
    times: tuple[float, ...]
    values: tuple[float, ...]

    def curve(
        self,
        name: str,
        source: Source,
        *,
        replica: str = "",
        run: str = "",
        stepped: bool = True,
        most: int = MAX_POINTS,
    ) -> Curve:
        """As a `Curve` of at most ``most`` points."""
        return Curve(
            name=name,
            source=source,
            replica=replica,
            run=run,
            steps=evenly(self.steps, most) if stepped else (),
            times=evenly(self.times, most),
            values=tuple(v if math.isfinite(v) else None for v in evenly(self.values, most)),
        )


def shown(text: str) -> str:
    """What somebody has named, of a length that can be shown, and without control characters."""
    text = text[:LONGEST_NAME]
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
