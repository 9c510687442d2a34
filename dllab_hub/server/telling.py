"""`Telling`: has people told that an alert fires, and that it is over; each of them once."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..backends.notices import Notices
from ..errors import StorageFull, Unavailable
from ..specs import Alert
from .silences import ADMINISTRATOR, Silences

__all__ = ("Telling",)

#: What is only good to know is shown, and not sent.
_SENT = ("critical", "warning")


class Telling:
    """Tells whom an alert concerns, and the administrator.

    Args:
        notices: Writes down what is sent.
        say: Hears why nobody can be told.
    """

    def __init__(self, notices: Notices, say: Callable[[str], None]) -> None:
        self._notices = notices
        self._say = say

    async def news(
        self, alert: Alert, told: Collection[str], silences: Silences
    ) -> tuple[str, ...]:
        """Tell who has to know of it and does not.

        Args:
            alert: As it is now.
            told: Who was told that it fires, and not yet that it is over.
            silences: Who is told nothing.

        Returns:
            The same from now on. Who could not be told is told the next time.
        """
        knows = set(told)
        if alert.state == "firing" and alert.severity in _SENT:
            new = {alert.owner, ADMINISTRATOR} - knows
            knows |= await self._tell(alert, _hearing(alert, new, silences))
        elif alert.state == "resolved":
            hear = _hearing(alert, knows, silences)
            knows = hear - await self._tell(alert, hear)
        return tuple(sorted(knows))

    async def _tell(self, alert: Alert, people: set[str]) -> frozenset[str]:
        """Who has been told, for good: it is written down."""
        if not people:
            return frozenset()
        try:
            return await self._notices.tell(alert, people)
        except (StorageFull, Unavailable) as exc:
            self._say(f"Nobody can be told of {alert.rule}: {exc}")
            return frozenset()


def _hearing(alert: Alert, people: set[str], silences: Silences) -> set[str]:
    return {person for person in people if silences.of(alert.id, person) is None}
