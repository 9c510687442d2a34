"""`LocalInsight`: a close look at the jobs of this machine."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ...errors import NotFound, Unavailable
from ...specs import Curves, JobState, LogChunk, LogMatches, Quote, Stack, TrainingJob, TrainingSpec
from ..insight import CurveKind, Download, Insight
from ..told import MAX_LOG_BYTES
from .cause import explained, keep_stacks, was_looked_at
from .curves import LocalCurves
from .following import follow
from .logs import Log, find_log
from .place import Place
from .quotes import quote_of, used_by
from .rundir import RunDir, Unreadable
from .searching import search, search_text
from .stacks import stacks_of

if TYPE_CHECKING:
    from .kept import KeptBackend

__all__ = ("LocalInsight",)

_LOG = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")
#: Searches at a time, and looks into the processes of a job. Apart, for a look may take as long as
#: `stacks_of` says, and a search about a second.
_SEARCHES, _LOOKS = 4, 4
_PIECE = 256 * 1024


class LocalInsight(Insight):
    """Reads what the jobs leave on the disk, and looks into their processes.

    Args:
        backend: Whose jobs they are.
        place: Where they lie.
        curves: What they say over time.
    """

    _backend: KeptBackend

    def __init__(self, backend: KeptBackend, place: Place, curves: LocalCurves) -> None:
        super().__init__(backend)
        self._place = place
        self._read_curves = curves
        self._searches = ThreadPoolExecutor(_SEARCHES, "dllab-search")
        self._looks = ThreadPoolExecutor(_LOOKS, "dllab-look")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._silent: dict[str, float] = {}  # Jobs whose silence was seen, and since when.
        self._looking: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to look at jobs that fall silent. Called on an event loop."""
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Let go of the threads; a look that is under way ends by itself."""
        self._loop = None
        for task in self._looking:
            task.cancel()
        for pool in (self._searches, self._looks):
            pool.shutdown(wait=False, cancel_futures=True)

    def known(self, job: TrainingJob) -> TrainingJob:
        """A job as it was just seen, with what its curves say and what is wrong with it.

        Called on the thread of decisions. Of a job that has just fallen silent the stacks are
        taken, once, elsewhere; the look after that has them.
        """
        job = explained(self._place.folder, self._read_curves.known(job))
        if job.silent_since is None or job.state is not JobState.RUNNING:
            self._silent.pop(job.id, None)
        elif self._silent.get(job.id) != job.silent_since and self._loop is not None:
            self._silent[job.id] = job.silent_since
            self._loop.call_soon_threadsafe(self._soon, job)
        return job

    def _soon(self, job: TrainingJob) -> None:
        if self._loop is not None:
            task = self._loop.create_task(self._look_into(job), name=f"dllab-stacks-{job.id}")
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

    async def _look_into(self, job: TrainingJob) -> None:
        folder = await asyncio.to_thread(self._place.folder, job.id)
        if await asyncio.to_thread(was_looked_at, folder, job):
            return  # By the service before this one.
        try:
            stacks = await _in(self._looks, stacks_of, job, folder.account)
            await asyncio.to_thread(keep_stacks, folder, job, stacks)
        except (Unavailable, OSError) as exc:
            _LOG.warning("%s is silent, and cannot be looked into: %s", job.id, exc)

    async def _curves(self, owner: str, id: str, kind: CurveKind) -> Curves:
        if (await self._known(owner, id)).files:
            return await self._read_curves.curves(id, kind)
        kept = (await self._backend.history.record(owner, id)).curves
        own = {"metrics": ("report", "tensorboard"), "usage": ("usage", "gpu")}.get(kind)
        return Curves(curves=tuple(one for one in kept if own is None or one.source in own))

    async def _stacks(self, owner: str, id: str) -> tuple[Stack, ...]:
        job = await self._backend.get(owner, id)
        folder = await asyncio.to_thread(self._place.folder, id)
        return await _in(self._looks, stacks_of, job, folder.account)

    async def _search(
        self,
        owner: str,
        id: str,
        text: str,
        replica: str | None,
        attempt: int | None,
        offset: int,
        limit: int,
    ) -> LogMatches:
        job = await self._known(owner, id)
        log = find_log(job, replica, attempt)
        if not job.files:
            kept = await self._kept(owner, job, log)
            return await _in(self._searches, search_text, kept.text, text, offset, limit)
        return await _in(self._searches, search, self._run(id), log, text, offset, limit)

    async def _follow(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int
    ) -> AsyncGenerator[LogChunk]:
        job = await self._known(owner, id)
        first = find_log(job, replica, attempt)
        if not job.files:
            yield await self._kept(owner, job, first, offset)
            return

        async def again() -> Log:
            return find_log(await self._known(owner, id), replica, first.attempt)

        run = await asyncio.to_thread(self._run, id)
        async for chunk in follow(run, first, offset, again):
            yield chunk

    async def _download(
        self, owner: str, id: str, replica: str | None, attempt: int | None
    ) -> Download:
        job = await self._known(owner, id)
        log = find_log(job, replica, attempt)
        name = f"{id}-{log.replica or 'all'}-attempt-{log.attempt}.log"
        if not job.files:
            data = (await self._kept(owner, job, log)).text.encode()
            return Download(name, len(data), _whole(data))
        run = await asyncio.to_thread(self._run, id)
        size = await asyncio.to_thread(run.size_of, *log.parts) or 0
        return Download(name, size, _pieces(run, log, size))

    async def _quote(self, owner: str, spec: TrainingSpec) -> Quote:
        return await quote_of(self._place, self._backend, owner, spec)

    async def _used(self, owner: str) -> float:
        return await used_by(self._place, owner)

    async def _known(self, owner: str, id: str) -> TrainingJob:
        """The job as it was last seen: within the last second, while it lives."""
        job: TrainingJob | None = await self._place.keep(self._place.lines.find, id)
        if job is None or job.owner != owner:
            job = await asyncio.to_thread(self._place.store.find, owner, id)
        if job is None:
            raise NotFound("there is no such job.")
        return job

    async def _kept(self, owner: str, job: TrainingJob, log: Log, offset: int = 0) -> LogChunk:
        """What the record has of a log whose file is gone: its end, in one piece."""
        return await self._backend.history.log(
            job, log.replica or None, log.attempt, offset, MAX_LOG_BYTES
        )

    def _run(self, id: str) -> RunDir:
        return self._place.folder(id).run


async def _in(
    pool: ThreadPoolExecutor, do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> _T:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, lambda: do(*args, **kwargs))


async def _whole(data: bytes) -> AsyncGenerator[bytes]:
    yield data


async def _pieces(run: RunDir, log: Log, size: int) -> AsyncGenerator[bytes]:
    """The first ``size`` bytes; fewer, if it was cut off since."""
    at = 0
    while at < size:
        data = await asyncio.to_thread(_read, run, log, at, min(_PIECE, size - at))
        if not data:
            return
        at += len(data)
        yield data


def _read(run: RunDir, log: Log, at: int, most: int) -> bytes:
    try:
        with run.opened(*log.parts) as (fd, _):
            return os.pread(fd, most, at)
    except Unreadable:
        return b""
