"""A machine whose GPUs do what a test says, and alerts that are looked at often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dllab_hub.metrics.sampler import Sampler
from dllab_hub.server.alerting import Alerting
from dllab_hub.server.lab import Lab
from dllab_hub.specs import Gpu, GpuCondition, GpuReport, GpuState, Holder
from dllab_hub.state import StateDir
from dllab_hub.testing import MemoryBackend

__all__ = ("Machine", "machines", "soon")

EVERY = 0.05


class Machine:
    """Two GPUs, of which ada's lab holds the first; and a lab that watches them.

    Attributes:
        gpus: As they are read next; empty: there is none.
        holders: Who holds which.
        now: What the clock of the alerts says.
        reads: How often they were read.
        fault: What is read instead, if anything.
    """

    def __init__(self, root: Path, **options: Any) -> None:
        self.gpus = [Gpu(index=n, uuid=f"GPU-{n}", name="H100", temperature=50) for n in range(2)]
        self.holders = {"GPU-0": Holder(kind="lab", owner="ada", name="work", id="work-bcdfghj")}
        self.now = 1_000_000.0
        self.reads = 0
        self.fault: GpuState | None = None
        self.state = StateDir.at(root)
        root.mkdir(exist_ok=True)
        self.backend = MemoryBackend(gpus=("GPU-0", "GPU-1"))
        self.sampler = Sampler(self._read, interval=EVERY, linger=0.1)
        self.alerting = Alerting(
            self.state, self.backend, self.sampler, every=EVERY, clock=self._clock, **options
        )
        self.lab = Lab(
            self.backend,
            self.sampler,
            kind="memory",
            holders=lambda _: dict(self.holders),
            alerts=self.alerting,
        )

    def change(self, index: int, **changes: Any) -> None:
        """A GPU is otherwise from now on."""
        self.gpus[index] = self.gpus[index].model_copy(update=changes)

    def lose(self, index: int) -> None:
        """A GPU falls off the bus."""
        self.change(index, condition=GpuCondition.LOST, error="It is lost.", temperature=None)

    def heal(self, index: int) -> None:
        """It is back."""
        self.change(index, condition=GpuCondition.OK, error="", temperature=50)

    def rules(self, viewer: str | None = None) -> dict[str, str]:
        """State of each alert of somebody, by its rule and what it is about."""
        found = self.alerting.of(viewer, pending=True)
        return {f"{alert.rule} {alert.subject}".strip(): alert.state for alert in found}

    def told(self) -> list[str]:
        """What people were told, in order."""
        return [f"{alert.rule} {alert.state}" for alert in self.backend.notices.told]

    def _clock(self) -> float:
        self.now += EVERY  # Time goes on with each look.
        return self.now

    def _read(self) -> GpuReport:
        self.reads += 1
        if self.fault is not None:
            return GpuReport(state=self.fault, message="It is broken.", time=self.now)
        if not self.gpus:
            return GpuReport(state=GpuState.NO_GPU, message="There is none.", time=self.now)
        return GpuReport(state=GpuState.OK, time=time.time(), gpus=tuple(self.gpus))


@asynccontextmanager
async def machines(root: Path) -> AsyncIterator[Callable[..., Any]]:
    """Makes machines that watch themselves, one after the other on the same disk."""
    made: list[Machine] = []

    async def machine(**changes: Any) -> Machine:
        new = Machine(root, **changes.pop("options", {}))
        for name, value in changes.items():
            setattr(new, name, value)
        made.append(new)
        new.lab.start()
        return new

    yield machine
    for each in made:
        await each.lab.close()


async def soon(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true value of the condition."""
    async with asyncio.timeout(seconds):
        while not (value := condition()):
            await asyncio.sleep(0.01)
    return value
