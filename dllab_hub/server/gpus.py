"""What the GPUs of the machine do, now and as it happens."""

from __future__ import annotations

import asyncio
import time

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..errors import InvalidRequest, NotFound
from .handler import LabHandler, allowed

__all__ = ("ROUTES",)

#: Seconds somebody has for taking what was sent.
_PATIENCE = 10.0
#: Seconds between two pings, and for the answer to each.
_PING = 30.0
#: Bytes. Who watches has nothing to say.
_MAX_MESSAGE = 1024
#: Why a WebSocket ends, as registered with its protocol.
_GOING_AWAY, _TRY_AGAIN_LATER = 1001, 1013


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
        if self.lab.stream is not None:
            self.lab.stream.join(self)

    def on_message(self, message: str | bytes) -> None:
        """There is nothing to say here."""

    def on_close(self) -> None:
        """Watch no more."""
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

    def _end(self, code: int, reason: str) -> None:
        self.on_close()
        self.close(code, reason)


def _look(sent: asyncio.Future[None]) -> None:
    """That a connection was closed before a frame was on its way is nothing to complain about."""
    if not sent.cancelled():
        sent.exception()


ROUTES = (("gpus", Gpus), ("gpus/stream", Live))
