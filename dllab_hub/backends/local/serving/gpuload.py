"""`GpuLoad`: how busy the GPUs of a deployment are, for whoever decides on its replicas."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from ....specs import GpuReport, GpuState

__all__ = ("GpuLoad", "Measure", "busy")

#: Says what the GPUs do now.
Measure: TypeAlias = Callable[[], Awaitable[GpuReport]]
#: Seconds between two readings: the driver's own numbers are means of about that long.
_EVERY = 1.0


class GpuLoad:
    """Of one deployment. Used on one event loop.

    Args:
        measure: None where nobody does.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        measure: Measure | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measure = measure
        self._clock = clock
        self._area = 0.0
        self._load: float | None = None
        self._since = clock()  # It is that; what was before is in the area.
        self._looked: float | None = None

    async def look(self, gpus: Sequence[Sequence[str]], *, asleep: bool) -> None:
        """See what they do, when the last look was long enough ago.

        Args:
            gpus: UUIDs of those of each replica that answers.
            asleep: There is to be no replica: nothing is busy, whatever can be measured.
        """
        now = self._clock()
        if asleep:
            self._set(0.0)
        elif self._looked is None or now - self._looked >= _EVERY:
            self._looked = now
            report = None if self._measure is None else await self._measure()
            self._set(None if report is None else busy(report, gpus))

    def area(self) -> float | None:
        """Seconds that replicas' GPUs have computed, as of `Record.area`; None: not known now."""
        self._set(self._load)
        return None if self._load is None else self._area

    def _set(self, load: float | None) -> None:
        now = self._clock()
        self._area += (self._load or 0.0) * (now - self._since)
        self._since, self._load = now, load


def busy(report: GpuReport, gpus: Sequence[Sequence[str]]) -> float | None:
    """How many replicas could have done it all, computing without a pause; None: not known.

    Args:
        report: The GPUs now.
        gpus: UUIDs of those of each replica that answers.
    """
    if report.state is not GpuState.OK or not gpus or not all(gpus):
        return None
    loads = {gpu.uuid: gpu.utilization for gpu in report.gpus if not gpu.error}
    mine = [loads.get(uuid) for each in gpus for uuid in each]
    known = [load for load in mine if load is not None]
    if len(known) < len(mine):  # One that is not told is not idle.
        return None
    return len(gpus) * sum(known) / len(known)
