"""`Relay`: the lab service's stream of GPUs, in a lab: one socket there for everybody here."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, ValidationError
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

from ..metrics.history import History
from ..specs import Alert, AlertFrame, GpuHistory, GpuReport, GpuState, GpuTick
from .stream import GpuSource

__all__ = ("Relay",)

_LOG = logging.getLogger(__name__)
_FRAME: TypeAdapter[GpuHistory | GpuTick | AlertFrame] = TypeAdapter(
    Annotated[GpuHistory | GpuTick | AlertFrame, Field(discriminator="type")]
)
#: Seconds for a connection, and between two frames. The service sends one a second.
_SILENCE = 5.0
#: Seconds until the next attempt after the first one that failed, and the longest; each a bit less
#: by chance, so that the labs of a hub do not all come at once when its service is back.
_FIRST, _LONGEST = 0.5, 10.0
#: An hour of a large machine would be less.
_MAX_FRAME = 64 * 1024 * 1024
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Relay:
    """Follows the service while somebody follows this, and connects again whenever it has to.

    Args:
        url: Of the service's interface; ends in ``/dllab/api/``.
        token: Of the person whose lab this is. What comes is what that person may see.
        asked: Answers who only asks.
    """

    def __init__(self, url: str, token: str, asked: GpuSource) -> None:
        self._url = f"ws{url.removeprefix('http')}gpus/stream"
        self._token = token
        self._asked = asked
        self._history = History()
        self._period = 1.0
        self._last: GpuReport | None = None
        self._alerts: tuple[Alert, ...] | None = None
        #: Is told that the alerts have changed: all that come are of the person whose lab this is.
        self.changed: Callable[[Collection[str] | None], None] = lambda owners: None

    async def report(self) -> GpuReport:
        """The service's answer."""
        return await self._asked.report()

    def of(self, viewer: str | None) -> tuple[Alert, ...] | None:
        """What the service says of alerts; None until this connection has brought any."""
        return self._alerts

    def history(self) -> GpuHistory:
        """What the service and this lab remember together."""
        return GpuHistory(period=self._period, samples=self._history.samples())

    async def follow(self) -> AsyncGenerator[GpuReport]:
        """What the service says; once each time it cannot be heard, that and its last values."""
        pause = _FIRST
        while True:
            try:
                async with self._connected() as socket:
                    while True:
                        if (report := await self._heard(socket)) is not None:
                            pause = _FIRST
                            yield report
            except _Lost as lost:
                if pause == _FIRST:  # Said once, until it is heard again.
                    _LOG.info("The GPUs cannot be followed: %s.", lost)
                yield self._stale(lost)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
            pause = min(2 * pause, _LONGEST)

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[WebSocketClientConnection]:
        request = HTTPRequest(
            self._url,
            headers={"Authorization": f"token {self._token}"},
            connect_timeout=_SILENCE,
            request_timeout=_SILENCE,
            # Nobody signs certificates for loopback; what is said there never leaves the machine.
            validate_cert=urlsplit(self._url).hostname not in _LOOPBACK,
        )
        connecting = asyncio.ensure_future(websocket_connect(request, max_message_size=_MAX_FRAME))
        try:
            socket = await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(_hang_up)
            raise
        except HTTPClientError as exc:
            raise _refusal(exc.code) from exc
        except (OSError, StreamClosedError, WebSocketError) as exc:
            raise _Lost("does not answer") from exc
        try:
            yield socket
        finally:
            self._alerts = None  # What the next connection brings may be something else.
            socket.close()

    async def _heard(self, socket: WebSocketClientConnection) -> GpuReport | None:
        """What the next frame reports; None for one that tells of the past, or of alerts."""
        try:
            async with asyncio.timeout(_SILENCE):
                text = await socket.read_message()
        except TimeoutError:
            raise _Lost("is silent") from None
        if text is None:
            raise _Lost("does not answer")
        try:
            frame = _FRAME.validate_json(text)
        except ValidationError:
            raise _Lost(
                "is not understood",
                "The lab and the service may have different versions of dllab-hub.",
            ) from None
        if isinstance(frame, GpuHistory):
            self._period = frame.period
            self._history.merge(frame.samples)
            return None
        if isinstance(frame, AlertFrame):
            self._alerts = frame.alerts
            self.changed(None)
            return None
        self._history.add(frame.report)
        self._last = frame.report
        return frame.report

    def _stale(self, lost: _Lost) -> GpuReport:
        last = self._last or GpuReport(state=GpuState.STALE, time=time.time())
        these = "; these are its last values" if last.gpus else ""
        return last.model_copy(
            update={"state": GpuState.STALE, "message": f"{lost}{these}.", "hint": lost.hint}
        )


class _Lost(Exception):
    """The service cannot be heard."""

    def __init__(self, what: str, hint: str = "It is asked again by itself.") -> None:
        super().__init__(f"The lab service {what}")
        self.hint = hint


def _refusal(status: int) -> _Lost:
    if status in (401, 403):
        return _Lost("does not know this lab's token", "Restart the lab.")
    if status == 404:
        return _Lost("has no stream of its GPUs", "It may be older than this lab.")
    return _Lost("does not answer")  # Not at all, or the hub's proxy says that nobody is there.


def _hang_up(connecting: asyncio.Future[WebSocketClientConnection]) -> None:
    """Nobody wants the connection any more that comes now."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()
