"""`Live`: one job that waits or runs, and what is done to its processes."""

from __future__ import annotations

import logging
import signal
import time
from dataclasses import dataclass, field
from typing import Self

from ...shim.process import catches, send, sweep
from ...specs import Holder, JobState, TrainingJob
from ...state import StateDir
from ..order import Ticket
from . import readings
from .asked import CANCEL, PAUSE, Asked
from .carried import Carried
from .jobdir import JobDir
from .look import has_shim, look, shim_of

__all__ = ("Live",)

_LOG = logging.getLogger(__name__)


@dataclass
class Live:
    """Used by one thread.

    Attributes:
        job: As last seen.
        folder: Its directory.
        carried: From its launches before.
        asked: What people asked of it.
        seen: When its shim was last seen alive by this service, seconds since the epoch, or None.
    """

    job: TrainingJob
    folder: JobDir
    carried: Carried
    asked: Asked = field(default_factory=Asked)
    seen: float | None = None
    _told: set[int] = field(default_factory=set)  # Signals that the shim has got.
    _deadline: float | None = None  # On the monotonic clock: then it is killed.

    @classmethod
    def at(cls, state: StateDir, job: TrainingJob) -> Self:
        """A job that was accepted, with its directory."""
        folder = JobDir.at(state.jobs / job.id)
        return cls(job, folder, Carried.of(folder, job))

    @property
    def id(self) -> str:
        """Of the job."""
        return self.job.id

    @property
    def waits(self) -> bool:
        """Whether it has not got what it asked for."""
        return self.job.state is JobState.PENDING

    @property
    def runs(self) -> bool:
        """Whether it has what it asked for."""
        return self.job.state.is_running

    @property
    def pausing(self) -> bool:
        """Whether it runs, and is to be paused."""
        return self.runs and bool(self.asked.paused_by) and not self.asked.cancelled_by

    @property
    def ticket(self) -> Ticket:
        """Its place among those that wait."""
        job = self.job
        return Ticket(job.id, job.owner, self.carried.since, job.spec.priority)

    @property
    def holder(self) -> Holder:
        """As who it holds what it holds."""
        job = self.job
        return Holder(kind="job", owner=job.owner, name=job.spec.name, id=job.id)

    def look(self) -> TrainingJob:
        """The job as it is now; `job` is left as it was."""
        job = look(self.folder, self.job, self.asked)
        if job.state.is_running:
            self.seen = time.time()
        elif not self.waits and self.seen is not None and readings.end(self.folder.run) is None:
            # Nobody has written down how long it ran; what was seen counts.
            ran = self.carried.ran + self.seen - (job.started or self.seen)
            job = job.model_copy(update={"ran": max(job.ran, ran)})
        return job

    def cancel(self, by: str, patience: float) -> None:
        """Ask the job to end; one that runs has ``patience`` seconds before it is killed."""
        if not self.asked.cancelled_by:
            self._ask(self.asked.and_cancel(by), CANCEL, by, patience)
            self._press_now("Cancelling", f"{by} cancelled the job.")

    def pause(self, by: str, patience: float, *, again: bool = False) -> None:
        """Ask the job to save and end; one that runs has ``patience`` seconds for that.

        Raises:
            Conflict: as `Asked.and_pause`.
        """
        asked = self.asked.and_pause(by, again=again)
        if not self.asked.paused_by or self.asked.again:
            self._ask(asked, PAUSE, by, patience)
            self._press_now("Pausing", f"{by} paused the job.")

    def go_on_asking(self, patience: float) -> None:
        """What was asked of the service before this one is asked again."""
        if self.asked:
            self._deadline = time.monotonic() + patience

    def press(self) -> None:
        """Tell the shim what was asked, once it can hear; kill it when it had its time."""
        if not self.asked:
            return
        shim = shim_of(self.folder)
        if shim and readings.identity(self.folder.run):
            # A shim from before an upgrade may know no pauses: its end is taken for one (`look`).
            pauses = not self.asked.cancelled_by and catches(shim["pid"], signal.SIGUSR1)
            number = signal.SIGUSR1 if pauses else signal.SIGTERM
            if number not in self._told and send(shim, number):
                self._told.add(number)
        if self._deadline is not None and time.monotonic() > self._deadline:
            what = "cancel" if self.asked.cancelled_by else "pause"
            self.say("Killed", f"It did not end in time after the {what}: killed.")
            self.kill()
            self._deadline = time.monotonic() + 1 if has_shim(self.folder) else None

    def kill(self) -> None:
        """End the shim and all processes of the job, now."""
        shim = shim_of(self.folder)
        if shim:
            send(shim, signal.SIGKILL)
        self.sweep()

    def sweep(self) -> None:
        """End processes that the job has left."""
        left = sweep(self.id, uid=self.folder.account.uid, seconds=2)
        if left:
            _LOG.error("%s: processes %s cannot be killed.", self.id, left)

    def say(self, reason: str, message: str) -> None:
        """Add an event; one that cannot be written is no reason to do less."""
        try:
            self.folder.say(reason, message)
        except OSError as exc:
            _LOG.warning("%s: event %s is lost: %s", self.id, reason, exc)

    def wait(self, reason: str, position: int | None) -> None:
        """It goes on waiting, and why."""
        if self.job.reason in ("starting.", "resuming.") and reason != self.job.reason:
            self.say("Queued", reason)  # The first time only: people come and go.
        # Not kept: it is true for a moment, answered from memory and found anew at a start.
        self.job = self.job.model_copy(update={"reason": reason, "position": position})

    def forget(self) -> None:
        """What was asked is done, or not wanted any more."""
        self.asked, self._told, self._deadline, self.seen = Asked(), set(), None, None

    def _press_now(self, reason: str, message: str) -> None:
        if not self.waits:  # Else there is nothing to end.
            self.say(reason, message)
            self.press()

    def _ask(self, asked: Asked, file: str, by: str, patience: float) -> None:
        self.asked = asked
        try:
            self.folder.note(file, {"by": by, "again": asked.again})
        except OSError as exc:
            _LOG.warning("%s: what %s asked will not outlive the service: %s", self.id, by, exc)
        self._deadline = time.monotonic() + patience
