"""`LocalCurves`: reads the curves of jobs in a thread of its own, and knows what they say."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from contextlib import suppress

from ....errors import InvalidRequest
from ....names import slug
from ....specs import Curve, Curves, JobState, Progress, TrainingJob
from ..jobdir import read_job
from ..place import Place
from .followed import Followed, Kind
from .gpus import GpuLog

__all__ = ("LocalCurves",)

_LOG = logging.getLogger(__name__)
#: Seconds of work on one job at a time, and of rest before it goes on with what is left.
_STEP, _REST = 0.02, 0.03
#: Seconds between two looks at a job that runs; and how many times as long as a look takes.
_EVERY, _IDLE = 2.0, 20
#: Seconds for each job that runs: with many each of them is looked at less often.
_EACH = 0.01
#: Seconds until a job that could not be read is tried again.
_LATER = 30.0
#: Seconds that `LocalCurves.curves` waits for the newest.
_PATIENCE = 1.0
#: Seconds that the end of a job may take to read; a millisecond is typical.
_LAST_LOOK = 0.05
#: Ended jobs whose curves stay in memory for who looks at them.
_MOST_ENDED = 16
#: Points of all curves of a record, and seconds that reading for it may take.
_MOST_FINAL, _FINAL = 30_000, 30.0


class LocalCurves:
    """Curves of the jobs of this machine.

    Args:
        place: Where they lie.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._changed = threading.Condition()  # Guards what is below.
        self._jobs: dict[str, Followed] = {}  # Those that nobody wanted for longest come first.
        self._due: dict[str, float] = {}
        self._read: dict[str, float] = {}  # When a job was last read to its end.
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="dllab-curves", daemon=True)
        self._gpus: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start reading. Called on an event loop."""
        self._thread.start()
        if self._place.gpu_report is not None:
            jobs = self._place.state.jobs
            log = GpuLog(self._place.gpu_report, self._running, jobs.joinpath)
            self._gpus = asyncio.create_task(log.run(), name="dllab-gpu-log")

    async def close(self) -> None:
        """Stop reading."""
        if self._gpus is not None:
            self._gpus.cancel()
            with suppress(asyncio.CancelledError):
                await self._gpus
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def known(self, job: TrainingJob) -> TrainingJob:
        """A job as it was just seen, with what its curves say: progress, and replicas' use.

        From memory; only when it has just ended its files are read, for a moment.
        """
        if job.state is JobState.PENDING or not job.attempt:
            return job
        with self._changed:
            followed = self._jobs.get(job.id)
        if followed is None:
            followed = self._follow(job)
        known = followed.known(job)
        if followed.lives:
            with self._changed:
                if job.id not in self._due:  # It runs again, or somebody was first to ask for it.
                    self._due[job.id] = 0.0
                    self._changed.notify_all()
            return known
        try:
            followed.refresh(_LAST_LOOK)
        except Exception:
            # How the job ended is worth more than its curves.
            _LOG.exception("The last curves of %s cannot be read now.", job.id)
        return followed.known(job)

    def progress(self, id: str) -> Progress | None:
        """How far a job is that runs, or has just ended; from memory."""
        with self._changed:
            followed = self._jobs.get(id)
        return followed.job.progress if followed else None

    async def curves(self, id: str, kind: Kind = "all") -> Curves:
        """The curves of a job, live or ended, as far as they are read within a second.

        Args:
            id: Of the job, which exists.
            kind: Which.
        """
        followed = await asyncio.to_thread(self._wanted, id)
        if followed is None:
            return Curves(notes=("The job's files are gone.",))
        return await asyncio.to_thread(self._newest, followed, kind)

    def final(self, id: str) -> tuple[Curve, ...]:
        """The curves of a job that has ended, for its record. Blocks while they are read."""
        followed = self._wanted(id)
        if followed is None:
            return ()
        give_up = time.monotonic() + _FINAL
        while not followed.refresh(_STEP) and time.monotonic() < give_up:
            time.sleep(_REST)
        return followed.curves("all", _MOST_FINAL).curves

    def forget(self, id: str) -> None:
        """Its files are removed: know nothing of it any more."""
        with self._changed:
            for known in (self._jobs, self._due, self._read):
                known.pop(id, None)

    def _newest(self, followed: Followed, kind: Kind) -> Curves:
        asked, id = time.monotonic(), followed.job.id
        with self._changed:
            self._due[id] = 0.0
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._read.get(id, 0.0) >= asked, _PATIENCE)
        return followed.curves(kind)

    def _running(self) -> list[TrainingJob]:
        with self._changed:
            jobs = [followed.job for followed in self._jobs.values()]
        return [job for job in jobs if job.state is JobState.RUNNING]

    def _wanted(self, id: str) -> Followed | None:
        """A job that somebody wants to see now; None when its files are gone."""
        with self._changed:
            followed = self._jobs.get(id)
        if followed is None:
            try:
                job = read_job(self._place.state.jobs / id)
            except (OSError, InvalidRequest):
                return None
            folder = self._place.state.tensorboard / slug(job.owner) / id
            followed = self._follow(job.model_copy(update={"tensorboard": str(folder)}))
        with self._changed:
            self._jobs[id] = self._jobs.pop(id, followed)
        return followed

    def _follow(self, job: TrainingJob) -> Followed:
        followed = Followed(job, self._place.folder(job.id))
        with self._changed:
            followed = self._jobs.setdefault(job.id, followed)
            self._due.setdefault(job.id, 0.0)
            ended = [id for id, one in self._jobs.items() if not one.lives and id != job.id]
            for id in ended[: max(len(ended) - _MOST_ENDED, 0)]:
                for known in (self._jobs, self._due, self._read):
                    known.pop(id, None)
            self._changed.notify_all()
        return followed

    # On the thread.

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                id = min(self._due, key=self._due.__getitem__, default=None)
                wait = None if id is None else self._due[id] - time.monotonic()
                if id is None or wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                followed = self._jobs.get(id)
                if followed is None:  # Forgotten meanwhile.
                    del self._due[id]
                    continue
                self._due[id] = math.inf
            began = time.monotonic()
            done, due = self._look(followed)
            with self._changed:
                if id not in self._due:
                    continue  # Ended or forgotten meanwhile.
                if done:
                    self._read[id] = began
                    self._changed.notify_all()
                if self._due[id] < math.inf:
                    continue  # Somebody wants it anew.
                if due is None:
                    del self._due[id]
                else:
                    self._due[id] = due

    def _look(self, followed: Followed) -> tuple[bool, float | None]:
        """Whether all is read, and when to go on."""
        began = time.monotonic()
        try:
            done = followed.refresh(_STEP)
        except Exception:
            # One job's files must not keep the others' from being read.
            _LOG.exception("The curves of %s cannot be read now.", followed.job.id)
            return True, time.monotonic() + _LATER
        now = time.monotonic()
        if not done:
            return False, now + _REST
        # With many jobs each is read less often; who looks at one has it read at once.
        pause = max(_EVERY, _EACH * len(self._due), _IDLE * (now - began))
        return True, now + pause if followed.lives else None
