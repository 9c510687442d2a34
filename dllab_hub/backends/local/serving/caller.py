"""`Caller`: asks the model of one deployment, through its balancer."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import httpcore

from ....errors import InvalidRequest, NotFound, TooLarge, Unavailable
from ...calls import MAX_CALL_BYTES, Call, Reply
from .haproxy import POOL_HEADER
from .sockets import is_of

__all__ = ("Caller",)

#: Connections to one balancer.
_MOST = 128
#: Seconds. The balancer gives up a little earlier, with an answer of its own.
_TIMEOUTS = {"connect": 2.0, "read": 95.0, "write": 30.0, "pool": 30.0}
#: Bytes of an answer: whoever owns the model can have it say anything.
_LONGEST = 64 * 1024 * 1024
#: Seconds before a question is asked again: a balancer that died is back within these.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
#: A model server's answers have the same meaning each time, so a question may be asked again.
_AGAIN = {502, 503}
#: Concern the connection, or are no business of a model.
_DROPPED = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "host", "content-length", "expect", "authorization", "proxy-authorization"),
        *("cookie", "x-xsrftoken"),
    }
)
#: A caller does not choose by these; `Call.version` is how that is wished for.
_OURS = frozenset({POOL_HEADER})


class Caller:
    """Connections that are kept for the next question. Used on one event loop.

    Attributes:
        repeated: Answers after which it was asked again: whoever asked never saw them.

    Args:
        path: The balancer's socket.
        uid: Whose process has to listen there.
    """

    def __init__(self, path: Path, uid: int) -> None:
        self.repeated = 0
        self._pool = httpcore.AsyncConnectionPool(
            uds=str(path),
            max_connections=_MOST,
            max_keepalive_connections=16,
            keepalive_expiry=5.0,
            network_backend=_Checked(uid),
        )

    async def ask(
        self,
        call: Call,
        alive: Callable[[], bool],
        *,
        pool: str | None = None,
        seen: Callable[[Reply | None, float], None] = lambda *_: None,
    ) -> Reply | None:
        """The answer; None when nobody gives one.

        Args:
            call: Method ``GET`` or ``POST``.
            alive: Whether a replica is ready, so that it is worth asking again.
            pool: Of the balancer's, the one that has to answer; None: by lot.
            seen: Is told of each answer, also of those after which it is asked again, and of the
                seconds that it took; None where there was none.

        Raises:
            InvalidRequest: the method is another one.
            NotFound: the path is none.
            TooLarge: the body is larger than `MAX_CALL_BYTES`, or the answer than `_LONGEST`.
            Unavailable: the answer takes too long.
        """
        target = _target(call)
        headers = [(b"host", b"localhost"), *_headers(call)]
        if pool is not None:
            headers.append((POOL_HEADER.encode(), pool.encode()))
        reply: Reply | None = None
        for pause in (*_PAUSES, None):
            began = time.monotonic()
            try:
                reply = await self._answer(call, target, headers)
                seen(reply, time.monotonic() - began)
            except (httpcore.ReadTimeout, httpcore.WriteTimeout, httpcore.PoolTimeout) as exc:
                seen(None, time.monotonic() - began)
                raise Unavailable(
                    "the model takes too long to answer.", hint="Give it more replicas."
                ) from exc
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ConnectTimeout):
                reply = None
            if reply is not None and reply.status not in _AGAIN:
                return reply
            if pause is None or not alive():
                break
            self.repeated += reply is not None
            await asyncio.sleep(pause)
        return reply if reply is not None and alive() else None

    async def _answer(self, call: Call, target: bytes, headers: list[tuple[bytes, bytes]]) -> Reply:
        body = bytearray()
        async with self._pool.stream(
            call.method,
            target,
            headers=headers,
            content=call.body,
            extensions={"timeout": _TIMEOUTS},
        ) as answer:
            async for piece in answer.aiter_stream():
                body += piece
                if len(body) > _LONGEST:
                    raise TooLarge(
                        f"the model's answer is larger than {_LONGEST // 1024 // 1024} MiB.",
                        hint="Ask for fewer rows at a time.",
                    )
            return Reply(answer.status, bytes(body), dict(_text(answer.headers)))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._pool.aclose()


class _Checked(httpcore.AnyIOBackend):
    """Speaks to nobody else's process; see `sockets`."""

    def __init__(self, uid: int) -> None:
        self._uid = uid

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await super().connect_unix_socket(path, timeout, socket_options)
        sock = stream.get_extra_info("socket")
        if not (isinstance(sock, socket.socket) or hasattr(sock, "getsockopt")) or not is_of(
            sock, self._uid
        ):
            await stream.aclose()
            raise httpcore.ConnectError("somebody else listens there.")
        return stream


def _target(call: Call) -> bytes:
    if call.method not in ("GET", "POST"):
        raise InvalidRequest("only GET and POST are served.", field="method")
    if len(call.body) > MAX_CALL_BYTES:
        raise TooLarge(f"the body is larger than {MAX_CALL_BYTES // 1024 // 1024} MiB.")
    if len(call.path) > 1000 or {"..", "."} & set(call.path.split("/")):
        raise NotFound("there is no such path.")
    try:
        path = quote(call.path.lstrip("/"), safe="/:")
    except UnicodeEncodeError:
        raise NotFound("there is no such path.") from None
    return b"http://localhost/" + path.encode()


def _headers(call: Call) -> list[tuple[bytes, bytes]]:
    kept = [(b"content-length", str(len(call.body)).encode())] if call.method == "POST" else []
    for name, value in call.headers.items():
        if name.lower() in _DROPPED | _OURS or not (name + value).isprintable():
            continue
        kept.append((name.lower().encode(), value.encode("latin-1", "replace")))
    return kept


def _text(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[str, str]]:
    for name, value in headers:
        lower = name.decode("latin-1").lower()
        if lower not in _DROPPED:
            yield lower, value.decode("latin-1")
