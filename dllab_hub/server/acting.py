"""`Acting`: does by itself what the administrator wants done about an alert. Nothing by default.

What is done to the same job, GPU or deployment is done one after the other; to others it need not
wait: a relaunch can take minutes, and a bad GPU is taken out of use at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Protocol
from weakref import WeakValueDictionary

from ..backends.base import Backend
from ..errors import Conflict, DLLabError, NotFound, Unavailable
from ..specs import MAX_REPLICAS, Act, GpuState
from .concerning import World
from .due import Due, parts, whole
from .healing import Healing, is_well, sentence, stays

__all__ = ("Acting", "Leases")

_LOG = logging.getLogger(__name__)
#: Seconds for which a GPU must have been well before it is lent again.
_WELL = 300.0


class Leases(Protocol):
    """Where GPUs are taken out of use; a `LeaseDir` is one. Its calls block."""

    def withdraw(self, gpu: str, reason: str) -> None:
        """Let nobody take it."""

    def give_back(self, gpu: str) -> None:
        """Let people take it again."""

    def withdrawn(self) -> dict[str, str]:
        """Why each one that is out of use is."""


class Acting:
    """Acts.

    Args:
        backend: Has the jobs and the deployments.
        leases: Of this machine's GPUs; None: there are none that could be withdrawn.
        clock: Seconds since the epoch.
    """

    def __init__(self, backend: Backend, leases: Leases | None, clock: Callable[[], float]) -> None:
        self._backend = backend
        self._leases = leases
        self._clock = clock
        #: Why each GPU that is out of use is, by its UUID.
        self.withdrawn: Mapping[str, str] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._taking = asyncio.Lock()
        self._well: dict[str, float] = {}  # Since when each of them is.
        self._healing: dict[str, Healing] = {}

    async def act(self, due: Due, world: World) -> Act:
        """Do it, and say what came of it."""
        what = {
            "relaunch": self._relaunch,
            "withdraw": self._withdraw,
            "replace": self._replace,
            "scale": self._scale,
        }
        action, alert = due.did.action, due.alert
        try:
            if due.refused:
                raise Conflict(due.refused)
            async with self._turns.setdefault(due.did.subject, asyncio.Lock()):
                message = await what[action](due, world)
            outcome = True
        except DLLabError as exc:
            message, outcome = str(exc), False
        level = logging.INFO if outcome else logging.WARNING
        said = f"{alert.rule}, {alert.name or alert.subject}: {action}: {message}"
        _LOG.log(level, "%s", said)
        return Act(
            time=self._clock(),
            action=action,
            outcome="done" if outcome else "failed",
            message=message,
        )

    async def look(self, world: World, bad: Collection[str], now: float) -> None:
        """Know what is out of use, and give back what has been well for some minutes.

        Args:
            world: As it is now.
            bad: UUIDs of GPUs of which an alert fires for which they are withdrawn.
            now: Seconds since the epoch.
        """
        if self._leases is None:
            return
        self.withdrawn = await asyncio.to_thread(self._leases.withdrawn)
        fresh = world.report.state is GpuState.OK  # Else it only repeats what was read before.
        ill = {part for uuid in bad for part in parts(uuid, world)}
        for uuid, reason in self.withdrawn.items():
            gpu = world.gpu(uuid)
            there = whole(gpu, world) if gpu is not None else None
            healing = self._healing.setdefault(uuid, Healing())
            if fresh and (gpu is not None or not uuid.startswith("MIG-")):  # Slices are remade.
                healing.see(there)
            well = gpu is not None and there is not None and is_well(gpu) and is_well(there)
            if not fresh or not well or uuid in ill or (stays(reason) and not healing.healed):
                self._well.pop(uuid, None)
            elif now - self._well.setdefault(uuid, now) >= _WELL:
                await asyncio.to_thread(self._leases.give_back, uuid)
                _LOG.info("%s has been well for some minutes: it is in use again.", uuid)
        self._well = {uuid: at for uuid, at in self._well.items() if uuid in self.withdrawn}
        self._healing = {uuid: h for uuid, h in self._healing.items() if uuid in self.withdrawn}

    async def _relaunch(self, due: Due, world: World) -> str:
        job = world.job(due.did.subject)
        if job is None:
            raise NotFound("no job uses it.")
        async with self._taking:
            pass  # A GPU that is being withdrawn is gone first: the job might get it again.
        await self._backend.relaunch(job.owner, job.id, f"the alert {due.alert.rule}")
        return f"{job.id} goes on from its last checkpoint, on the GPUs that it gets."

    async def _withdraw(self, due: Due, world: World) -> str:
        if self._leases is None:
            raise Unavailable("GPUs are not lent here.")
        alert = due.alert
        async with self._taking:
            before = await asyncio.to_thread(self._leases.withdrawn)
            for uuid in parts(alert.subject, world):
                if uuid in before and stays(before[uuid]):
                    continue  # What it needs then does not become less.
                gpu = world.gpu(uuid)
                self._healing[uuid] = Healing.of(whole(gpu, world) if gpu is not None else None)
                await asyncio.to_thread(self._leases.withdraw, uuid, sentence(alert.rule, uuid))
        until = sentence(alert.rule, alert.subject).partition(": ")[2]
        return f"{alert.name or 'the GPU'} is out of use: {until}"

    async def _replace(self, due: Due, world: World) -> str:
        alert = due.alert
        by = f"the alert {alert.rule}"
        await self._backend.serving.replace(alert.owner, alert.subject, by)
        return "another replica takes the place of the one that does worst."

    async def _scale(self, due: Due, world: World) -> str:
        alert = due.alert
        there = await self._backend.serving.get(alert.owner, alert.subject)
        auto = there.spec.autoscale
        more, most = there.wished + 1, MAX_REPLICAS if auto is None else auto.max
        if more > most:
            raise Conflict(f"it has {most} replicas already, which is the most.")
        await self._backend.serving.scale(alert.owner, alert.subject, more)
        return f"it is to have {more} replicas."
