"""Logs as they grow: several of them over one WebSocket."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import aclosing
from typing import Annotated, Any, TypeGuard

from pydantic import Field, StrictInt, StrictStr
from tornado.websocket import WebSocketClosedError

from ..errors import Conflict, DLLabError
from ..specs import LogChunk, Value
from .handler import allowed
from .socket import TRY_AGAIN_LATER, Socket

__all__ = ("ROUTES",)

#: Logs that one socket follows at a time.
_MOST = 16
#: Frames that wait for being taken; who asks for more and takes none is let go.
_MOST_ANSWERS = 200
#: Seconds somebody has for taking one frame. What is written meanwhile is left out of the next.
_PATIENCE = 30.0
#: Bytes of a frame from outside.
_MAX_MESSAGE = 4096

_KEY = r"^[ -~]{1,64}$"
_Key = Annotated[StrictStr, Field(pattern=_KEY)]


class _Follow(Value):
    """What somebody wants to hear of."""

    follow: _Key
    job: StrictStr
    replica: StrictStr | None = None
    attempt: StrictInt | None = None
    offset: StrictInt = 0


class _Unfollow(Value):
    """What somebody has heard enough of."""

    unfollow: _Key


class Logs(Socket):
    """``logs/stream``: a WebSocket of text frames that are JSON objects.

    In: ``{"follow": KEY, "job": id, "replica", "attempt", "offset"}``, the last three as in
    `Insight.follow`; ``{"unfollow": KEY}``. A key is up to 64 printable characters that mean
    something to whoever chose it. Out: ``{"key": KEY, "chunk": LogChunk}``, and once no more comes
    of it ``{"key": KEY, "end": true}`` or ``{"key": KEY, "error": {…}}`` as REST has it. A frame
    that cannot be used is answered with such an error; the key is empty when it has none.
    """

    max_message_size = _MAX_MESSAGE

    @allowed
    async def get(self) -> None:
        """Become a WebSocket."""
        self.query()
        self.check_asked()
        self._follows: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()  # One frame is under way at a time, however many wait.
        await self.begin()

    def on_message(self, message: str | bytes) -> None:
        """Begin to follow a log, or end it."""
        data = _object(message)
        try:
            if "unfollow" in data:
                if task := self._follows.pop(_Unfollow.from_wire(data).unfollow, None):
                    task.cancel()
            else:
                self._begin(_Follow.from_wire(data))
        except DLLabError as exc:
            key = data.get("follow", data.get("unfollow"))
            if len(self._tasks) > _MOST_ANSWERS:
                self.finish_with(TRY_AGAIN_LATER, "too many frames")
                return
            self._soon(self._tell(key if _is_key(key) else "", exc.to_wire()))

    def on_close(self) -> None:
        """Follow nothing more."""
        super().on_close()
        for task in list(self._tasks):
            task.cancel()
        self._follows.clear()

    def _begin(self, wish: _Follow) -> None:
        if wish.follow in self._follows:
            raise Conflict("there is a log with this key.", field="follow")
        if len(self._follows) >= _MOST:
            raise Conflict(f"one socket follows {_MOST} logs at most.", field="follow")
        self._follows[wish.follow] = self._soon(self._pass_on(wish))

    async def _pass_on(self, wish: _Follow) -> None:
        key = wish.follow
        last: dict[str, Any] = {"end": True}
        try:
            chunks = await self.backend.insight.follow(
                self.owner,
                wish.job,
                replica=wish.replica,
                attempt=wish.attempt,
                offset=wish.offset,
            )
            async with aclosing(chunks):
                async for chunk in chunks:
                    await self._tell(key, chunk)
        except DLLabError as exc:
            last = exc.to_wire()
        except WebSocketClosedError:
            return
        except Exception:
            # A fault of ours ends this log, and no other.
            self.log.exception("A log could not be followed.")
            last = DLLabError("something went wrong here.").to_wire()
        if self._follows.get(key) is asyncio.current_task():
            del self._follows[key]
        await self._tell(key, last)

    async def _tell(self, key: str, what: LogChunk | dict[str, Any]) -> None:
        if isinstance(what, LogChunk):
            text = f'{{"key": {json.dumps(key)}, "chunk": {what.model_dump_json()}}}'
        else:
            text = json.dumps({"key": key, **what})
        async with self._turn:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self.write_message(text)
            except TimeoutError:
                self.log.warning("Somebody who follows a log takes too long, and is let go.")
                self.finish_with(TRY_AGAIN_LATER, "too slow")

    def _soon(self, doing: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_look)
        return task


def _object(message: str | bytes) -> dict[str, Any]:
    """What a frame from outside says; nothing when it is no JSON object."""
    try:
        data = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        data = None
    return data if isinstance(data, dict) else {}


def _is_key(key: object) -> TypeGuard[str]:
    return isinstance(key, str) and re.fullmatch(_KEY, key) is not None


def _look(task: asyncio.Task[None]) -> None:
    """That the socket was closed before a frame was on its way is nothing to complain about."""
    if not task.cancelled():
        task.exception()


ROUTES = (("logs/stream", Logs),)
