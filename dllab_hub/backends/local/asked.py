"""`Asked`: what people asked of a job; kept in its directory, so it outlives a service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from ...errors import Conflict
from ...specs import JobState, TrainingJob
from .jobdir import JobDir

__all__ = ("CANCEL", "PAUSE", "Asked", "goes_on")

CANCEL = "cancel.json"
PAUSE = "pause.json"


@dataclass(frozen=True)
class Asked:
    """A cancel wins over a pause.

    Attributes:
        cancelled_by: Who asked to cancel it; empty when nobody did.
        paused_by: Who asked to pause it.
        again: Whether it is to go on as soon as it is paused, as a relaunch wants it.
    """

    cancelled_by: str = ""
    paused_by: str = ""
    again: bool = False

    @classmethod
    def of(cls, folder: JobDir, owner: str) -> Self:
        """As it was written down."""
        cancel, pause = folder.noted(CANCEL), folder.noted(PAUSE)
        return cls(
            cancelled_by=str(cancel.get("by") or owner) if cancel else "",
            paused_by=str(pause.get("by") or owner) if pause else "",
            again=pause is not None and pause.get("again") is True,
        )

    def __bool__(self) -> bool:
        return bool(self.cancelled_by or self.paused_by)

    @property
    def doing(self) -> str:
        """What goes on, for a job that still runs."""
        return "cancelling." if self.cancelled_by else "pausing." if self.paused_by else ""

    def and_cancel(self, by: str) -> Asked:
        """Also cancelled."""
        return replace(self, cancelled_by=by)

    def and_pause(self, by: str, *, again: bool = False) -> Asked:
        """Also paused; a person who pauses what is relaunched wants it to stay so.

        Raises:
            Conflict: it is being cancelled, or is to go on again and is being paused already.
        """
        if self.cancelled_by:
            raise Conflict("the job is being cancelled.", hint="Resume it when it has ended.")
        if again and self.paused_by:
            raise Conflict("the job is being paused.", hint="Resume it when it is.")
        return replace(self, paused_by=by, again=again)


def goes_on(folder: JobDir, job: TrainingJob) -> bool:
    """Whether it is paused only for a moment, by a relaunch that has not come to its end."""
    return job.state is JobState.PAUSED and Asked.of(folder, job.owner).again
