"""`Carried`: what a job takes along from its launches before; it makes way for the next one."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from ...shim import EXIT_RECORD, REPORT, SHIM, STATE
from ...specs import TrainingJob
from ..pausing import time_left
from .asked import CANCEL, PAUSE
from .jobdir import JobDir

__all__ = ("Carried",)

_NOTE = "resume.json"


@dataclass(frozen=True)
class Carried:
    """``resume.json``; a job that was launched at most once has none.

    Attributes:
        since: From when it waits for its turn, seconds since the epoch.
        first_attempt: Number of the next attempt, so that no log is ever written over.
        ran: Seconds that it ran before.
    """

    since: float
    first_attempt: int = 1
    ran: float = 0.0

    @classmethod
    def of(cls, folder: JobDir, job: TrainingJob) -> Self:
        """As it was written down; what is damaged counts as not there."""
        note = folder.noted(_NOTE) or {}
        attempt = note.get("first_attempt")
        return cls(
            since=_number(note.get("since"), job.created),
            first_attempt=attempt if type(attempt) is int and attempt > 0 else 1,
            ran=_number(note.get("ran"), 0.0),
        )

    @classmethod
    def after(cls, job: TrainingJob, now: float) -> Self:
        """For the next launch of a job that is not launched now."""
        return cls(since=now, first_attempt=job.attempt + 1, ran=job.ran)

    def prepare(self, folder: JobDir) -> None:
        """Write it down, and forget what would be taken for news of the next launch.

        Logs, checkpoints and the workspace stay. Cut short, it leaves a job that has ended and can
        be prepared again.

        Raises:
            OSError: there is no room; nothing was forgotten.
        """
        self.write(folder)
        folder.run.forget(EXIT_RECORD, REPORT, SHIM, STATE)
        for name in ("launch.json", CANCEL, PAUSE):
            (folder.path / name).unlink(missing_ok=True)

    def write(self, folder: JobDir) -> None:
        """Write it down.

        Raises:
            OSError: there is no room; what was there before still is.
        """
        folder.note(_NOTE, asdict(self))

    def plan(self, job: TrainingJob) -> dict[str, Any]:
        """The keys of the plan that differ between launches.

        Raises:
            Conflict: nothing is left of its time limit.
        """
        return {
            "first_attempt": self.first_attempt,
            "ran": self.ran,
            "time_limit": time_left(job.spec, self.ran),
        }


def _number(value: object, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return default
    return max(float(value), 0.0)
