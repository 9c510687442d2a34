"""`Alerts`: what is wrong with people's GPUs, jobs and deployments, and whom it concerns."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..specs import Alert, AlertList, Silence

__all__ = ("Alerts",)


class Alerts(ABC):
    """Knows the alerts of everybody. ``viewer`` is a person whom the caller has identified; None is
    an administrator, who sees all.

    An alert of somebody else does not exist as far as this interface can tell: `NotFound`.
    """

    @abstractmethod
    async def list(self, viewer: str | None) -> AlertList:
        """The person's alerts, with those that are pending and those that are over of late."""

    @abstractmethod
    async def silence(self, viewer: str | None, id: str, wish: Silence) -> Alert:
        """Tell the person nothing of an alert for a while, also when it begins anew, until it is
        somebody else's. An administrator's silence is for everybody.

        Raises:
            NotFound: there is no such alert of this person.
        """

    @abstractmethod
    async def speak(self, viewer: str | None, id: str) -> Alert:
        """End a silence of this person. What fires then is told.

        Raises:
            NotFound: there is no such alert of this person.
        """
