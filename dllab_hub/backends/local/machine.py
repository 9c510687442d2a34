"""`MachineLine`: jobs that run on this machine, each with a shim of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ...catalog import HERE, interpreter, load_catalog
from ...errors import NotFound, Unavailable
from ...leases import LeaseDir
from ...specs import Capacity, JobLimits, Preflight, TrainingJob, TrainingSpec
from ...state import StateDir
from ..quota import check_quota
from ..room import check_room
from .capacity import capacity
from .draft import Draft, drafted, to_the_end
from .driver import Driver
from .launch import Launcher
from .line import Keep, Line
from .queue import Queue
from .store import Store
from .workspaces import LocalWorkspaces

__all__ = ("MachineLine",)

_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)
#: Seconds between two looks at jobs that live.
_TICK = 0.5
#: A shim writes down the end of its job, and is gone a moment later.
_LAST_MOMENTS = 20.0


class MachineLine(Line):
    """One shim process for each job that runs, and a queue for the GPUs.

    Args:
        state: Where things lie.
        store: Index of all jobs.
        workspaces: Has the files that travel with jobs.
        here: Also offer the running interpreter as an image.
        os_users: Run each job as its owner's own account; needs root.
        gpus: UUIDs of the GPUs there are.
        cpus: How many CPUs the jobs that run may count for together; None: those that this process
            may use.
        grace: Seconds that a cancelled or paused job has for a last checkpoint.
        python: Interpreter of the shims and of the image ``here``; it can import this package.
    """

    def __init__(
        self,
        state: StateDir,
        store: Store,
        workspaces: LocalWorkspaces,
        *,
        here: bool,
        os_users: bool,
        gpus: Callable[[], Sequence[str]],
        cpus: float | None,
        grace: float,
        python: str = sys.executable,
    ) -> None:
        self._state = state
        self._os_users = os_users
        self._python = python
        self._leases = LeaseDir(state.leases)
        self.cpus = cpus or len(os.sched_getaffinity(0))
        self.launcher = Launcher(
            state,
            self._leases,
            self._interpreter,
            partial(load_catalog, state, here=here),
            workspaces,
            grace=grace,
            os_users=os_users,
            python=python,
        )
        self.queue = Queue(state, store, self._leases, self.launcher, grace, self.cpus)
        self._driver = Driver(gpus)
        self._watch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    @property
    def known(self) -> Callable[[TrainingJob], TrainingJob]:
        """As in `Line`."""
        return self.queue.known

    @known.setter
    def known(self, known: Callable[[TrainingJob], TrainingJob]) -> None:
        self.queue.known = known

    async def start(self, keep: Keep) -> None:
        self._keep = keep
        self._watch = asyncio.create_task(self._run(), name="dllab-jobs")

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        await self._driver.close()

    def draft(self, owner: str, spec: TrainingSpec) -> AbstractAsyncContextManager[Draft]:
        return drafted(
            self._state, self.launcher.preparer.prepare, owner, spec, os_users=self._os_users
        )

    async def preflight(self, draft: Draft, *, deep: bool) -> Preflight:
        return await draft.preflight(self.launcher, deep=deep)

    async def check_room(self, owner: str, spec: TrainingSpec) -> None:
        gpus = len(await self._driver.inventory()) if spec.gpus else 0
        check_room(spec, gpus, self.cpus)

    async def submit(self, draft: Draft, limits: JobLimits) -> TrainingJob:
        wants = draft.job.spec.gpus
        gpus = await self._driver.inventory() if wants else self._driver.last
        accept = self._keep(
            self._within, limits, draft.job, self.queue.submit, draft.job, draft.folder, gpus
        )
        job: TrainingJob = await to_the_end(accept)
        self.wake()
        return job

    async def resume(
        self, job: TrainingJob, by: str, limits: JobLimits, *, again: bool = False
    ) -> TrainingJob:
        gpus = await self._driver.inventory() if job.spec.gpus else self._driver.last
        give_up = time.monotonic() + _LAST_MOMENTS
        args = (partial(self.queue.resume, again=again), job.owner, job.id, by, gpus)
        while (found := await self._keep(self._within, limits, job, *args)) is None:
            self.wake()  # What does not end is killed then.
            if time.monotonic() > give_up:
                raise Unavailable("the job is still ending.", hint="Try again in a moment.")
            await asyncio.sleep(0.02)
        self.wake()
        resumed: TrainingJob = found
        return resumed

    async def capacity(self, owner: str, gpus: int | None) -> Capacity:
        there = await self._driver.inventory()
        return await asyncio.to_thread(capacity, self._leases, there, owner, gpus)

    async def lend(self, owner: str, lab: str, lend: bool) -> None:
        if not await asyncio.to_thread(self._leases.lend, owner, lab, lend):
            raise NotFound("you have no such lab with GPUs.", field="lab")
        self.wake()  # A job may have waited for it.

    def wake(self) -> None:
        self._wake.set()

    def adopt(self) -> None:
        self.queue.adopt(self.mine)

    def all(self) -> list[TrainingJob]:
        return self.queue.all()

    def find(self, id: str) -> TrainingJob | None:
        return self.queue.find(id)

    def look(self, id: str) -> TrainingJob | None:
        return self.queue.look(id)

    def cancel(self, owner: str, id: str, by: str) -> TrainingJob | None:
        return self.queue.cancel(owner, id, by)

    def pause(self, id: str, by: str, *, again: bool = False) -> TrainingJob | None:
        return self.queue.pause(id, by, again=again)

    def noted(self, id: str, changes: Mapping[str, Any]) -> None:
        self.queue.noted(id, changes)

    def _within(self, limits: JobLimits, job: TrainingJob, do: Callable[..., _T], *args: Any) -> _T:
        """Do it if the limits of the job's person leave room for it."""
        if self.queue.find(job.id) is None:  # What waits or runs already asks for nothing more.
            check_quota(job.spec, self.holding(job.owner), limits)
        return do(*args)

    def _interpreter(self, image: str) -> Path:
        return Path(self._python) if image == HERE else interpreter(self._state, image)

    async def _run(self) -> None:
        """Look at the jobs again and again while there are any."""
        while True:
            self._wake.clear()
            try:
                wanted = self.queue.wants_gpus
                gpus = await self._driver.inventory() if wanted else self._driver.last
                await self._keep(self.queue.tick, gpus)
            except Exception:
                # Whatever it is, jobs must go on being watched; the log has it with its traceback.
                _LOG.exception("A look at the jobs failed; the next one follows.")
            if self.queue.busy:
                await asyncio.sleep(_TICK)
            else:
                await self._wake.wait()
