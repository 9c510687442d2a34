"""`Queue`: every job that has not ended: waiting for its turn, running, being ended.

All of it runs on one thread, so nothing here is locked. A look at a job is a decision from its
files (see `look`); what changed is written to the store, and never the other way round.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import Conflict, StorageFull, Unavailable
from ...leases import LeaseDir
from ...specs import JobState, TrainingJob
from ...state import StateDir
from ..pausing import next_start, time_left, waiting_again
from . import readings
from .asked import Asked, goes_on
from .carried import Carried
from .disk import disk_errors
from .jobdir import JobDir
from .launch import Launcher
from .live import Live
from .look import has_shim, shim_of, was_rebooted
from .rundir import Unreadable
from .starter import Starter
from .store import Store

__all__ = ("Queue",)

_LOG = logging.getLogger(__name__)
#: Seconds beyond its grace that a cancelled or paused job has before its shim is killed.
_PATIENCE = 5.0
#: What of a job is written down when it is another.
_NEWS = ("state", "attempt", "reason", "silent_since")


class Queue:
    """Starts jobs in the order of the line, as far as they fit, and sees them end.

    Args:
        state: Where things lie.
        store: Open.
        leases: The GPUs' locks.
        launcher: Starts shims.
        grace: Seconds that a cancelled or paused job has for a last checkpoint.
        cpus: How many CPUs the jobs that run may count for together.
    """

    def __init__(
        self,
        state: StateDir,
        store: Store,
        leases: LeaseDir,
        launcher: Launcher,
        grace: float,
        cpus: float,
    ) -> None:
        self._state = state
        self._store = store
        self._launcher = launcher
        self._starter = Starter(leases, launcher, cpus)
        self._patience = grace + _PATIENCE
        self.known: Callable[[TrainingJob], TrainingJob] = lambda job: job  # Adds to what is seen.
        self._live: dict[str, Live] = {}
        self._ending: dict[str, tuple[Live, float]] = {}  # Ended, and the shim is still there.

    def adopt(self, mine: Callable[[TrainingJob], bool]) -> None:
        """Take over what was there before the service started, and is to run here."""
        for job in filter(mine, self._store.live()):
            live = self._live[job.id] = Live.at(self._state, self._launcher.preparer.located(job))
            live.asked = Asked.of(live.folder, job.owner)
            live.go_on_asking(self._patience)
            if shim := shim_of(live.folder):
                self._launcher.adopt(shim["pid"])
        for id in tuple(self._live):
            self._look_safely(id)

    def submit(self, job: TrainingJob, folder: JobDir, gpus: Sequence[str]) -> TrainingJob:
        """Accept a job whose directory is a draft, and start it when it fits.

        Raises:
            StorageFull: there is no room; nothing was left behind.
        """
        try:
            with disk_errors():
                folder.appear()
            self._store.add(job)
        except BaseException:
            folder.remove()
            raise
        live = self._live[job.id] = Live(job, folder, Carried(since=job.created))
        what = f"{job.spec.replicas} x {job.spec.image}"
        live.say("Submitted", f"{job.owner} submitted it: {what}.")
        self._start_soon(live, gpus)
        return live.job

    def all(self) -> list[TrainingJob]:
        """The live jobs as they were last seen."""
        return [live.job for live in self._live.values()]

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
        job = self.known(live.look())
        if job.state.is_terminal or job.state is JobState.PAUSED:
            lost = job.state is JobState.LOST and live.folder.path.is_dir()
            if lost and job.spec.resume_after_reboot and was_rebooted(live.folder):
                return self._after_reboot(live, job)
            return self._settle(live, job)
        live.job = job
        if any(getattr(job, field) != getattr(before, field) for field in _NEWS):
            self._keep(job)
        return job

    def cancel(self, owner: str, id: str, by: str) -> TrainingJob | None:
        """Ask a job to end; at once when it waits or is paused. None when it has ended before."""
        job = self.look(id)
        if live := self._live.get(id):
            live.cancel(by, self._patience)
            return self.look(id)
        paused = job or self._store.find(owner, id)
        if paused is None or paused.state is not JobState.PAUSED:
            return job
        update = {"state": JobState.CANCELLED, "reason": f"cancelled by {by} while paused."}
        return self._settle(Live.at(self._state, paused), paused.model_copy(update=update))

    def pause(self, id: str, by: str, *, again: bool = False) -> TrainingJob | None:
        """Ask a job to save and end; at once when it waits. None when it has ended before.

        Raises:
            Conflict: as `Asked.and_pause`.
        """
        job = self.look(id)
        live = self._live.get(id)
        if live is None:
            return job
        live.pause(by, self._patience, again=again)
        return self.look(id)

    def resume(
        self, owner: str, id: str, by: str, gpus: Sequence[str], *, again: bool = False
    ) -> TrainingJob | None:
        """Queue a job again; None while its last launch is still ending: ask again soon. With
        ``again`` only if nobody has asked for anything but that: else it is returned as it is.

        Raises:
            Conflict: its directory is gone, or nothing is left of its time limit.
            StorageFull: there is no room; it is as it was.
        """
        if live := self._live.get(id):
            return None if live.pausing or (again and live.asked) else live.job
        job = self._store.find(owner, id)
        if job is None or not job.state.is_resumable:
            return job
        live = Live.at(self._state, job)
        if again and not goes_on(live.folder, job):
            return job
        if not live.folder.path.is_dir():
            raise Conflict("the job's directory is gone.", hint="Run it again with rerun.")
        time_left(job.spec, job.ran)
        if has_shim(live.folder):
            self._ending.setdefault(id, (live, time.monotonic() + self._patience))
            return None
        self._again(live, job, time.time(), "resuming.")
        start = next_start(live.carried.first_attempt, job.checkpoint)
        live.say("Resumed", f"{by} resumed it. {start}")
        self._start_soon(live, gpus)
        return live.job

    def noted(self, id: str, changes: Mapping[str, Any]) -> None:
        """Fields of a job were changed that do not come from its run."""
        if live := self._live.get(id):
            live.job = live.job.model_copy(update=dict(changes))

    def tick(self, gpus: Sequence[str]) -> None:
        """Look at every job, press those that are to end, start those that fit."""
        self._launcher.reap()
        for id in tuple(self._live):
            self._look_safely(id)
        for id, (live, deadline) in tuple(self._ending.items()):
            if not has_shim(live.folder):
                del self._ending[id]
            elif time.monotonic() > deadline:
                _LOG.warning("%s has ended, and its shim has not: killed.", id)
                live.kill()
        self._start(gpus)

    @property
    def busy(self) -> bool:
        """Whether anything has to be looked at again soon."""
        return bool(self._live or self._ending or self._launcher.busy)

    @property
    def wants_gpus(self) -> bool:
        """Whether a job waits for GPUs, so that `tick` needs to know which there are."""
        # A copy: the event loop asks, while the thread of decisions may add a job.
        return any(live.waits and live.job.spec.gpus for live in tuple(self._live.values()))

    def _look_safely(self, id: str) -> None:
        """A job that cannot be looked at must not keep the others from being looked at."""
        try:
            self._live[id].press()
            self.look(id)
        except Exception:
            _LOG.exception("%s cannot be looked at now.", id)

    def _start_soon(self, live: Live, gpus: Sequence[str]) -> None:
        """Start a job that was accepted, when it fits."""
        try:
            if not live.job.spec.gpus:
                self._start(gpus)
            if live.waits:  # A shim that just died may have left GPUs, and strays with them.
                self.tick(gpus)
        except Exception:  # It is accepted: an error now would make the person ask for it twice.
            _LOG.exception("%s could not be started at once; the next look tries again.", live.id)

    def _start(self, gpus: Sequence[str]) -> None:
        for live, failure in self._starter.start(tuple(self._live.values()), gpus):
            if failure:
                self._fail(live, failure)
            else:
                self._keep(live.job)

    def _fail(self, live: Live, reason: str) -> None:
        update = {"state": JobState.FAILED, "reason": reason, "ended": time.time()}
        self._settle(live, self.known(live.job.model_copy(update={**update, "position": None})))

    def _after_reboot(self, live: Live, job: TrainingJob) -> TrainingJob:
        """A job that went down with the machine, and is to be started again."""
        live.sweep()
        try:
            time_left(job.spec, job.ran)
            self._again(live, job, live.carried.since, "resuming after a restart of the machine.")
        except Conflict:
            return self._settle(live, job)
        except (StorageFull, Unavailable) as exc:
            _LOG.error("%s cannot be started again yet: %s", job.id, exc)
            return live.job
        start = next_start(live.carried.first_attempt, job.checkpoint)
        live.say("Rebooted", f"{job.reason.capitalize()} {start}")
        return live.job

    def _again(self, live: Live, job: TrainingJob, since: float, reason: str) -> None:
        """Have a job that is not launched wait for its next launch."""
        carried = Carried.after(job, since)
        job = waiting_again(job, reason)
        # Cut short, a job whose end the index has is still that. One that went down with the
        # machine is found to have done so again, until its files are out of the way.
        went_down = job.id in self._live
        if went_down:
            self._store.resume(job)
        try:
            with disk_errors():
                carried.prepare(live.folder)
        except Unreadable as exc:
            raise Conflict(f"the job's directory is damaged: {exc}") from exc
        if not went_down:
            self._store.resume(job)
        live.forget()
        live.job, live.carried = job, carried
        self._live[job.id] = live
        self._ending.pop(job.id, None)

    def _settle(self, live: Live, job: TrainingJob) -> TrainingJob:
        """A job has ended, or is paused: leave nothing of it running, and write that down."""
        asked = live.asked and not live.waits and not has_shim(live.folder)
        if job.state is JobState.LOST or asked:
            live.sweep()
        job = job.model_copy(update={"gpu_seconds": job.spec.gpus * job.ran})
        end = readings.end(live.folder.run)
        if end is None or end.state is not job.state:  # Nobody else has said so.
            live.say(job.state.value.capitalize(), job.reason)
        try:
            self._store.update(job)
        except (StorageFull, Unavailable) as exc:
            # It stays among the live ones as what it was, and is settled when there is room.
            _LOG.error("The end of %s cannot be written yet: %s", job.id, exc)
            return job
        live.job = job
        self._live.pop(job.id, None)
        if has_shim(live.folder):
            self._ending[job.id] = (live, time.monotonic() + self._patience)
        return job

    def _keep(self, job: TrainingJob) -> None:
        try:
            self._store.update(job)
        except (StorageFull, Unavailable) as exc:
            _LOG.warning("%s: its state is not in the index: %s", job.id, exc)
