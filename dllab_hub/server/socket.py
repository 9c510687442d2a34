"""`Socket`: a WebSocket at one of our addresses: who may open it, and for how long it stays."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from jupyter_core.utils import ensure_async
from tornado.websocket import WebSocketHandler

from ..errors import AccessDenied, DLLabError, InvalidRequest
from .handler import LabHandler

__all__ = ("GOING_AWAY", "NOT_ALLOWED", "TRY_AGAIN_LATER", "UNSUPPORTED_DATA", "Socket")

#: Seconds between two pings, and for the answer to each.
_PING = 30.0
#: Why a WebSocket ends, as registered with its protocol.
GOING_AWAY, UNSUPPORTED_DATA, NOT_ALLOWED, TRY_AGAIN_LATER = 1001, 1003, 1008, 1013


class Socket(LabHandler, WebSocketHandler):  # type: ignore[misc]
    """Base of them all.

    Who may not come in, or comes from a page of another origin, is answered as at any address,
    before there is a socket. A verb ``get`` of a subclass is `allowed`, calls `check_asked`, and
    then `begin`.
    """

    ping_interval = ping_timeout = _PING
    #: Seconds after which it is looked again whether somebody may be here: tokens are revoked.
    trust: ClassVar[float] = 60.0
    _look_again: asyncio.TimerHandle | None = None
    _looking: asyncio.Task[None] | None = None

    def check_asked(self) -> None:
        """Nothing when a WebSocket was asked for.

        Raises:
            InvalidRequest: it was not, or not wholly.
        """
        given = self.request.headers
        if given.get("Upgrade", "").lower() != "websocket":
            raise InvalidRequest("this address is a WebSocket.", hint="Open it with ws: or wss:.")
        if (
            "upgrade" not in given.get("Connection", "").lower()
            or given.get("Sec-WebSocket-Version") != "13"
            or not given.get("Sec-WebSocket-Key")
        ):
            raise InvalidRequest(
                "the request for a WebSocket is not whole.",
                hint="Does a proxy on the way not know WebSockets?",
            )

    async def begin(self) -> None:
        """Become a WebSocket."""
        await WebSocketHandler.get(self)

    def open(self, *_: str, **__: str) -> None:
        """It is there."""
        self.set_nodelay(True)
        self._trust()

    def on_close(self) -> None:
        """It is gone."""
        if self._look_again is not None:
            self._look_again.cancel()

    def finish_with(self, code: int, reason: str) -> None:
        """End it."""
        self.on_close()
        self.close(code, reason)

    def _trust(self) -> None:
        def look() -> None:
            self._looking = loop.create_task(self._check())

        loop = asyncio.get_running_loop()
        self._look_again = loop.call_later(self.trust, look)

    async def _check(self) -> None:
        """End it when the sign-in that opened it is none any more."""
        try:
            user = await ensure_async(self.identity_provider.get_user(self))
            may = user is not None and await ensure_async(
                self.authorizer.is_authorized(self, user, "read", self.auth_resource)
            )
        except AccessDenied:
            may = False
        except DLLabError:
            user, may = None, True  # The hub does not answer just now, which is no revocation.
        if self.ws_connection is None:
            return
        if may:
            if user is not None:
                self.current_user = user  # It may be an administrator no longer.
            self._trust()
        else:
            self.finish_with(NOT_ALLOWED, "no longer signed in")
