"""`Notices`: how people are told of what became of their jobs when they look elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from ..specs import Alert, NoticeSettings, NoticeWish

__all__ = ("Notices",)


class Notices(ABC):
    """Sends notices by webhook and e-mail. What has to be sent survives a restart."""

    @abstractmethod
    async def settings(self, owner: str) -> NoticeSettings:
        """What a person has set, and what was sent to them of late."""

    @abstractmethod
    async def set(self, owner: str, wish: NoticeWish) -> NoticeSettings:
        """Set it anew.

        Raises:
            InvalidRequest: the address is none that may be used; the message says why.
        """

    @abstractmethod
    async def test(self, owner: str) -> NoticeSettings:
        """Send a test now, once; its outcomes are the newest deliveries.

        Raises:
            Conflict: nothing is set.
        """

    @abstractmethod
    async def tell(self, alert: Alert, people: Collection[str] | None = None) -> frozenset[str]:
        """Tell of an alert. To tell the same again is harmless: nobody gets it twice.

        Args:
            alert: As it is.
            people: Who is told, the administrator with an empty name. By default the one whom it
                concerns, and the administrator.

        Returns:
            Those who need not be told again: what is sent to them, if anything, is written down.

        Raises:
            StorageFull: there is no room to remember it; nobody is told.
            Unavailable: the state directory cannot be written; nobody is told.
        """
