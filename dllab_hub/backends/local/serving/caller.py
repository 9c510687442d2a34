"""`Caller`: asks the model of one deployment; `BalancerCaller` does so through its balancer."""

from __future__ import annotations

import asyncio
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import httpcore

from ....errors import InvalidRequest, NotFound, TooLarge, Unavailable
from ...calls import MAX_CALL_BYTES, Call, Reply
from .haproxy import POOL_HEADER
from .sockets import is_of

__all__ = ("BalancerCaller", "Caller", "Headers")

Headers = list[tuple[bytes, bytes]]
#: Connections of one caller.
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
_OURS = frozenset({POOL_HEADER, "x-dllab-replica"})


class Caller(ABC):
    """Connections that are kept for the next question. Used on one event loop.

    Attributes:
        repeated: Answers after which it was asked again: whoever asked never saw them.

    Args:
        uds: The socket that all of them lead to; None: to a host each.
        network: Opens them.
    """

    def __init__(
        self, uds: str | None = None, network: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self.repeated = 0
        self._pool = httpcore.AsyncConnectionPool(
            uds=uds,
            max_connections=_MOST,
            max_keepalive_connections=16,
            keepalive_expiry=5.0,
            network_backend=network,
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
            pool: Of the two pools of replicas, the one that has to answer; None: by lot.
            seen: Is told of each answer, also of those after which it is asked again, and of the
                seconds that it took; None where there was none.

        Raises:
            InvalidRequest: the method is another one.
            NotFound: the path is none.
            TooLarge: the body is larger than `MAX_CALL_BYTES`, or the answer than `_LONGEST`.
            Unavailable: the answer takes too long.
        """
        path, headers = _path(call), _headers(call)
        reply: Reply | None = None
        for pause in (*_PAUSES, None):
            began = time.monotonic()
            try:
                reply = await self._answer(call, path, headers, pool)
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

    @abstractmethod
    async def _answer(self, call: Call, path: bytes, headers: Headers, pool: str | None) -> Reply:
        """One answer.

        Raises:
            httpcore.NetworkError: nobody is there.
        """

    async def _exchange(self, call: Call, url: bytes, headers: Headers) -> Reply:
        """Ask one server."""
        body = bytearray()
        async with self._pool.stream(
            call.method,
            url,
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


class BalancerCaller(Caller):
    """Asks through the balancer of a deployment on this machine.

    Args:
        path: The balancer's socket.
        uid: Whose process has to listen there.
    """

    def __init__(self, path: Path, uid: int) -> None:
        super().__init__(str(path), _Checked(uid))

    async def _answer(self, call: Call, path: bytes, headers: Headers, pool: str | None) -> Reply:
        headers = [(b"host", b"localhost"), *headers]
        if pool is not None:
            headers.append((POOL_HEADER.encode(), pool.encode()))
        return await self._exchange(call, b"http://localhost/" + path, headers)


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


def _path(call: Call) -> bytes:
    if call.method not in ("GET", "POST"):
        raise InvalidRequest("only GET and POST are served.", field="method")
    if len(call.body) > MAX_CALL_BYTES:
        raise TooLarge(f"the body is larger than {MAX_CALL_BYTES // 1024 // 1024} MiB.")
    if len(call.path) > 1000 or {"..", "."} & set(call.path.split("/")):
        raise NotFound("there is no such path.")
    try:
        return quote(call.path.lstrip("/"), safe="/:").encode()
    except UnicodeEncodeError:
        raise NotFound("there is no such path.") from None


def _headers(call: Call) -> Headers:
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
