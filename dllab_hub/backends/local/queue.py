"""`Queue`: every job that has not ended: waiting for GPUs, running, being cancelled.

All of it runs on one thread, so nothing here is locked. A look at a job is a decision from its
files (see `look`); what changed is written to the store, and never the other way round.
"""

from __future__ import annotations

import logging
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import DLLabError, NoCapacity, StorageFull, Unavailable
from ...leases import LeaseDir
from ...shim.process import send, sweep
from ...specs import JobState, TrainingJob, advice, shortage, usable
from ...state import StateDir
from . import readings
from .account import Account, known_account
from .capacity import holders
from .jobdir import JobDir, read_account, read_job
from .launch import Launcher
from .look import has_shim, look, shim_of
from .store import JOB_ID, Store, disk_errors

__all__ = ("Queue",)

_LOG = logging.getLogger(__name__)
#: Seconds beyond its grace that a cancelled job has before its shim is killed.
_PATIENCE = 5.0


@dataclass
class _Live:
    job: TrainingJob
    folder: JobDir
    cancelled_by: str = ""
    told: bool = False  # The shim has been asked to end.
    deadline: float | None = None  # On the monotonic clock: then it is killed.


class Queue:
    """Starts jobs in the order in which they came, as far as they fit, and sees them end.

    Args:
        state: Where things lie.
        store: Open.
        leases: The GPUs' locks.
        launcher: Starts shims.
        grace: Seconds that a cancelled job has for a last checkpoint.
    """

    def __init__(
        self, state: StateDir, store: Store, leases: LeaseDir, launcher: Launcher, grace: float
    ) -> None:
        self._state = state
        self._store = store
        self._leases = leases
        self._launcher = launcher
        self._patience = grace + _PATIENCE
        self._live: dict[str, _Live] = {}
        self._ending: dict[str, tuple[JobDir, float]] = {}  # Ended, and the shim is still there.

    def adopt(self) -> None:
        """Take over what was there before the service started."""
        known = self._store.ids()
        for path in sorted(self._state.jobs.iterdir()):
            if path.name.startswith(".new-"):
                shutil.rmtree(path, ignore_errors=True)  # A submit that was cut short.
            elif path.name not in known and JOB_ID.fullmatch(path.name):
                try:
                    self._store.add(self._launcher.located(read_job(path)))
                except (OSError, DLLabError) as exc:
                    _LOG.error("The job in %s cannot be adopted: %s", path, exc)
        for job in self._store.live():
            self._live[job.id] = self._adopted(self._launcher.located(job))
        for id in tuple(self._live):
            self._look_safely(id)

    def _look_safely(self, id: str) -> None:
        """A job that cannot be looked at must not keep the others from being looked at."""
        try:
            live = self._live[id]
            if live.cancelled_by:
                self._press(live)
            self.look(id)
        except Exception:
            _LOG.exception("%s cannot be looked at now.", id)

    def submit(self, job: TrainingJob, account: Account, gpus: Sequence[str]) -> TrainingJob:
        """Accept a job whose directory is there (`Launcher.prepare`), and start it when it fits.

        Raises:
            StorageFull: there is no room; nothing was left behind.
        """
        folder = JobDir(self._state.jobs / job.id, account)
        try:
            self._store.add(job)
        except BaseException:
            folder.remove()
            raise
        live = self._live[job.id] = _Live(job, folder)
        self._say(
            folder,
            "Submitted",
            f"{job.owner} submitted it: {job.spec.replicas} x {job.spec.image}.",
        )
        try:
            if job.spec.gpus:
                self.tick(gpus)  # A shim that just died may have left GPUs, and strays with them.
            else:
                self._launch(live, ())
        except Exception:  # It is accepted: an error now would make the person submit it twice.
            _LOG.exception("%s could not be started at once; the next look tries again.", job.id)
        return live.job

    def find(self, id: str) -> TrainingJob | None:
        """A live job as it was last seen."""
        live = self._live.get(id)
        return live.job if live else None

    def look(self, id: str) -> TrainingJob | None:
        """A live job as it is now; None when it is not, or no more, among the live ones."""
        live = self._live.get(id)
        if live is None:
            return None
        before = live.job
        job = look(live.folder, before, live.cancelled_by)
        if job.state.is_terminal:
            return self._settle(live, job)
        live.job = job
        if (job.state, job.attempt, job.reason) != (before.state, before.attempt, before.reason):
            self._keep(job)
        return job

    def cancel(self, id: str, by: str) -> TrainingJob | None:
        """Ask a job to end; at once when it waits. None when it has ended meanwhile."""
        job = self.look(id)
        live = self._live.get(id)
        if job is None or live is None:
            return job
        if job.state is JobState.PENDING:
            reason = f"cancelled by {by} before it started."
            update = {"state": JobState.CANCELLED, "reason": reason, "ended": time.time()}
            return self._settle(live, job.model_copy(update=update))
        if not live.cancelled_by:
            live.cancelled_by = by
            try:
                live.folder.note("cancel.json", {"by": by})
            except OSError as exc:
                _LOG.warning("%s: a cancel will not outlive the service: %s", id, exc)
            self._say(live.folder, "Cancelling", f"{by} cancelled the job.")
            live.deadline = time.monotonic() + self._patience
            self._press(live)
        return self.look(id)

    def tick(self, gpus: Sequence[str]) -> None:
        """Look at every job, press those that are to end, start those that fit."""
        self._launcher.reap()
        for id in tuple(self._live):
            self._look_safely(id)
        for id, (folder, deadline) in tuple(self._ending.items()):
            if not has_shim(folder):
                del self._ending[id]
            elif time.monotonic() > deadline:
                _LOG.warning("%s has ended, and its shim has not: killed.", id)
                self._kill(folder, id)
        waiting = [live for live in self._live.values() if live.job.state is JobState.PENDING]
        held = tuple(holders(self._leases, gpus).values()) if waiting and gpus else ()
        for live in sorted(waiting, key=lambda live: (live.job.created, live.job.id)):
            owner, wish = live.job.owner, live.job.spec.gpus
            if wish > usable(owner, len(gpus), held):
                wished = "1 GPU" if wish == 1 else f"{wish} GPUs"
                why = shortage(owner, len(gpus), held)
                what = advice(owner, len(gpus), held, wish)
                self._wait(live, f"waiting for {wished}: {why}. {what}".rstrip())
                continue
            self._launch(live, gpus)
            if wish and live.job.state is JobState.RUNNING:
                held = tuple(holders(self._leases, gpus).values())

    @property
    def busy(self) -> bool:
        """Whether anything has to be looked at again soon."""
        return bool(self._live or self._ending or self._launcher.busy)

    @property
    def wants_gpus(self) -> bool:
        """Whether a job waits for GPUs, so that `tick` needs to know which there are."""
        return any(
            live.job.state is JobState.PENDING and live.job.spec.gpus
            for live in self._live.values()
        )

    def _launch(self, live: _Live, gpus: Sequence[str]) -> None:
        """Start a job that waits, or say why it goes on waiting."""
        job = live.job
        try:
            self._launcher.launch(live.folder, job, gpus)
        except NoCapacity as exc:  # A lab was quicker.
            self._wait(live, f"waiting: {exc.message}")
        except DLLabError as exc:
            if isinstance(exc, StorageFull | Unavailable):  # Both pass.
                self._wait(live, f"waiting: {exc.message}")
            else:
                self._fail(live, exc.message)
        except OSError as exc:
            try:
                with disk_errors():
                    raise
            except StorageFull as full:
                self._wait(live, f"waiting: {full.message}")
            except OSError:
                _LOG.error("%s could not be started.", job.id, exc_info=True)
                self._fail(live, f"it could not be started: {exc.strerror}.")
        else:
            update = {"state": JobState.RUNNING, "reason": "starting.", "attempt": 1}
            live.job = job.model_copy(update={**update, "started": time.time()})
            self._keep(live.job)

    def _wait(self, live: _Live, reason: str) -> None:
        if live.job.reason != reason:
            if live.job.reason == "starting.":  # The first time only: people come and go.
                self._say(live.folder, "Queued", reason)
            # Not kept: it is true for a moment, answered from memory and found anew at a start.
            live.job = live.job.model_copy(update={"reason": reason})

    def _fail(self, live: _Live, reason: str) -> None:
        update = {"state": JobState.FAILED, "reason": reason, "ended": time.time()}
        self._settle(live, live.job.model_copy(update=update))

    def _press(self, live: _Live) -> None:
        """Ask the shim to end, once it can hear; kill it when it had its time."""
        shim = shim_of(live.folder)
        if not live.told and shim and readings.identity(live.folder.run):
            live.told = send(shim, signal.SIGTERM)
        if live.deadline is not None and time.monotonic() > live.deadline:
            self._say(live.folder, "Killed", "It did not end in time after the cancel: killed.")
            self._kill(live.folder, live.job.id)
            live.deadline = None if not has_shim(live.folder) else time.monotonic() + 1

    def _kill(self, folder: JobDir, id: str) -> None:
        shim = shim_of(folder)
        if shim:
            send(shim, signal.SIGKILL)
        self._sweep(folder, id)

    def _settle(self, live: _Live, job: TrainingJob) -> TrainingJob:
        """A job has ended: leave nothing of it running, and write its end down."""
        if job.state is JobState.LOST or (live.cancelled_by and not has_shim(live.folder)):
            self._sweep(live.folder, job.id)
        if readings.end(live.folder.run) is None:  # Nobody else has said so.
            self._say(live.folder, job.state.value.capitalize(), job.reason)
        try:
            self._store.update(job)
        except StorageFull as exc:
            # It stays among the live ones as what it was, and is settled when there is room.
            _LOG.error("The end of %s cannot be written yet: %s", job.id, exc)
            return job
        live.job = job
        del self._live[job.id]
        if has_shim(live.folder):
            self._ending[job.id] = (live.folder, time.monotonic() + self._patience)
        return job

    def _sweep(self, folder: JobDir, id: str) -> None:
        left = sweep(id, uid=folder.account.uid, seconds=2)
        if left:
            _LOG.error("%s: processes %s cannot be killed.", id, left)

    def _keep(self, job: TrainingJob) -> None:
        try:
            self._store.update(job)
        except StorageFull as exc:
            _LOG.warning("%s: its state is not in the index: %s", job.id, exc)

    def _say(self, folder: JobDir, reason: str, message: str) -> None:
        try:
            folder.say(reason, message)
        except OSError as exc:
            _LOG.warning("%s: event %s is lost: %s", folder.path.name, reason, exc)

    def _adopted(self, job: TrainingJob) -> _Live:
        path = self._state.jobs / job.id
        folder = JobDir(path, known_account(path, read_account(path)))
        live = _Live(job, folder)
        if shim := shim_of(folder):
            self._launcher.adopt(shim["pid"])
        wish = folder.noted("cancel.json")
        if wish:
            live.cancelled_by = str(wish.get("by", job.owner))
            live.deadline = time.monotonic() + self._patience
        return live
