"""`Recorder`: writes the record of each job that ends, off the thread that decides on jobs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from ...errors import DLLabError, NotFound
from ...specs import Curve, Event, JobRecord, TrainingJob, WorkspaceFile
from .curves import LocalCurves
from .disk import disk_errors
from .environment import environment_of
from .place import Place
from .record import record_of
from .records import Records, moment_of

__all__ = ("Recorder",)

_LOG = logging.getLogger(__name__)
#: Seconds that are waited for records to be written when the service ends; the next one writes
#: what is missing then.
_PATIENCE = 5.0
_FEW = 20


class Recorder:
    """One record after the other. Used on the event loop, but for `hear`.

    Args:
        place: Where jobs lie.
        records: Where records lie.
        curves: What they say and use over time.
        texts: Short texts among the files that travelled with a job of an owner, by SHA-256.
    """

    def __init__(
        self,
        place: Place,
        records: Records,
        curves: LocalCurves,
        texts: Callable[[str, tuple[WorkspaceFile, ...]], dict[str, str]],
    ) -> None:
        self._place = place
        self._records = records
        self._curves = curves
        self._texts = texts
        self._due: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    def start(self) -> None:
        """Begin to hear."""
        self._loop = asyncio.get_running_loop()
        self._place.store.heard.append(self.hear)
        self._task = asyncio.create_task(self._run(), name="dllab-records")

    async def close(self) -> None:
        """Write what is due, as far as that is quick."""
        if self._task is None:
            return
        self._place.store.heard.remove(self.hear)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._due.join(), _PATIENCE)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    def hear(self, job: TrainingJob) -> None:
        """A job may have ended. On any thread."""
        if job.state.is_terminal and self._loop is not None:
            self._loop.call_soon_threadsafe(self.expect, job.owner, job.id)

    def expect(self, owner: str, id: str) -> None:
        """Write the record of a job soon."""
        self._due.put_nowait((owner, id))

    async def kept(self, job: TrainingJob) -> JobRecord:
        """The record of a job that has ended, with the job as it is now.

        Raises:
            NotFound: it was deleted meanwhile.
            StorageFull: it had to be written, and there is no room.
        """
        record = await asyncio.to_thread(self._found, job)
        if record is None:
            async with self._one_at_a_time:
                job = await asyncio.to_thread(self._still_there, job)
                record = await asyncio.to_thread(self._found, job)
                if record is None:
                    record = await self.made(job)
                    # Without its files it is empty: one that cannot be read now is worth more.
                    if job.files:
                        await asyncio.to_thread(self._write_all, record)
        return record.model_copy(update={"job": job})

    async def forget(self, owner: str, id: str) -> None:
        """Remove the record of a job, then the job; a record that is being written comes first.

        Raises:
            StorageFull: there is no room to write that down.
        """
        async with self._one_at_a_time:
            await asyncio.to_thread(self._records.remove, owner, id)
            await self._place.keep(self._place.store.delete, owner, id)

    async def made(self, job: TrainingJob) -> JobRecord:
        """The record of a job as it is now; nothing is written."""
        curves: tuple[Curve, ...] = ()
        if job.attempt and job.state.is_terminal:
            curves = await asyncio.to_thread(self._curves.final, job.id)
        elif job.attempt:
            curves = (await self._curves.curves(job.id)).curves
        return await asyncio.to_thread(self._made, job, curves)

    async def tell(self, job: TrainingJob, event: Event) -> None:
        """Add an event to the record of a job whose directory is gone, if there is a record.

        Raises:
            StorageFull: there is no room.
        """
        async with self._one_at_a_time:
            record = await asyncio.to_thread(self._records.read, job.owner, job.id)
            if record is not None:
                told = {"job": job, "events": (*record.events, event)}
                await asyncio.to_thread(self.write, record.model_copy(update=told))

    def write(self, record: JobRecord) -> None:
        """Keep a record. Blocks.

        Raises:
            StorageFull: there is no room.
        """
        with disk_errors():
            self._records.write(record)

    def _write_all(self, record: JobRecord) -> None:
        job = record.job
        # What travels with jobs is kept for a while only: see `LocalWorkspaces`.
        if record.files and (texts := self._texts(job.owner, record.files)):
            with disk_errors():
                self._records.write_texts(job, texts)
        self.write(record)

    def _still_there(self, job: TrainingJob) -> TrainingJob:
        now = self._place.store.find(job.owner, job.id)
        if now is None:
            raise NotFound("there is no such job.")
        return now

    def _found(self, job: TrainingJob) -> JobRecord | None:
        # Without its files nothing better can be made.
        if job.files and not self._records.has(job.owner, job.id, moment_of(job)):
            return None
        return self._records.read(job.owner, job.id)

    def _made(self, job: TrainingJob, curves: tuple[Curve, ...]) -> JobRecord:
        folder = self._place.folder(job.id)
        environment = environment_of(self._place.state, job, folder.run)
        return record_of(job, folder, environment, curves)

    async def _run(self) -> None:
        while True:
            owner, id = await self._due.get()
            begun = time.monotonic()
            try:
                job = await asyncio.to_thread(self._place.store.find, owner, id)
                if job is not None and job.state.is_terminal:
                    with suppress(NotFound):
                        await self.kept(job)
            except DLLabError as exc:  # Tried again every hour, and at the next start.
                _LOG.error("The record of %s cannot be written: %s", id, exc)
            except Exception:
                _LOG.exception("The record of %s cannot be written.", id)
            finally:
                self._due.task_done()
            if self._due.qsize() > _FEW:  # Those of a release without records: there is no hurry.
                await asyncio.sleep(time.monotonic() - begun)
