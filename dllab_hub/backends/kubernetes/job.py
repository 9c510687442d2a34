"""`ClusterJob`: one job that waits or runs on a cluster, and what was asked of it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import Self

from ...shim.limits import duration
from ...specs import JobState, TrainingJob
from ...state import StateDir
from ..local.asked import CANCEL, PAUSE, Asked
from ..local.carried import Carried
from ..local.jobdir import JobDir
from ..pausing import next_start
from .crew import first_failure, last_end
from .ends import newest_attempt, told
from .look import Launched, is_ours, look
from .silence import Silence
from .view import Seen

__all__ = ("ClusterJob",)

_LOG = logging.getLogger(__name__)
#: Written when the JobSet of this launch is known to be there; `Carried.prepare` removes it.
_MADE = "launch.json"
#: Seconds of a wait that make it an event.
_WORTH_A_WORD = 5.0
#: Seconds after which a JobSet that was made would have been seen.
_SURELY = 60.0


@dataclass
class ClusterJob:
    """Used by one thread.

    Attributes:
        job: As last seen.
        folder: Its directory.
        launched: What is known of its launch.
        seen: Its objects, as of the last look.
        due: When to look at its files again though its objects are the same, on the monotonic
            clock.
        tried: When its JobSet was last asked for, or its removal, on the monotonic clock.
        namespace: Where its JobSet is, or is to be.
        elsewhere: Whether that is another one than the settings name now.
    """

    job: TrainingJob
    folder: JobDir
    launched: Launched
    seen: Seen = field(default_factory=Seen)
    due: float = 0.0
    tried: float = float("-inf")
    namespace: str = ""
    elsewhere: bool = False
    _waits: tuple[str, float] = ("", 0.0)  # For what, and since when.
    _said: str = ""
    _told_attempt: int = 0

    @classmethod
    def at(cls, state: StateDir, job: TrainingJob) -> Self:
        """A job that was accepted, with its directory."""
        folder = JobDir.at(state.jobs / job.id)
        carried = Carried.of(folder, job)
        # Its reply may have been lost, and its JobSet have come to its end since.
        began = newest_attempt(folder.run, carried.first_attempt) is not None
        noted = folder.noted(_MADE)
        made = began or noted is not None
        asked = Asked.of(folder, job.owner)
        # The lists of this service are newer than what one before has made.
        live = cls(job, folder, Launched(carried, asked, made, made, sure=True))
        live.namespace = str((noted or {}).get("namespace") or "")
        live._told_attempt = job.attempt if job.state.is_running else 0
        return live

    @property
    def id(self) -> str:
        """Of the job."""
        return self.job.id

    def look(self, seen: Seen) -> TrainingJob:
        """The job as it is now, with what happened since told as events; `job` stays as it was."""
        suspended = is_ours(seen.jobset, self.launched.carried) and bool(
            ((seen.jobset or {}).get("spec") or {}).get("suspend")
        )
        if suspended and self.job.started is not None:
            self._set_aside()
        before = self.job
        job = look(self.folder, before, self.launched, seen)
        if seen.live and job.state is JobState.RUNNING:
            self.launched = replace(self.launched, seen_running=time.time())
        if suspended and not job.state.is_terminal:
            job = job.model_copy(update={"started": None})
        if job.attempt > max(before.attempt, self.launched.carried.first_attempt):
            why = first_failure(told(self.folder.run, job.spec, job.attempt - 1))
            start = next_start(job.attempt, job.checkpoint)
            self.say("Relaunched", f"{why or 'A replica was lost.'} {start}")
        elif job.state is JobState.RUNNING and self._told_attempt != job.attempt:
            self._told_attempt = job.attempt  # A replica that is replaced starts once more.
            self.say("Started", f"{job.spec.replicas} of {job.spec.replicas} replicas run.")
        waits = job.state in (JobState.PENDING, JobState.RESTARTING)
        self._tell_wait(job.diagnosis.message if waits and job.diagnosis else "")
        return self._with_silence(job)

    def out_of_time(self, now: float) -> bool:
        """Whether it has run as long as it may; it is to be ended then."""
        job, carried = self.job, self.launched.carried
        limit = job.spec.time_limit
        if limit is None or job.started is None or not self.launched.wanted:
            return False
        if carried.ran + now - job.started < limit:
            return False
        at = f"; last checkpoint: step {job.checkpoint.step}" if job.checkpoint else ""
        reason = f"it reached its time limit of {duration(limit)}{at}."
        self.end(JobState.FAILED, reason)
        self.say("TimeLimit", reason.capitalize())
        return True

    def end(self, state: JobState, reason: str) -> None:
        """Decide that it ends so; its objects go."""
        self.launched = replace(self.launched, ended=(state, reason))
        self.due = 0.0

    def cancel(self, by: str) -> None:
        """Ask the job to end."""
        if not self.launched.asked.cancelled_by:
            self._ask(self.launched.asked.and_cancel(by), CANCEL, by)
            if self.launched.made:
                self.say("Cancelling", f"{by} cancelled the job.")

    def pause(self, by: str, *, again: bool = False) -> None:
        """Ask the job to save and end.

        Raises:
            Conflict: as `Asked.and_pause`.
        """
        before = self.launched.asked
        asked = before.and_pause(by, again=again)
        if not before.paused_by or before.again:
            self._ask(asked, PAUSE, by)
            if self.launched.made:
                self.say("Pausing", f"{by} paused the job.")

    def asked_for(self) -> None:
        """Its JobSet is being asked for; it may be there from now on."""
        self.launched = replace(self.launched, tried=True, sure=False)
        self.tried = time.monotonic()

    def was_made(self, *, seen: bool) -> None:
        """Its JobSet is there; a service after this one knows by that not to make it again.

        Args:
            seen: It is among what is seen; else the API server has only said so.
        """
        before, sure = self.launched, self.launched.sure or seen
        if not sure and before.made and time.monotonic() - self.tried > _SURELY:
            sure = True
        if before.made and sure == before.sure and not before.trouble:
            return
        self.launched = replace(before, tried=True, made=True, sure=sure, trouble="")
        if before.made:
            return
        self.due = 0.0
        try:
            about = {"first_attempt": before.carried.first_attempt, "namespace": self.namespace}
            self.folder.note(_MADE, about)
        except OSError as exc:
            _LOG.warning("%s: that it was launched will not outlive the service: %s", self.id, exc)

    def is_not_there(self) -> None:
        """The API server says that there is no JobSet of it."""
        self.launched = replace(self.launched, sure=True, trouble="")
        self.due = 0.0

    def could_not(self, why: str) -> None:
        """Its JobSet could not be made or removed; it is tried again."""
        if why != self.launched.trouble:
            self.launched = replace(self.launched, trouble=why)
            self.due = 0.0

    def say(self, reason: str, message: str) -> None:
        """Add an event; one that cannot be written is no reason to do less."""
        try:
            self.folder.say(reason, message)
        except OSError as exc:
            _LOG.warning("%s: event %s is lost: %s", self.id, reason, exc)

    def _with_silence(self, job: TrainingJob) -> TrainingJob:
        """The job with since when nothing was heard of it, if that is too long."""
        now, since = time.time(), None
        if job.state is JobState.RUNNING:
            since = Silence(self.folder).since(job, now)
        before = self.job.silent_since
        if since is not None and before is None:
            heard = duration(now - since)
            said = f"no line, step or event file for {heard}; its pods still run."
            self.say("Stalled", said)
        elif since is None and before is not None and job.state is JobState.RUNNING:
            self.say("GoesOn", f"the job is heard of again, after {duration(now - before)}.")
        return job.model_copy(update={"silent_since": since})

    def _set_aside(self) -> None:
        """The queue has taken its place away: what it waits for now is no time in which it ran."""
        carried, job = self.launched.carried, self.job
        began = job.started or 0.0
        ran = carried.ran + max((last_end(job.replicas) or time.time()) - began, 0.0)
        carried = replace(carried, ran=ran, since=time.time())
        self.launched = replace(self.launched, carried=carried)
        self.job = job.model_copy(update={"started": None, "ran": ran})
        try:
            carried.write(self.folder)
        except OSError as exc:
            _LOG.warning("%s: how long it ran will not outlive the service: %s", self.id, exc)

    def _tell_wait(self, why: str) -> None:
        """Tell what a job waits for, once it has done so for some time."""
        now = time.monotonic()
        if why != self._waits[0]:
            self._waits = why, now
        elif why and why != self._said and now - self._waits[1] > _WORTH_A_WORD:
            self._said = why
            self.say("Waiting", why)

    def _ask(self, asked: Asked, file: str, by: str) -> None:
        self.launched = replace(self.launched, asked=asked)
        self.due = 0.0
        try:
            self.folder.note(file, {"by": by, "again": asked.again})
        except OSError as exc:
            _LOG.warning("%s: what %s asked will not outlive the service: %s", self.id, by, exc)
