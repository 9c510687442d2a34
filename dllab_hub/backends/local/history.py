"""`LocalHistory`: what is kept of the jobs of this machine."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ...errors import Conflict, DLLabError, NotFound, StorageFull
from ...specs import (
    Annotation,
    Comparison,
    Event,
    Imported,
    JobFilter,
    JobRecord,
    JobState,
    LogChunk,
    RecordPage,
    TrainingJob,
)
from ..comparing import compare
from ..history import History
from . import leftovers
from .clearing import Clearing
from .curves import LocalCurves
from .disk import disk_errors
from .index import cursor_of
from .logs import find_log
from .place import Place
from .recorder import Recorder
from .records import Records
from .retention import Retention

if TYPE_CHECKING:
    from .kept import KeptBackend

__all__ = ("LocalHistory",)

_LOG = logging.getLogger(__name__)
#: A page of records ends when it has so many bytes.
_PAGE_BYTES = 4 * 1024 * 1024
#: Seconds between two looks at what is to be removed.
_HOUR = 3600.0
_OVER = tuple(state for state in JobState if state.is_terminal)


class LocalHistory(History):
    """Rows in the index, a record of each job that has ended, and its directory until it goes.

    Args:
        backend: Whose jobs they are.
        place: Where they lie.
        curves: What they say and use over time.
    """

    _backend: KeptBackend

    def __init__(
        self,
        backend: KeptBackend,
        place: Place,
        curves: LocalCurves,
    ) -> None:
        super().__init__(backend)
        self._place = place
        self._curves = curves
        self._records_kept = Records(place.state.records)
        self._recorder = Recorder(place, self._records_kept, curves, backend.workspaces.texts)
        self._clearing = Clearing(place)
        self._retention = Retention(place, self.clear)
        self._importing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write records; go on with what was cut short. The store is open."""
        self._recorder.start()
        self._task = asyncio.create_task(self._run(), name="dllab-history")

    async def close(self) -> None:
        """Let go."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._recorder.close()

    async def clear(self, owner: str, id: str, why: str) -> TrainingJob:
        """Remove the files of a job that has ended; its record stays.

        Args:
            owner: Person.
            id: Of the job.
            why: A sentence for its events.

        Raises:
            Conflict: it has not ended, or goes on.
            StorageFull: its record could not be written.
        """
        await self._recorder.kept(await self._backend.get(owner, id))
        job = await self._clearing.set_aside(owner, id)
        self._curves.forget(id)
        await asyncio.to_thread(self._clearing.sweep, owner, id)
        event = Event(time=time.time(), reason="FilesRemoved", message=why)
        try:
            await self._recorder.tell(job, event)
        except StorageFull as exc:  # They are gone: an error now would say that they are not.
            _LOG.error("An event of %s is lost: %s", id, exc)
        return job

    async def log(
        self, job: TrainingJob, replica: str | None, attempt: int | None, offset: int, limit: int
    ) -> LogChunk:
        """A piece of what is left of a log of a job whose files are gone, as `Backend.logs`."""
        log = find_log(job, replica, attempt)
        newest = log.attempt == max(job.attempt, 1)
        kept = (await self._recorder.kept(job)).logs if newest else {}
        return log.piece_of(kept, offset, limit)

    async def _record(self, owner: str, id: str) -> JobRecord:
        job = await self._backend.get(owner, id)
        over = job.state.is_terminal
        return await (self._recorder.kept(job) if over else self._recorder.made(job))

    async def _compare(self, owner: str, ids: Sequence[str]) -> Comparison:
        records = [await self._record(owner, id) for id in ids]

        def beside() -> Comparison:
            texts: dict[str, str] = {}
            for record in records:
                if record.files:
                    texts |= self._records_kept.texts(owner, record.job.id)
                    texts |= self._backend.workspaces.texts(owner, record.files)
            return compare(records, texts)

        return await asyncio.to_thread(beside)

    async def _annotate(self, owner: str, id: str, annotation: Annotation) -> TrainingJob:
        changes = annotation.model_dump(exclude_none=True)
        if not changes:
            return await self._backend.get(owner, id)
        job: TrainingJob | None = await self._place.keep(self._place.lines.note, owner, id, changes)
        return _there(job)

    async def _remove_files(self, owner: str, id: str) -> TrainingJob:
        return await self.clear(owner, id, f"{owner} removed its files.")

    async def _delete(self, owner: str, id: str) -> None:
        # In this order: cut short, it leaves a job without files that can be deleted again.
        await self._clearing.set_aside(owner, id)
        self._curves.forget(id)
        await self._recorder.forget(owner, id)
        await asyncio.to_thread(self._clearing.sweep, owner, id)

    async def _records(
        self, owner: str, where: JobFilter, limit: int, after: str | None
    ) -> RecordPage:
        over = tuple(state for state in where.states or _OVER if state.is_terminal)
        if not over:
            return RecordPage(records=())
        where = where.model_copy(update={"states": over})
        jobs, following = await asyncio.to_thread(
            self._place.store.page, owner, where, limit, after
        )
        records: list[JobRecord] = []
        room = _PAGE_BYTES
        for job in jobs:
            try:
                record = await self._recorder.kept(job)
            except NotFound:  # Deleted meanwhile: the others of the list are asked for too.
                continue
            room -= len(await asyncio.to_thread(record.model_dump_json))
            if records and room < 0:
                return RecordPage(records=tuple(records), next=cursor_of(records[-1].job))
            records.append(record)
        return RecordPage(records=tuple(records), next=following)

    async def _take_in(self, owner: str, records: Sequence[JobRecord]) -> Imported:
        # One import after the other: what a refused one takes back must not be of another's.
        async with self._importing:
            there = await asyncio.to_thread(self._place.store.known)
            for record in records:
                if there.get(record.job.id, owner) != owner:
                    raise Conflict(f"{record.job.id} cannot be kept under its id.", field="records")
            added = await self._take_in_all([r for r in records if r.job.id not in there])
        ids = dict.fromkeys(record.job.id for record in records)
        return Imported(
            added=tuple(id for id in ids if id in added),
            known=tuple(id for id in ids if id not in added),
        )

    async def _take_in_all(self, records: Sequence[JobRecord]) -> set[str]:
        """Keep all, or none: a record that stays behind is a job to the next start."""
        try:
            await asyncio.to_thread(self._keep_all, records)
            added: set[str] = await self._place.keep(
                self._place.store.take_in, [record.job for record in records]
            )
        except Exception:
            await asyncio.to_thread(self._take_back, records)
            raise
        return added

    def _take_back(self, records: Sequence[JobRecord]) -> None:
        for record in records:
            try:
                self._records_kept.remove(record.job.owner, record.job.id)
            except OSError as exc:  # Why it was refused is what has to be told.
                _LOG.error("The record of %s, not imported, is left: %s", record.job.id, exc)

    def _keep_all(self, records: Sequence[JobRecord]) -> None:
        with disk_errors():
            for record in reversed(records):  # Of two with one id the first counts.
                self._records_kept.write(record)

    def _unrecorded(self) -> list[tuple[str, str]]:
        ended = self._place.store.ended()
        has = self._records_kept.has
        return [(owner, id) for owner, id, moment, _ in ended if not has(owner, id, moment)]

    async def _run(self) -> None:
        """At the start, and then every hour."""
        await self._go_on()
        while True:
            try:
                for owner, id in await asyncio.to_thread(self._unrecorded):
                    self._recorder.expect(owner, id)
                for id, owner in await self._clearing.go_on():
                    await asyncio.to_thread(self._clearing.sweep, owner, id)
                await self._retention.apply()
                await self._place.keep(self._place.store.erase)
            except DLLabError as exc:
                _LOG.error("What is kept of jobs cannot be looked after: %s", exc)
            except Exception:
                _LOG.exception("What is kept of jobs cannot be looked after.")
            await asyncio.sleep(_HOUR)

    async def _go_on(self) -> None:
        """Take over what a service before has left."""
        try:
            lost = await asyncio.to_thread(leftovers.lost_records, self._place, self._records_kept)
            if lost:
                _LOG.warning("%d records are of jobs that the index had lost.", len(lost))
                await self._place.keep(self._place.store.take_in, lost)
        except DLLabError as exc:
            _LOG.error("What was cut short cannot be gone on with: %s", exc)
        except Exception:
            _LOG.exception("What was cut short cannot be gone on with.")


def _there(job: TrainingJob | None) -> TrainingJob:
    if job is None:
        raise NotFound("there is no such job.")
    return job
