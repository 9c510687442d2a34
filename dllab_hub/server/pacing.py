"""`reports`: the GPUs at a pace, for whoever has to know of them all the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from ..specs import GpuReport, GpuState

__all__ = ("NO_GPUS", "Paced", "reports")

#: States in which there is nothing to read, and that is no fault.
NO_GPUS = (GpuState.NO_GPU, GpuState.NO_LIBRARY)
#: Seconds after which it is looked again whether a machine without a GPU has one.
_AGAIN = 600.0


class Paced(Protocol):
    """Reads the GPUs at a pace; a `Sampler` does."""

    @property
    def age(self) -> float | None:
        """Seconds since they were read; None: not yet."""

    async def report(self) -> GpuReport:
        """The GPUs now."""

    def follow(self, every: float | None = None) -> AsyncGenerator[GpuReport]:
        """The GPUs now, and then at this pace or quicker."""


async def reports(
    gpus: Paced, every: float, clock: Callable[[], float], had: Callable[[], bool]
) -> AsyncGenerator[GpuReport]:
    """The GPUs at that pace or quicker; where there are none, that, and nobody reads them.

    Args:
        gpus: Reads them.
        every: Seconds between two reports that are enough.
        clock: Seconds since the epoch.
        had: Whether there has been a GPU: that there is none is a fault then, which may be over
            with the next look.
    """
    while True:
        report = await gpus.report()
        began = time.monotonic()
        while report.state in NO_GPUS and not had() and time.monotonic() - began < _AGAIN:
            yield report.model_copy(update={"time": clock()})
            await asyncio.sleep(every)
        if report.state in NO_GPUS and not had():
            continue
        async with aclosing(gpus.follow(every)) as followed:
            async for report in followed:
                if report.state in NO_GPUS and not had():
                    break
                yield report
