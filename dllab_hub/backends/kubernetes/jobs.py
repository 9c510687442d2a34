"""`ClusterJobs`: every job on a cluster that has not ended. All of it runs on one thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import Conflict, StorageFull, Unavailable
from ...specs import JobLimits, JobState, TrainingJob
from ...state import StateDir
from ..local.asked import goes_on
from ..local.carried import Carried
from ..local.disk import disk_errors
from ..local.jobdir import JobDir
from ..local.mounted import is_mounted
from ..local.rundir import Unreadable
from ..local.store import Store
from ..pausing import next_start, time_left, waiting_again
from ..quota import check_quota
from .job import ClusterJob
from .look import Launched, is_ours
from .view import Seen
from .wishes import Wish, wish_of

__all__ = ("ClusterJobs",)

_LOG = logging.getLogger(__name__)
#: What of a job is written down when it is another. Reasons come and go with the cluster's words.
_NEWS = ("state", "attempt", "silent_since")
#: Seconds until the files of a job are looked at again; with many jobs it is longer.
_FILES, _EACH = 2.0, 0.02
#: Seconds between two looks for JobSets that go on though their jobs have ended.
_SWEEP = 60.0


class ClusterJobs:
    """Decides what is to be there, from what is seen.

    Args:
        state: Where things lie.
        store: Open.
        located: The job with the places of its files.

    Attributes:
        known: As in `Line`.
        holding: As in `Line`.
    """

    def __init__(
        self, state: StateDir, store: Store, located: Callable[[TrainingJob], TrainingJob]
    ) -> None:
        self._state, self._store, self._located = state, store, located
        self.known: Callable[[TrainingJob], TrainingJob] = lambda job: job
        self.holding: Callable[[str], list[TrainingJob]] = lambda owner: [
            job for job in self.all() if job.owner == owner
        ]
        self._live: dict[str, ClusterJob] = {}
        self._swept = 0.0
        #: Where JobSets are made; empty while the cluster has not been found.
        self.namespace = ""

    @property
    def busy(self) -> bool:
        """Whether there are any."""
        return bool(self._live)

    def adopt(self, mine: Callable[[TrainingJob], bool]) -> None:
        """Take over what was there before the service started, and is to run here."""
        for job in filter(mine, self._store.live()):
            try:
                self._live[job.id] = ClusterJob.at(self._state, self._located(job))
            except OSError as exc:  # The next service tries again; the others go on.
                _LOG.error("%s cannot be looked after: %s", job.id, exc)

    def all(self) -> list[TrainingJob]:
        """As they were last seen."""
        return [live.job for live in self._live.values()]

    def accept(self, job: TrainingJob, folder: JobDir, limits: JobLimits) -> None:
        """Accept a job whose directory is a draft.

        Raises:
            AccessDenied: others of the person hold all that they may have.
            StorageFull: there is no room; nothing was left behind.
        """
        check_quota(job.spec, self.holding(job.owner), limits)
        try:
            with disk_errors():
                folder.appear()
            self._store.add(job)
        except BaseException:
            folder.remove()
            raise
        launched = Launched(Carried(since=job.created))
        live = ClusterJob(job, folder, launched, namespace=self.namespace)
        live.asked_for()  # Whoever has submitted it has its JobSet made.
        self._live[job.id] = live
        what = f"{job.spec.replicas} x {job.spec.image}"
        live.say("Submitted", f"{job.owner} submitted it: {what}.")

    def find(self, id: str) -> TrainingJob | None:
        """A live job as it was last seen."""
        live = self._live.get(id)
        return live.job if live else None

    def look(self, id: str) -> TrainingJob | None:
        """A live job as its files and what was last seen of its objects show it."""
        live = self._live.get(id)
        return self._look(live, live.seen) if live else None

    def tick(self, seen: Mapping[str, Seen]) -> list[Wish]:
        """Look at every job of which something is new, and at the others' files now and then.

        Args:
            seen: What there is of each job, by its id.

        Returns:
            What is to be made or removed.
        """
        if not is_mounted(self._state):
            _LOG.error("%s is not mounted: no job is looked at.", self._state.shared)
            return []
        now = time.monotonic()
        wishes = []
        for id, live in tuple(self._live.items()):
            objects = seen.get(id)
            if objects is None:  # It was accepted since.
                continue
            try:
                objects = self._where(live, objects)
                if objects != live.seen or now >= live.due:
                    live.due = now + _FILES + _EACH * len(self._live)
                    self._look(live, objects)
                # After the look: it may have ended before its time was over.
                if id in self._live and objects.live and live.out_of_time(time.time()):
                    self._look(live, objects)
                if id in self._live and (wish := wish_of(live, now)) is not None:
                    wishes.append(wish)
            except Exception:
                # One that cannot be looked at must not keep the others from being looked at.
                _LOG.exception("%s cannot be looked at now.", id)
        return wishes

    @property
    def is_unswept(self) -> bool:
        """Whether it is time for `sweep`."""
        return time.monotonic() - self._swept >= _SWEEP

    def sweep(self, going: Mapping[str, tuple[str, str]]) -> list[Wish]:
        """Have JobSets removed that go on though their jobs have ended, now and then.

        Args:
            going: Owner and uid of each JobSet that has not come to an end, by the job's id.
        """
        if not self.is_unswept:
            return []
        self._swept = time.monotonic()
        wishes = []
        for id, (owner, uid) in going.items():
            job = None if id in self._live else self._store.find(owner, id)
            # One that nobody here knows may be another service's.
            if job is not None and (job.state.is_terminal or job.state is JobState.PAUSED):
                _LOG.warning("%s is %s, and its JobSet goes on: removed.", id, job.state.value)
                wishes.append(Wish(id, make=False, uid=uid))
        return wishes

    def cancel(self, owner: str, id: str, by: str) -> TrainingJob | None:
        """Ask a job to end; at once when it is paused. None when it has ended before."""
        if live := self._live.get(id):
            live.cancel(by)
            return self._look(live, live.seen)
        job = self._store.find(owner, id)
        if job is None or job.state is not JobState.PAUSED:
            return None
        update = {"state": JobState.CANCELLED, "reason": f"cancelled by {by} while paused."}
        return self._settle(ClusterJob.at(self._state, job), job.model_copy(update=update))

    def pause(self, id: str, by: str, *, again: bool = False) -> TrainingJob | None:
        """Ask a job to save and end. None when it has ended before.

        Raises:
            Conflict: as `Asked.and_pause`.
        """
        live = self._live.get(id)
        if live is None:
            return None
        live.pause(by, again=again)
        return self._look(live, live.seen)

    def resume(
        self, job: TrainingJob, by: str, limits: JobLimits, *, again: bool = False
    ) -> TrainingJob | None:
        """Have a job wait again; None while its last launch is still ending: ask again soon. With
        ``again`` only if nobody has asked for anything but that: else it is returned as it is.

        Raises:
            AccessDenied: others of the person hold all that they may have.
            Conflict: its directory is gone, or nothing is left of its time limit.
            StorageFull: there is no room; it is as it was.
        """
        if live := self._live.get(job.id):
            return live.job if live.launched.wanted else None
        found = self._store.find(job.owner, job.id)
        if found is None or not found.state.is_resumable:
            return found or job
        folder = JobDir.at(self._state.jobs / job.id)
        if again and not goes_on(folder, found):
            return found
        check_quota(job.spec, self.holding(job.owner), limits)
        if not folder.path.is_dir():
            raise Conflict("the job's directory is gone.", hint="Run it again with rerun.")
        time_left(found.spec, found.ran)
        carried = Carried.after(found, time.time())
        waits = waiting_again(found, "resuming.")
        try:
            with disk_errors():
                carried.prepare(folder)
        except Unreadable as exc:
            raise Conflict(f"the job's directory is damaged: {exc}") from exc
        self._store.resume(waits)
        live = ClusterJob(waits, folder, Launched(carried), namespace=self.namespace)
        self._live[job.id] = live
        live.say("Resumed", f"{by} resumed it. {next_start(carried.first_attempt, job.checkpoint)}")
        return waits

    def noted(self, id: str, changes: Mapping[str, Any]) -> None:
        """Fields of a job were changed that do not come from its run."""
        if live := self._live.get(id):
            live.job = live.job.model_copy(update=dict(changes))

    def was_made(self, id: str) -> None:
        """The JobSet of a job has been made."""
        if live := self._live.get(id):
            live.was_made(seen=False)

    def is_not_there(self, id: str) -> None:
        """There is no JobSet of a job, or none any more."""
        if live := self._live.get(id):
            live.is_not_there()

    def could_not(self, id: str, why: str) -> None:
        """The cluster did not do as it was told."""
        if live := self._live.get(id):
            live.could_not(why)

    def refused(self, id: str, reason: str) -> None:
        """The cluster does not take it."""
        if live := self._live.get(id):
            live.end(JobState.FAILED, reason)
            self._look(live, live.seen)

    def _where(self, live: ClusterJob, seen: Seen) -> Seen:
        """What is seen counts only where its objects are."""
        live.namespace = live.namespace or self.namespace
        if not self.namespace or live.namespace == self.namespace:
            return seen
        trouble = f"its objects are in the namespace {live.namespace}, not in {self.namespace}."
        return Seen(trouble=trouble)

    def _look(self, live: ClusterJob, seen: Seen) -> TrainingJob:
        before, live.seen = live.job, seen
        if not live.folder.path.is_dir() and live.launched.ended is None:
            live.end(JobState.LOST, "its directory is gone.")
        there = is_ours(seen.jobset, live.launched.carried)
        if there or live.launched.made:
            live.was_made(seen=there)
        looked = live.look(seen)
        job = self.known(looked)
        if looked.state in (JobState.PENDING, JobState.RESTARTING) and looked.diagnosis:
            job = job.model_copy(update={"diagnosis": looked.diagnosis})
        if job.state.is_terminal or job.state is JobState.PAUSED:
            return self._settle(live, job)
        live.job = job
        if any(getattr(job, field) != getattr(before, field) for field in _NEWS):
            try:
                self._store.update(job)
            except (StorageFull, Unavailable) as exc:
                _LOG.warning("%s: its state is not in the index: %s", job.id, exc)
        return job

    def _settle(self, live: ClusterJob, job: TrainingJob) -> TrainingJob:
        """A job has ended, or is paused: write that down."""
        job = job.model_copy(update={"gpu_seconds": job.spec.gpus * job.ran})
        try:
            self._store.update(job)
        except (StorageFull, Unavailable) as exc:
            # It stays among the live ones as what it was, and is settled when there is room.
            _LOG.error("The end of %s cannot be written yet: %s", job.id, exc)
            return job
        live.say(job.state.value.capitalize(), job.reason)
        live.job = job
        self._live.pop(job.id, None)
        return job
