"""`RemoteAlerts`: over the REST interface of a lab service."""

from __future__ import annotations

from ..specs import Alert, AlertList, Silence
from ..transport import AsyncTransport, path
from .alerts import Alerts

__all__ = ("RemoteAlerts",)


class RemoteAlerts(Alerts):
    """Every verb is one request; whose alerts they are is the far side's to say.

    Args:
        transport: To the lab service.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self, viewer: str | None) -> AlertList:
        """The person's alerts."""
        return await self._transport.ask("GET", "alerts", AlertList.from_wire)

    async def silence(self, viewer: str | None, id: str, wish: Silence) -> Alert:
        """Tell nobody of an alert for a while."""
        return await self._transport.ask(
            "PUT", path("alerts", id, "silence"), Alert.from_wire, body=wish.to_wire()
        )

    async def speak(self, viewer: str | None, id: str) -> Alert:
        """End a silence."""
        return await self._transport.ask("DELETE", path("alerts", id, "silence"), Alert.from_wire)
