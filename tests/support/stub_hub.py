"""A stub of the hub, and the event loop in a thread that everything is served from."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

__all__ = ("SCOPE", "Loop", "StubHub", "listen", "running_loop", "stop_server", "stub_hub")

_T = TypeVar("_T")
SCOPE = "access:services!service=dllab"


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


@contextmanager
def running_loop() -> Iterator[Loop]:
    loop = Loop()
    try:
        yield loop
    finally:
        loop.stop()


class StubHub:
    """Answers ``/hub/api/user`` for tokens it was told.

    It does not prove that a real hub answers like this: the tests of `dllab_hub.hub` do, on one.

    Attributes:
        models: Token -> the hub's model of whom it belongs to.
        asked: How many times a token was asked for.
        broken: Answer with 500 to everything.
    """

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.asked = 0
        self.broken = False
        self.url = ""

    def add(
        self,
        token: str,
        name: str,
        kind: str = "user",
        scopes: tuple[str, ...] = (SCOPE,),
        **more: Any,
    ) -> None:
        self.models[token] = {"kind": kind, "name": name, "scopes": list(scopes), **more}

    def answer(self, token: str) -> tuple[int, Any]:
        self.asked += 1
        if self.broken:
            return 500, {"message": "broken"}
        model = self.models.get(token)
        return (200, model) if model else (403, {"message": "no"})


class _HubUser(RequestHandler):
    def initialize(self, hub: StubHub) -> None:
        self.hub = hub

    def get(self) -> None:
        token = self.request.headers.get("Authorization", "").removeprefix("token ")
        status, body = self.hub.answer(token)
        self.set_status(status)
        self.finish(json.dumps(body))


def listen(server: HTTPServer) -> int:
    """Take a free port of loopback; its number."""
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    return int(sockets[0].getsockname()[1])


@contextmanager
def stub_hub(loop: Loop) -> Iterator[StubHub]:
    hub = StubHub()

    async def start() -> HTTPServer:
        server = HTTPServer(Application([("/hub/api/user", _HubUser, {"hub": hub})]))
        hub.url = f"http://127.0.0.1:{listen(server)}/hub/api"
        return server

    server = loop.call(start())
    yield hub
    loop.call(stop_server(server))


async def stop_server(server: HTTPServer) -> None:
    """Answer nobody any more."""
    server.stop()
    await server.close_all_connections()
