"""`Front`: what stands before KServe's application in a replica.

It reads a request to the model itself, so that every check comes before any conversion, and lets
through to KServe only the paths that say how the model is: nothing can be loaded or unloaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from .binary import HEADER
from .model import BadRequest, Model
from .question import Dialect, Question
from .v1 import V1
from .v2 import V2

if TYPE_CHECKING:
    import numpy

__all__ = ("Front",)

_log = logging.getLogger("dllab")
_Receive = Callable[[], Awaitable[dict[str, Any]]]
_Send = Callable[[dict[str, Any]], Awaitable[None]]
_App = Callable[[dict[str, Any], _Receive, _Send], Awaitable[None]]
_Ask = Callable[[Question], Awaitable[Mapping[str, "numpy.ndarray"]]]

#: What is thrown away of a body that is too large, in bytes and seconds: a client that is cut off
#: while it sends may never read why.
_DISCARD, _PATIENCE = 64 * 1024 * 1024, 0.8
#: So many seconds after a body of so many bytes freed memory goes back to the system.
_IDLE, _LARGE = 0.5, 256 * 1024


#: Which replica a request is for, by the name of its host.
_REPLICA = b"x-dllab-replica"


class _Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Front:
    """An ASGI application in front of another.

    Args:
        app: Gets what is not for the model.
        name: Of the model, in paths.
        version: Of the model, in each answer's ``x-model-version``.
        model: Says what fits.
        ask: Computes; may raise `BadRequest`.
        max_body: Bytes.
    """

    def __init__(
        self, app: _App, *, name: str, version: str, model: Model, ask: _Ask, max_body: int
    ) -> None:
        self._app = app
        self._ask = ask
        self._max_body = max_body
        self._version = version.encode()
        self._host = socket.gethostname().encode()  # In a pod, the pod's name.
        self._dialects: dict[str, Dialect] = {
            f"/v1/models/{name}:predict": V1(model),
            f"/v2/models/{name}/infer": V2(model, name, version),
        }
        one, two = "/v1/models", "/v2/models"
        self._passed = {"/", "/metrics", one, two, "/v2", "/v2/health/live", "/v2/health/ready"}
        self._passed |= {f"{two}/{name}", f"{two}/{name}/ready"}
        # What clients of TensorFlow Serving wait for, and under KServe's own two keys the same.
        self._status = f"{one}/{name}"
        available = {
            "version": version,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        about = {"name": name, "ready": True, "model_version_status": [available]}
        self._about = json.dumps(about).encode()
        self._trim = ctypes.CDLL(None).malloc_trim
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, scope: dict[str, Any], receive: _Receive, send: _Send) -> None:
        """Answer, or let the other application answer."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        if not self._is_meant(scope):
            await self._send(send, 421, b'{"error": "this is another replica."}')
        elif scope["path"] in self._passed and scope["method"] == "GET":
            await self._app(scope, receive, send)
        elif await self._reply(scope, receive, send) > _LARGE:
            self._trim_soon()

    def _is_meant(self, scope: dict[str, Any]) -> bool:
        """Whether no other replica is named: in a cluster an address may be another one's by now,
        and so another person's.
        """
        named = [value for name, value in scope["headers"] if name == _REPLICA]
        return all(value == self._host for value in named)

    def _trim_soon(self) -> None:
        """Once nothing of the last large requests is left, their answers included."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_IDLE, self._trim, 0)

    async def _reply(self, scope: dict[str, Any], receive: _Receive, send: _Send) -> int:
        """Answer what is for the model, or for nobody; how many bytes were read."""
        seen, head = 0, None
        try:
            dialect = self._dialects.get(scope["path"])
            if scope["path"] == self._status and scope["method"] == "GET":
                await self._send(send, 200, self._about)
                return 0
            if dialect is None:
                raise _Refusal(404, "there is nothing here.")
            if scope["method"] != "POST":
                raise _Refusal(405, "ask the model with POST.")
            body, seen = await self._body(scope, receive)
            question = _read(dialect, body, _header(scope))
            del body
            found = await self._ask(question)
            answer, head = dialect.write(question, found)
            status = 200
        except (_Refusal, BadRequest) as exc:
            status = exc.status if isinstance(exc, _Refusal) else 400
            answer = json.dumps({"error": str(exc)}).encode()
        except Exception:
            _log.exception("a request failed")
            status, answer = 500, b'{"error": "the model server failed; its log says why."}'
        await self._send(send, status, answer, head)
        return seen

    async def _send(self, send: _Send, status: int, answer: bytes, head: int | None = None) -> None:
        """An answer; of one that is not JSON alone, ``head`` bytes are."""
        headers = [
            (b"content-type", b"application/json" if head is None else b"application/octet-stream"),
            (b"content-length", b"%d" % len(answer)),
            (b"x-model-version", self._version),
        ]
        if head is not None:
            headers.append((HEADER.encode(), b"%d" % head))
        if status == 413:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _body(self, scope: dict[str, Any], receive: _Receive) -> tuple[bytearray, int]:
        """All of the body, and its size.

        Raises:
            _Refusal: it is larger than allowed, or the client went away.
        """
        headers = dict(scope["headers"])
        body = bytearray()
        over = int(headers.get(b"content-length", b"0")) > self._max_body
        while not over:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refusal(400, "the body is cut short.")
            body += message.get("body", b"")
            over = len(body) > self._max_body
            if not over and not message.get("more_body"):
                return body, len(body)
        body.clear()
        if b"expect" not in headers:  # Such a client waits for a word before it sends.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await _discard(receive)
        raise _Refusal(413, f"the body is larger than {self._max_body} bytes.")


def _header(scope: dict[str, Any]) -> str | None:
    """What the header of the binary extension says; raises `BadRequest` when it is there twice."""
    found = [value for name, value in scope["headers"] if name == HEADER.encode()]
    if len(found) > 1:
        raise BadRequest(f"{HEADER}: is there {len(found)} times.")
    return found[0].decode("latin-1") if found else None


def _read(dialect: Dialect, body: bytearray, head: str | None) -> Question:
    """The question in a body.

    Millions of new lists would be looked through for cycles again and again: JSON has none.
    """
    if len(body) <= _LARGE:
        return dialect.read(body, head)
    gc.disable()
    try:
        return dialect.read(body, head)
    finally:
        gc.enable()


async def _discard(receive: _Receive) -> None:
    seen, more = 0, True
    while more and seen < _DISCARD:
        message = await receive()
        seen += len(message.get("body", b""))
        more = bool(message.get("more_body"))
