"""What the GPUs of the machine do, now and as it happens."""

from __future__ import annotations

import asyncio
import time

from jupyter_core.utils import ensure_async
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..errors import AccessDenied, DLLabError, InvalidRequest, NotFound
from .handler import LabHandler, allowed

__all__ = ("ROUTES",)

#: Seconds somebody has for taking what was sent.
_PATIENCE = 10.0
#: Seconds between two pings, and for the answer to each.
_PING = 30.0
#: Seconds after which it is looked again whether somebody may watch: tokens are revoked.
_TRUST = 60.0
#: Bytes. Who watches has nothing to say.
_MAX_MESSAGE = 1024
#: Why a WebSocket ends, as registered with its protocol.
_GOING_AWAY, _NOT_ALLOWED, _TRY_AGAIN_LATER = 1001, 1008, 1013


class Gpus(LabHandler):
    """``gpus``."""

    @allowed
    async def get(self) -> None:
        """All GPUs now."""
        self.query()
        self.reply(await self.lab.report(self.owner))


class Live(LabHandler, WebSocketHandler):  # type: ignore[misc]
    """``gpus/stream``: a WebSocket of text frames, first a `GpuHistory`, then a `GpuTick` a second.

    Who may not come in, or comes from a page of another origin, is answered as at any address,
    before there is a socket.
    """

    ping_interval = ping_timeout = _PING
    max_message_size = _MAX_MESSAGE
    _sent: asyncio.Future[None] | None = None  # Done when the newest frame is on its way.
    _sent_at = 0.0
    _look_again: asyncio.TimerHandle | None = None
    _looking: asyncio.Task[None] | None = None

    @allowed
    async def get(self) -> None:
        """Become a WebSocket."""
        self.query()
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
        if self.lab.stream is None:
            raise NotFound("the GPUs of this lab cannot be followed.", hint="Ask for gpus instead.")
        await super().get()

    def open(self, *_: str, **__: str) -> None:
        """Begin to watch."""
        self.set_nodelay(True)
        self._trust()
        if self.lab.stream is not None:
            self.lab.stream.join(self)

    def on_message(self, message: str | bytes) -> None:
        """There is nothing to say here."""

    def on_close(self) -> None:
        """Watch no more."""
        if self._look_again is not None:
            self._look_again.cancel()
        if self.lab.stream is not None:
            self.lab.stream.leave(self)

    def send(self, *frames: str) -> None:
        """Pass them on, unless the last ones are still here; much too long, and it is the end."""
        now = time.monotonic()
        if self._sent is not None and not self._sent.done():
            if now - self._sent_at > _PATIENCE:
                self.log.warning("Somebody who watches the GPUs takes too long, and is let go.")
                self._end(_TRY_AGAIN_LATER, "too slow")
            return
        self._sent_at = now
        for frame in frames:
            try:
                self._sent = self.write_message(frame)
            except WebSocketClosedError:
                return  # `on_close` comes.
            self._sent.add_done_callback(_look)

    def end(self) -> None:
        """The server goes."""
        self._end(_GOING_AWAY, "the server ends")

    def _trust(self) -> None:
        def look() -> None:
            self._looking = loop.create_task(self._check())

        loop = asyncio.get_running_loop()
        self._look_again = loop.call_later(_TRUST, look)

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
            may = True  # The hub does not answer just now, which is no revocation.
        if self.ws_connection is None:
            return
        if may:
            self._trust()
        else:
            self._end(_NOT_ALLOWED, "no longer signed in")

    def _end(self, code: int, reason: str) -> None:
        self.on_close()
        self.close(code, reason)


def _look(sent: asyncio.Future[None]) -> None:
    """That a connection was closed before a frame was on its way is nothing to complain about."""
    if not sent.cancelled():
        sent.exception()


ROUTES = (("gpus", Gpus), ("gpus/stream", Live))
