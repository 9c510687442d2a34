"""What the GPUs of the machine do, now and as it happens."""

from __future__ import annotations

import asyncio
import time

from tornado.websocket import WebSocketClosedError

from ..errors import NotFound
from .handler import LabHandler, allowed
from .socket import GOING_AWAY, TRY_AGAIN_LATER, Socket

__all__ = ("ROUTES",)

#: Seconds somebody has for taking what was sent.
_PATIENCE = 10.0
#: Bytes. Who watches has nothing to say.
_MAX_MESSAGE = 1024


class Gpus(LabHandler):
    """``gpus``."""

    @allowed
    async def get(self) -> None:
        """All GPUs now."""
        self.query()
        self.reply(await self.lab.report(self.owner))


class Live(Socket):
    """``gpus/stream``: a WebSocket of text frames, first a `GpuHistory`, then a `GpuTick` a second.

    Who watches has nothing to say.
    """

    max_message_size = _MAX_MESSAGE
    _sent: asyncio.Future[None] | None = None  # Done when the newest frame is on its way.
    _sent_at = 0.0

    @allowed
    async def get(self) -> None:
        """Become a WebSocket."""
        self.query()
        self.check_asked()
        if self.lab.stream is None:
            raise NotFound("the GPUs of this lab cannot be followed.", hint="Ask for gpus instead.")
        await self.begin()

    def open(self, *_: str, **__: str) -> None:
        """Begin to watch."""
        super().open()
        if self.lab.stream is not None:
            self.lab.stream.join(self)

    def on_message(self, message: str | bytes) -> None:
        """There is nothing to say here."""

    def on_close(self) -> None:
        """Watch no more."""
        super().on_close()
        if self.lab.stream is not None:
            self.lab.stream.leave(self)

    def send(self, *frames: str) -> None:
        """Pass them on, unless the last ones are still here; much too long, and it is the end."""
        now = time.monotonic()
        if self._sent is not None and not self._sent.done():
            if now - self._sent_at > _PATIENCE:
                self.log.warning("Somebody who watches the GPUs takes too long, and is let go.")
                self.finish_with(TRY_AGAIN_LATER, "too slow")
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
        self.finish_with(GOING_AWAY, "the server ends")


def _look(sent: asyncio.Future[None]) -> None:
    """That a connection was closed before a frame was on its way is nothing to complain about."""
    if not sent.cancelled():
        sent.exception()


ROUTES = (("gpus", Gpus), ("gpus/stream", Live))
