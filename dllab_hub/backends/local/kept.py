"""`KeptBackend`: jobs that are kept in directories which this process sees, wherever they run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from ...catalog import load_catalog
from ...errors import NotFound, Unavailable
from ...specs import (
    NO_LIMITS,
    Capacity,
    Catalog,
    Checkpoint,
    Event,
    GpuReport,
    JobFilter,
    JobLimits,
    JobPage,
    LogChunk,
    Preflight,
    TrainingJob,
    TrainingSpec,
)
from ...state import StateDir
from ..base import Backend
from ..serving import Serving
from ..source import check_preflight
from .checkpoints import checkpoints
from .curves import LocalCurves
from .gone import GoneLine
from .history import LocalHistory
from .insight import LocalInsight
from .jobdir import JobDir
from .leftovers import adopt_unknown
from .line import Line, Lines
from .lock import take_state
from .logs import read_log
from .mounted import check_mounted
from .notices import LocalNotices
from .place import Place
from .prepare import Preparer
from .relaunches import Relaunches
from .store import Store
from .workspaces import LocalWorkspaces

__all__ = ("KeptBackend",)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class KeptBackend(Backend):
    """A directory for each job, an index of them, and the places where they run.

    It can be killed at any time: what runs goes on, and the next one takes it over. Decisions are
    made on one thread of its own, so the event loop never waits for a disk or a process.

    Args:
        state: Where everything lies; one backend at a time has it.
        store: Closed.
        workspaces: Has the files that travel with jobs.
        lines: Where jobs run, by the name of the place; the first is the usual one. All of them
            see ``state.shared``: on storage that every cluster mounts.
        serving: Keeps models and serves them.
        os_users: Accounts pass through to directories of their own.
        gpu_report: What the GPUs of this machine do now; None where nobody measures it.
    """

    workspaces: LocalWorkspaces

    def __init__(
        self,
        state: StateDir,
        store: Store,
        workspaces: LocalWorkspaces,
        lines: Mapping[str, Line],
        serving: Serving,
        *,
        os_users: bool = False,
        gpu_report: Callable[[], Awaitable[GpuReport]] | None = None,
    ) -> None:
        self._state, self._store, self._places = state, store, lines
        self._gone = GoneLine(state, store, tuple(lines))
        self._lines = (*lines.values(), self._gone)
        self._os_users = os_users
        self.workspaces, self.serving = workspaces, serving
        self.cpus = self._usual.cpus
        self._keeper = ThreadPoolExecutor(1, "dllab-jobs")
        self._lock: int | None = None
        self._closed = False
        self.place = Place(
            state, store, Lines(store, self._lines), self._keep, self._folder, gpu_report
        )
        self.curves = LocalCurves(self.place)
        self.history: LocalHistory = LocalHistory(self, self.place, self.curves)
        self.insight: LocalInsight = LocalInsight(self, self.place, self.curves)
        self.notices: LocalNotices = LocalNotices(self.place)
        self._relaunches = Relaunches(self.place, self.line)
        for line in self._lines:
            line.known, line.holding = self.insight.known, self.place.lines.of
            line.mine = partial(self._is_of, line)

    async def start(self) -> None:
        """Take the state directory and everything that runs.

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
        for line in self._lines:
            await line.start(self._keep)
        await self._relaunches.start()

    async def close(self) -> None:
        """Let go. Jobs run on."""
        await self._relaunches.close()
        for line in self._lines:
            await line.close()
        if self._closed:
            return
        for part in (self.notices, self.history, self.curves, self.insight, self.serving):
            await part.close()
        await self._keep(self._shut)
        self._closed = True
        await asyncio.to_thread(self._keeper.shutdown)

    async def catalog(self) -> Catalog:
        return await asyncio.to_thread(load_catalog, self._state)

    @property
    def current(self) -> float | None:
        told = [line.current for line in self._lines]
        return min((each for each in told if each is not None), default=None)

    async def live(self) -> tuple[TrainingJob, ...]:
        # As they were last seen, which is a moment ago: no look at each for who only counts.
        return tuple(await self._keep(self.place.lines.all))

    async def _submit(
        self, owner: str, spec: TrainingSpec, limits: JobLimits = NO_LIMITS
    ) -> TrainingJob:
        line = self.line(spec)
        async with line.draft(owner, spec) as draft:
            check_preflight(await line.preflight(draft, deep=False), spec)
            return await line.submit(draft, limits)

    async def _preflight(self, owner: str, spec: TrainingSpec, deep: bool) -> Preflight:
        # What it would begin with may be large, and tells nothing about the code.
        line, spec = self.line(spec), spec.model_copy(update={"checkpoint_from": None})
        async with line.draft(owner, spec) as draft:
            return await line.preflight(draft, deep=deep)

    async def _get(self, owner: str, id: str) -> TrainingJob:
        job = await asyncio.to_thread(self._store.find, owner, id)
        if job is not None and not job.state.is_terminal:
            # The look may find that it has ended; what it wrote is then the newest.
            job = await self._keep(self.line(job.spec).look, id) or await asyncio.to_thread(
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
        seen = await self._keep(lambda: [self.place.lines.find(job.id) or job for job in jobs])
        return JobPage(jobs=tuple(seen), next=following)

    async def _cancel(self, owner: str, id: str) -> TrainingJob:
        line = self.line((await self._get(owner, id)).spec)
        job = await self._keep(line.cancel, owner, id, owner)
        line.wake()
        return job or await self._get(owner, id)

    async def _pause(self, owner: str, id: str) -> TrainingJob:
        line = self.line((await self._get(owner, id)).spec)
        job = await self._keep(line.pause, id, owner)
        line.wake()
        return job or await self._get(owner, id)

    async def _resume(self, owner: str, id: str, limits: JobLimits = NO_LIMITS) -> TrainingJob:
        job = await self._get(owner, id)
        return await self.line(job.spec).resume(job, owner, limits)

    async def _relaunch(self, owner: str, id: str, by: str) -> TrainingJob:
        return await self._relaunches.relaunch(await self._get(owner, id), by)

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

    async def _check_room(self, owner: str, spec: TrainingSpec) -> None:
        await self.line(spec).check_room(owner, spec)

    async def _capacity(self, owner: str, gpus: int | None, target: str | None) -> Capacity:
        line = self._usual if target is None else self._places.get(target, self._gone)
        return await line.capacity(owner, gpus)

    async def _lend(self, owner: str, lab: str, lend: bool) -> None:
        await self._usual.lend(owner, lab, lend)

    @property
    def _usual(self) -> Line:
        return next(iter(self._places.values()))

    def line(self, spec: TrainingSpec) -> Line:
        """Where a job runs; of a place that the settings do not name, where nothing does."""
        return self._usual if spec.target is None else self._places.get(spec.target, self._gone)

    def _is_of(self, line: Line, job: TrainingJob) -> bool:
        return self.line(job.spec) is line

    def _folder(self, id: str) -> JobDir:
        return JobDir.at(self._state.jobs / id)

    # On the thread of decisions.

    async def _keep(self, do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self._closed:
            raise Unavailable("the lab's job service is closed.", hint="Start it again.")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._keeper, partial(do, *args, **kwargs))

    def _open(self) -> None:
        check_mounted(self._state)
        self._lock = take_state(self._state, self._os_users)
        try:
            self._store.open()
            located = Preparer(self._state, self.workspaces).located
            adopt_unknown(self._state, self._store, located)
            for line in self._lines:
                line.adopt()
        except BaseException:
            self._shut()
            raise

    def _shut(self) -> None:
        self._store.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
