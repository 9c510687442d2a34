"""`Asked`: what people asked of a job; kept in its directory, so it outlives a service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from .jobdir import JobDir

__all__ = ("CANCEL", "PAUSE", "Asked")

CANCEL = "cancel.json"
PAUSE = "pause.json"


@dataclass(frozen=True)
class Asked:
    """A cancel wins over a pause.

    Attributes:
        cancelled_by: Who asked to cancel it; empty when nobody did.
        paused_by: Who asked to pause it.
    """

    cancelled_by: str = ""
    paused_by: str = ""

    @classmethod
    def of(cls, folder: JobDir, owner: str) -> Self:
        """As it was written down."""
        names = {}
        for key, file in (("cancelled_by", CANCEL), ("paused_by", PAUSE)):
            note = folder.noted(file)
            names[key] = str(note.get("by") or owner) if note else ""
        return cls(**names)

    def __bool__(self) -> bool:
        return bool(self.cancelled_by or self.paused_by)

    @property
    def doing(self) -> str:
        """What goes on, for a job that still runs."""
        return "cancelling." if self.cancelled_by else "pausing." if self.paused_by else ""

    def and_cancel(self, by: str) -> Asked:
        """Also cancelled."""
        return replace(self, cancelled_by=by)

    def and_pause(self, by: str) -> Asked:
        """Also paused."""
        return replace(self, paused_by=by)
