"""`LocalBackend`: jobs on this machine. One directory and one shim process for each."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from ...catalog import HERE, interpreter, load_catalog
from ...errors import NotFound, Unavailable
from ...leases import LeaseDir
from ...metrics.nvml import inventory
from ...specs import (
    Capacity,
    Catalog,
    Checkpoint,
    Event,
    GpuReport,
    JobFilter,
    JobPage,
    LogChunk,
    Preflight,
    TrainingJob,
    TrainingSpec,
)
from ...state import StateDir
from ..base import Backend
from ..source import check_preflight
from .capacity import capacity
from .checkpoints import checkpoints
from .curves import LocalCurves
from .draft import Draft, drafted, to_the_end
from .driver import Driver
from .history import LocalHistory
from .insight import LocalInsight
from .jobdir import JobDir
from .launch import Launcher
from .lock import take_state
from .logs import read_log
from .notices import LocalNotices
from .place import Place
from .queue import Queue
from .serving import LocalServing
from .store import Store
from .workspaces import LocalWorkspaces

__all__ = ("LocalBackend",)

_LOG = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")
#: Seconds between two looks at jobs that live.
_TICK = 0.5
#: A shim writes down the end of its job, and is gone a moment later.
_LAST_MOMENTS = 20.0


class LocalBackend(Backend):
    """Jobs on this machine.

    It can be killed at any time: what runs goes on, and the next one takes it over. Decisions are
    made on one thread of its own, so the event loop never waits for a disk or a process.

    Args:
        state: Where everything lies; one backend at a time has it.
        here: Also offer the running interpreter as an image, for a ``jupyter lab`` without a hub.
        os_users: Run each job as its owner's own account; needs root.
        gpus: UUIDs of the GPUs there are.
        cpus: How many CPUs the jobs that run may count for together; None: those that this process
            may use.
        grace: Seconds that a cancelled or paused job has for a last checkpoint.
        python: Interpreter of the shims and of the image ``here``; it can import this package.
        gpu_report: What the GPUs do now; None where nobody measures it.
    """

    serving: LocalServing
    workspaces: LocalWorkspaces

    def __init__(
        self,
        state: StateDir,
        *,
        here: bool = False,
        os_users: bool = False,
        gpus: Callable[[], Sequence[str]] = inventory,
        cpus: float | None = None,
        grace: float = 10.0,
        python: str = sys.executable,
        gpu_report: Callable[[], Awaitable[GpuReport]] | None = None,
    ) -> None:
        self._state = state
        self._here = here
        self._os_users = os_users
        self._python = python
        self._leases = LeaseDir(state.leases)
        self._store = Store(state.root)
        self.cpus = cpus or len(os.sched_getaffinity(0))
        self.workspaces = LocalWorkspaces(state, limit=self._workspace_limit)
        self._launcher = Launcher(
            state,
            self._leases,
            self._interpreter,
            partial(load_catalog, state, here=here),
            self.workspaces,
            grace=grace,
            os_users=os_users,
            python=python,
        )
        self._queue = Queue(state, self._store, self._leases, self._launcher, grace, self.cpus)
        self.serving = LocalServing(state, os_users=os_users, python=python)
        self._keeper = ThreadPoolExecutor(1, "dllab-jobs")
        self._lock: int | None = None
        self.place = Place(state, self._store, self._queue, self._keep, self._folder, gpu_report)
        self.curves = LocalCurves(self.place)
        self.history: LocalHistory = LocalHistory(self, self.place, self.curves)
        self.insight: LocalInsight = LocalInsight(self, self.place, self.curves)
        self._queue.known = self.insight.known
        self.notices: LocalNotices = LocalNotices(self.place)
        self._closed = False
        self._watch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._driver = Driver(gpus)

    async def start(self) -> None:
        """Take the state directory and everything that runs there.

        Raises:
            Unavailable: another service has the directory, or it cannot be written.
            StorageFull: there is no room for the index.
        """
        await self._keep(self._open)
        self.curves.start()
        self.insight.start()
        self.history.start()
        await self.notices.start()
        await self.serving.start()
        self._watch = asyncio.create_task(self._run(), name="dllab-jobs")

    async def close(self) -> None:
        """Let go. Jobs run on."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        await self._driver.close()
        if self._closed:
            return
        for part in (self.notices, self.history, self.curves, self.insight, self.serving):
            await part.close()
        await self._keep(self._shut)
        self._closed = True
        await asyncio.to_thread(self._keeper.shutdown)

    async def catalog(self) -> Catalog:
        return await asyncio.to_thread(load_catalog, self._state, here=self._here)

    async def _submit(self, owner: str, spec: TrainingSpec) -> TrainingJob:
        gpus = await self._driver.inventory() if spec.gpus else self._driver.last
        async with self._draft(owner, spec) as draft:
            check_preflight(await draft.preflight(self._launcher, deep=False), spec)
            accept = self._keep(self._queue.submit, draft.job, draft.folder, gpus)
            job = await to_the_end(accept)
        self._wake.set()
        return job

    async def _preflight(self, owner: str, spec: TrainingSpec, deep: bool) -> Preflight:
        # What it would begin with may be large, and tells nothing about the code.
        async with self._draft(owner, spec.model_copy(update={"checkpoint_from": None})) as draft:
            return await draft.preflight(self._launcher, deep=deep)

    def _draft(self, owner: str, spec: TrainingSpec) -> AbstractAsyncContextManager[Draft]:
        return drafted(self._state, self._launcher, owner, spec, os_users=self._os_users)

    async def _get(self, owner: str, id: str) -> TrainingJob:
        job = await asyncio.to_thread(self._store.find, owner, id)
        if job is not None and not job.state.is_terminal:
            # The look may find that it has ended; what it wrote is then the newest.
            job = await self._keep(self._queue.look, id) or await asyncio.to_thread(
                self._store.find, owner, id
            )
        if job is None:
            raise NotFound("there is no such job.")
        return job

    async def _list(self, owner: str, where: JobFilter, limit: int, after: str | None) -> JobPage:
        jobs, following = await asyncio.to_thread(self._store.page, owner, where, limit, after)
        if all(job.state.is_terminal for job in jobs):
            return JobPage(jobs=tuple(jobs), next=following)
        # The index knows states; step, checkpoint and replicas of what runs are newer in memory.
        seen = await self._keep(lambda: [self._queue.find(job.id) or job for job in jobs])
        return JobPage(jobs=tuple(seen), next=following)

    async def _cancel(self, owner: str, id: str) -> TrainingJob:
        job = await self._keep(self._queue.cancel, owner, id, owner)
        self._wake.set()
        return job or await self._get(owner, id)

    async def _pause(self, owner: str, id: str) -> TrainingJob:
        job = await self._keep(self._queue.pause, id, owner)
        self._wake.set()
        return job or await self._get(owner, id)

    async def _resume(self, owner: str, id: str) -> TrainingJob:
        wants = (await self._get(owner, id)).spec.gpus
        gpus = await self._driver.inventory() if wants else self._driver.last
        give_up = time.monotonic() + _LAST_MOMENTS
        while (job := await self._keep(self._queue.resume, owner, id, owner, gpus)) is None:
            self._wake.set()  # What does not end is killed then.
            if time.monotonic() > give_up:
                raise Unavailable("the job is still ending.", hint="Try again in a moment.")
            await asyncio.sleep(0.02)
        self._wake.set()
        return job

    async def _logs(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int, limit: int
    ) -> LogChunk:
        job = await self._get(owner, id)
        if not job.files:
            return await self.history.log(job, replica, attempt, offset, limit)
        return await asyncio.to_thread(
            lambda: read_log(self._folder(id).run, job, replica, attempt, offset, limit)
        )

    async def _events(self, owner: str, id: str) -> tuple[Event, ...]:
        if not (await self._get(owner, id)).files:
            return (await self.history.record(owner, id)).events
        return await asyncio.to_thread(lambda: self._folder(id).events())

    async def _checkpoints(self, owner: str, id: str) -> tuple[Checkpoint, ...]:
        await self._get(owner, id)
        return await asyncio.to_thread(lambda: checkpoints(self._folder(id).run))

    async def _capacity(self, owner: str, gpus: int | None) -> Capacity:
        there = await self._driver.inventory()
        return await asyncio.to_thread(capacity, self._leases, there, owner, gpus)

    async def _lend(self, owner: str, lab: str, lend: bool) -> None:
        if not await asyncio.to_thread(self._leases.lend, owner, lab, lend):
            raise NotFound("you have no such lab with GPUs.", field="lab")
        self._wake.set()  # A job may have waited for it.

    def _workspace_limit(self) -> int:
        return load_catalog(self._state, here=self._here).max_workspace_mb << 20

    # On the thread of decisions.

    async def _keep(self, do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self._closed:
            raise Unavailable("the lab's job service is closed.", hint="Start it again.")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._keeper, lambda: do(*args, **kwargs))

    def _open(self) -> None:
        self._lock = take_state(self._state, self._os_users)
        try:
            self._store.open()
            self._queue.adopt()
        except BaseException:
            self._shut()
            raise

    def _shut(self) -> None:
        self._store.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _interpreter(self, image: str) -> Path:
        return Path(self._python) if image == HERE else interpreter(self._state, image)

    def _folder(self, id: str) -> JobDir:
        return JobDir.at(self._state.jobs / id)

    # Time.

    async def _run(self) -> None:
        """Look at the jobs again and again while there are any."""
        while True:
            self._wake.clear()
            try:
                gpus = (
                    await self._driver.inventory() if self._queue.wants_gpus else self._driver.last
                )
                await self._keep(self._queue.tick, gpus)
            except Exception:
                # Whatever it is, jobs must go on being watched; the log has it with its traceback.
                _LOG.exception("A look at the jobs failed; the next one follows.")
            if self._queue.busy:
                await asyncio.sleep(_TICK)
            else:
                await self._wake.wait()
