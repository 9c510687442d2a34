"""What the GPUs of the machine do, now and as it happens."""

from __future__ import annotations

import asyncio
import socket
import time

from tornado.websocket import WebSocketClosedError

from ..errors import InvalidRequest, NotFound, Unavailable
from .handler import LabHandler, allowed
from .socket import GOING_AWAY, TRY_AGAIN_LATER, UNSUPPORTED_DATA, Socket

__all__ = ("ROUTES",)

#: Seconds somebody has for taking what was sent.
_PATIENCE = 10.0
#: Bytes. Who watches has nothing to say.
_MAX_MESSAGE = 1024
#: Bytes that are on the way to somebody; the kernel doubles it for its own accounts.
_UNTAKEN = 128 * 1024
#: Of one person at the same time: a page has one, and so has each lab.
_MAX_SOCKETS = 64
#: Seconds between two reports that may be asked for.
_INTERVALS = range(1, 61)


class Gpus(LabHandler):
    """``gpus``."""

    @allowed
    async def get(self) -> None:
        """All GPUs now."""
        self.query()
        self.reply(await self.lab.report(self.viewer))


class Live(Socket):
    """``gpus/stream``: a WebSocket of text frames, first a `GpuHistory`, then a `GpuTick` a second,
    or every ``interval`` seconds.

    Who watches has nothing to say.
    """

    max_message_size = _MAX_MESSAGE
    _sent: asyncio.Future[None] | None = None  # Done when the newest frame is on its way.
    _sent_at = 0.0
    interval = 0.0  # A report a second, as they come.

    @allowed
    async def get(self) -> None:
        """Become a WebSocket."""
        interval = self.query("interval").number("interval")
        if interval is not None and interval not in _INTERVALS:
            raise InvalidRequest(
                f"must be a whole number of seconds from {_INTERVALS[0]} to {_INTERVALS[-1]}.",
                field="interval",
            )
        self.interval = float(interval) if interval is not None and interval > 1 else 0.0
        self.check_asked()
        stream = self.lab.stream
        if stream is None:
            raise NotFound("the GPUs of this lab cannot be followed.", hint="Ask for gpus instead.")
        if stream.watched_by(self.owner) >= _MAX_SOCKETS:
            raise Unavailable(
                f"you watch the GPUs {_MAX_SOCKETS} times already, which is the most.",
                hint="Close pages and programs that you do not need.",
            )
        await self.begin()

    def open(self, *_: str, **__: str) -> None:
        """Begin to watch."""
        super().open()
        if self.ws_connection is not None:
            # Else the kernel keeps megabytes for somebody who takes nothing, of what is long past.
            sent = self.ws_connection.stream.socket
            sent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNTAKEN)
        if self.lab.stream is not None:
            self.lab.stream.join(self)

    def on_message(self, message: str | bytes) -> None:
        """There is nothing to say here, and nobody who says something in bytes means this."""
        if isinstance(message, bytes):
            self.finish_with(UNSUPPORTED_DATA, "no binary frames")

    def on_close(self) -> None:
        """Watch no more."""
        super().on_close()
        if self.lab.stream is not None:
            self.lab.stream.leave(self)

    def send(self, *frames: str) -> bool:
        """Pass them on, unless the last ones are still here; much too long, and it is the end."""
        now = time.monotonic()
        if self._sent is not None and not self._sent.done():
            if now - self._sent_at > _PATIENCE:
                self.log.warning("Somebody who watches the GPUs takes too long, and is let go.")
                self.finish_with(TRY_AGAIN_LATER, "too slow")
            if self.lab.stream is not None:
                self.lab.stream.dropped += len(frames)
            return False
        self._sent_at = now
        for frame in frames:
            try:
                self._sent = self.write_message(frame)
            except WebSocketClosedError:
                break  # `on_close` comes.
            self._sent.add_done_callback(_look)
        return True

    def end(self) -> None:
        """The server goes."""
        self.finish_with(GOING_AWAY, "the server ends")


def _look(sent: asyncio.Future[None]) -> None:
    """That a connection was closed before a frame was on its way is nothing to complain about."""
    if not sent.cancelled():
        sent.exception()


ROUTES = (("gpus", Gpus), ("gpus/stream", Live))
