"""`Silences`: who wants to hear nothing of which alert, and until when. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

__all__ = ("ADMINISTRATOR", "Silences")

#: Who an administrator is here; no person has that name.
ADMINISTRATOR = ""


@dataclass(frozen=True)
class Silences:
    """A person's own is for that person only; an administrator's is for everybody.

    Attributes:
        until: Seconds since the epoch, by alert and person.
    """

    until: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def of(self, id: str, person: str) -> float | None:
        """Until when somebody is told nothing of an alert; None: they are told."""
        found = (self.until.get((id, each)) for each in (person, ADMINISTRATOR))
        return max((until for until in found if until is not None), default=None)

    def changed(self, id: str, person: str, until: float | None) -> Silences:
        """With one that is new, or over."""
        rest = {key: value for key, value in self.until.items() if key != (id, person)}
        return replace(self, until=rest if until is None else {**rest, (id, person): until})

    def left(self, now: float, owners: Mapping[str, str]) -> Silences:
        """Those that hold still. A person's own is over when the alert is somebody else's.

        Args:
            now: Seconds since the epoch.
            owners: Of alerts, by id.
        """
        rest = {
            (id, person): until
            for (id, person), until in self.until.items()
            if until > now and person in (ADMINISTRATOR, owners.get(id, person))
        }
        return replace(self, until=rest)
