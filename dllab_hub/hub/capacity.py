"""What a lab's wish for GPUs would meet now: `CapacitySource`, and `LocalCapacity` of one machine.

The form asks whenever somebody looks at it, so the answer comes from a picture that is at most a
few seconds old and is taken in a thread; the hub's event loop never waits for a disk or a driver.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..backends.local.capacity import holders, waiting
from ..errors import Unavailable
from ..leases import LeaseDir
from ..metrics import nvml
from ..specs import Catalog, Forecast, GpuInfo, Holder, forecasts, shortage
from ..state import StateDir

__all__ = ("CapacitySource", "LocalCapacity", "Outlook")

#: Seconds for which a picture is used again.
_FRESH = 2.0
#: Seconds for which somebody waits for one: a driver may hang, and never come back.
_PATIENCE = 10.0
#: Seconds after the last question during which it is still taken anew.
_WATCHED = 30.0


@dataclass(frozen=True)
class Outlook:
    """What a person may know of the GPUs before they pick some.

    Attributes:
        gpus: How many there are; None where nobody can say (a cluster that grows).
        held: How many are free and who holds the others, in words.
        forecasts: By type of GPU (``""`` for any): the answer for 0, 1, 2, ... GPUs, up to as many
            as there are; empty where nobody can say.
    """

    gpus: int | None
    held: str
    forecasts: Mapping[str, Sequence[Forecast]]


class CapacitySource(Protocol):
    """Where forecasts come from: the locks of this machine, or a cluster."""

    async def outlook(
        self,
        owner: str,
        groups: Collection[str],
        catalog: Catalog,
    ) -> Outlook:
        """What a new lab would meet.

        Args:
            owner: Who asks; nobody else's names are in the answer.
            groups: Of the hub, for quotas.
            catalog: As this person may see it.

        Raises:
            Unavailable: it cannot be found out now.
        """

    async def forecasts(
        self, owner: str, groups: Collection[str], catalog: Catalog
    ) -> Mapping[str, Sequence[Forecast]]:
        """Only the answers; see `Outlook`."""


@dataclass(frozen=True)
class _Picture:
    taken: float  # On the monotonic clock.
    gpus: tuple[GpuInfo, ...]
    held: Mapping[str, Holder]
    waiting: int


class LocalCapacity:
    """The GPUs of this machine. One for all spawners of a hub; used on its event loop.

    Args:
        state: Of this machine.
        gpus: The GPUs there are; may block.
    """

    def __init__(self, state: StateDir, gpus: Callable[[], Sequence[GpuInfo]] = nvml.gpus) -> None:
        self._state = state
        self._leases = LeaseDir(state.leases)
        self._gpus = gpus
        self._picture: _Picture | None = None
        self._taking: asyncio.Task[_Picture] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._asked = 0.0

    async def outlook(
        self,
        owner: str,
        groups: Collection[str],
        catalog: Catalog,
    ) -> Outlook:
        """What a new lab would meet, at most a few seconds old; see `CapacitySource`."""
        seen = await self._look()
        return Outlook(
            gpus=len(seen.gpus),
            held=shortage(owner, len(seen.gpus), seen.held.values()),
            forecasts=forecasts(owner, seen.gpus, seen.held, seen.waiting, catalog),
        )

    async def forecasts(
        self, owner: str, groups: Collection[str], catalog: Catalog
    ) -> Mapping[str, Sequence[Forecast]]:
        """Only the answers; see `Outlook`."""
        return (await self.outlook(owner, groups, catalog)).forecasts

    def expire(self) -> None:
        """Something was taken or given back here: the next answer looks anew."""
        self._picture = None
        self._taking = None  # One that is under way may have looked before; it is not kept.

    async def close(self) -> None:
        """Look no more."""
        for task in (self._watching, self._taking):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})

    async def _look(self) -> _Picture:
        self._asked = time.monotonic()
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="dllab-capacity")
        seen = self._picture
        if seen is not None and time.monotonic() - seen.taken < 2 * _FRESH:
            return seen
        try:
            async with asyncio.timeout(_PATIENCE):
                return await asyncio.shield(self._take_soon())
        except TimeoutError:
            raise Unavailable(
                "the GPUs of this machine do not answer.",
                hint="Run nvidia-smi; if it does not answer either, restart the machine.",
            ) from None

    async def _watch(self) -> None:
        """While somebody asks, have a fresh picture before they do."""
        while time.monotonic() - self._asked < _WATCHED:
            # What goes wrong is raised to whoever asks next.
            await asyncio.wait({self._take_soon()})
            await asyncio.sleep(_FRESH)

    def _take_soon(self) -> asyncio.Task[_Picture]:
        """One look at a time, for all who wait for it."""
        if self._taking is None or self._taking.done():
            self._taking = asyncio.create_task(self._take(), name="dllab-capacity-look")
            self._taking.add_done_callback(_seen)
        return self._taking

    async def _take(self) -> _Picture:
        seen = await asyncio.to_thread(self._read)
        if self._taking is asyncio.current_task():
            self._picture = seen
        return seen

    def _read(self) -> _Picture:
        gpus = tuple(self._gpus())
        held, aside = {}, {}
        if gpus:
            held, aside = holders(self._leases, [g.uuid for g in gpus]), self._leases.withdrawn()
        # One that is out of use and free counts as not there.
        gpus = tuple(gpu for gpu in gpus if gpu.uuid in held or gpu.uuid not in aside)
        return _Picture(time.monotonic(), gpus, held, waiting(self._state) if gpus else 0)


def _seen(task: asyncio.Task[_Picture]) -> None:
    """Nobody may have waited for it; that is no news for the loop's log."""
    if not task.cancelled():
        task.exception()
