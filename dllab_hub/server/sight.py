"""`Sight`: whether the GPUs of this machine can be read, and since when they cannot."""

from __future__ import annotations

import time

from ..metrics.rules import Kind
from ..specs import GpuReport, GpuState
from .pacing import NO_GPUS, Paced

__all__ = ("Sight",)


class Sight:
    """Remembers whether there has been a GPU: that there is none is a fault then.

    Args:
        gpus: Reads them.
    """

    def __init__(self, gpus: Paced) -> None:
        self._gpus = gpus
        self._seen: float | None = None  # When they last were, seconds of the monotonic clock.

    @property
    def had(self) -> bool:
        """Whether there has been a GPU."""
        return self._seen is not None

    def remember(self) -> None:
        """There was one before a restart: from now on it is waited for."""
        self._seen = time.monotonic()

    def see(self, report: GpuReport) -> None:
        """The next report."""
        if report.gpus and report.state is not GpuState.STALE:
            self._seen = time.monotonic()

    def held(self, report: GpuReport) -> tuple[Kind, ...]:
        """Kinds of things of which this report says nothing new: GPUs that could not be read."""
        if report.state is GpuState.STALE:
            return ("gpu",)
        none = self.had if report.state in NO_GPUS else report.state is not GpuState.OK
        return ("gpu",) if none and not report.gpus else ()

    def age(self, report: GpuReport) -> float | None:
        """Seconds for which no GPU could be read; None: there is none, and never was."""
        ages = [] if report.state in NO_GPUS else [self._gpus.age]
        if self._seen is not None and not report.gpus:
            ages.append(time.monotonic() - self._seen)
        return max((age for age in ages if age is not None), default=None)
