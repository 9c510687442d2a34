"""`FakeApi`: a Kubernetes API server on loopback that can be told to fail as real ones do.

Real sockets, real HTTP and, if wanted, TLS; but no etcd, admission, validation or controllers (a
JobSet makes no pods), and a server-side apply that merges mappings and knows no owners of fields.
It shows how we bear faults, not that a cluster takes our objects; that is for the tests marked
``cluster``.

::

    async with FakeApi() as fake:
        api = await Api.connect(str(fake.kubeconfig(tmp_path / "config")))
        fake.put(PODS, {"metadata": {"namespace": "labs", "name": "a"}})
        fake.fail("watch", 410)              # the next one only
        fake.fail("apply", "lost")           # done, but nobody hears of it
        async with fake.outage("hang"):      # every request, until the end of the block
            ...
"""

from __future__ import annotations

import asyncio
import copy
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from aiohttp import web
from fake_answers import Answers, Asked, status, understood

from dllab_hub.backends.kubernetes.kinds import Kind

__all__ = ("Asked", "FakeApi")


@dataclass
class _Script:
    verb: str
    how: int | str
    plural: str | None
    times: int | None
    said: str
    retry_after: int | None


class FakeApi(Answers):
    """See the module, and `Answers`.

    Args:
        tls: The server's side, and the file that clients have to trust; None for plain HTTP.

    Attributes:
        requests: All that were heard, the oldest first.
    """

    def __init__(self, tls: tuple[ssl.SSLContext, Path] | None = None) -> None:
        super().__init__()
        self.requests: list[Asked] = []
        self._tls = tls
        self._scripts: list[_Script] = []
        self._outage: int | str = ""
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._open: dict[asyncio.Transport, Asked] = {}

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None
        )
        await self._runner.setup()
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.reset()
        assert self._runner
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._port}"

    def kubeconfig(self, path: Path, token: str = "a-token") -> Path:
        """Write one that leads here."""
        trusted = {"certificate-authority": str(self._tls[1])} if self._tls else {}
        named = {
            "clusters": [{"name": "fake", "cluster": {"server": self.url, **trusted}}],
            "users": [{"name": "lab", "user": {"token": token}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "lab"}}],
        }
        path.write_text(
            yaml.safe_dump(
                {"apiVersion": "v1", "kind": "Config", "current-context": "fake"} | named
            )
        )
        return path

    # Faults.

    def fail(
        self, verb: str, how: int | str, *, kind: Kind | None = None, times: int | None = 1,
        said: str = "a fault of the test", retry_after: int | None = None,
    ) -> None:  # fmt: skip
        """Let the next requests fail.

        Args:
            verb: ``list``, ``watch``, ``get``, ``apply``, ``delete``, ``create``, ``log``; ``*``.
            how: An HTTP status; ``reset``, the connection breaks before it is done; ``lost``, it
                breaks after it is done; ``hang``, no answer, ever; ``unsaid``, none though it is
                done; ``event-<status>``, a watch opens and says ERROR.
            kind: Of object; None for any.
            times: How many; None until `heal`.
            said: The server's sentence.
            retry_after: Seconds.
        """
        plural = kind.plural if kind else None
        self._scripts.append(_Script(verb, how, plural, times, said, retry_after))

    def heal(self) -> None:
        """Nothing fails any more."""
        self._scripts.clear()

    @asynccontextmanager
    async def outage(self, how: int | str = "refuse") -> AsyncIterator[None]:
        """Every request fails, and open ones break off.

        Args:
            how: ``refuse``, nobody listens (such requests are not in `requests`); or as in `fail`.
                What hangs goes on hanging after the outage.
        """
        if how == "refuse":
            assert self._site
            await self._site.stop()
        else:
            self._outage = how
        self.reset()
        try:
            yield
        finally:
            if how == "refuse":
                await self._listen()
            self._outage = ""

    def reset(self, *, watches_only: bool = False) -> None:
        """Break connections off, in the middle of what is being said."""
        watches = [each for each, asked in self._open.items() if asked.verb == "watch"]
        assert self._runner
        server = self._runner.server
        every = [each.transport for each in server.connections] if server else []
        for transport in watches if watches_only else every:
            if transport:
                _abort(transport)

    def end_watches(self) -> None:
        """End every watch in good order."""
        for watcher in self.store.watchers:
            watcher.news.put_nowait(None)

    def forget(self) -> None:
        """What was until now is history too old for any watch."""
        self.store.forget()

    def say(self, kind: Kind, type_: str, obj: dict[str, Any]) -> None:
        """Tell open watches of an event that has not happened now: twice, late, out of order."""
        key = (kind.plural, obj["metadata"].get("namespace") or "", obj["metadata"]["name"])
        for watcher in self.store.watchers:
            if watcher.wants(key, obj):
                watcher.news.put_nowait((type_, copy.deepcopy(obj)))

    def mute(self, kind: Kind, muted: bool = True) -> None:
        """Tell open watches nothing of a kind; one that opens later hears what it missed."""
        (self.store.muted.add if muted else self.store.muted.discard)(kind.plural)

    # Looking back.

    def asked(self, verb: str = "*", kind: Kind | None = None) -> list[Asked]:
        """Requests of one verb and kind."""
        return [
            each
            for each in self.requests
            if verb in ("*", each.verb) and (kind is None or kind.plural == each.plural)
        ]

    def most_per(self, seconds: float, since: float = 0.0, kind: Kind | None = None) -> int:
        """The most requests within any such time, from a monotonic time on."""
        times = [each.at for each in self.asked(kind=kind) if each.at >= since]
        return max((sum(at <= t < at + seconds for t in times) for at in times), default=0)

    # Answering.

    async def _listen(self) -> None:
        assert self._runner
        self._site = web.TCPSite(
            self._runner,
            "127.0.0.1",
            self._port,
            reuse_address=True,
            ssl_context=self._tls[0] if self._tls else None,
        )
        await self._site.start()
        self._port = self._runner.addresses[-1][1]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked, kind = await understood(request)
        self.requests.append(asked)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        self._open[transport] = asked
        script = self._script(asked)
        try:
            if script:
                asked.answer = script.how
                if script.how == "hang":
                    await asyncio.Event().wait()
                if script.how == "reset":
                    _abort(transport)
                    return web.Response()
                if isinstance(script.how, int):
                    return status(script.how, script.said, retry_after=script.retry_after)
            error = int(str(script.how)[6:]) if script and str(script.how)[:6] == "event-" else 0
            response = await self.answer(request, asked, kind, error)
            if script and script.how == "unsaid":
                asked.answer = "unsaid"
                await asyncio.Event().wait()
            if script and script.how == "lost":
                _abort(transport)
            else:
                asked.answer = response.status
            return response
        finally:
            self._open.pop(transport, None)

    def _script(self, asked: Asked) -> _Script | None:
        if self._outage:
            return _Script("*", self._outage, None, None, "the server is down", None)
        for script in self._scripts:
            if script.verb in ("*", asked.verb) and script.plural in (None, asked.plural):
                if script.times is not None:
                    script.times -= 1
                    if script.times == 0:
                        self._scripts.remove(script)
                return script
        return None


def _abort(transport: asyncio.Transport) -> None:
    peer = transport.get_extra_info("socket")
    if peer is not None and peer.fileno() != -1:
        # RST instead of FIN: what a server that dies, or a load balancer, sends.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
