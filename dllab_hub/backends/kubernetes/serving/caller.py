"""`PodsCaller`: asks the replicas of a deployment, each at the address of its pod."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

import httpcore

from ....manifests.model_pod import PORT
from ...calls import Call, Reply
from ...local.serving.caller import Caller, Headers
from ...local.serving.haproxy import POOL_HEADER
from .counting import Counting
from .replicas import Replica

__all__ = ("PodsCaller",)

#: Seconds for which one that could not be reached is asked last.
_SUSPECT = 2.0
#: Seconds between two looks whether the one that is asked still answers.
_OFTEN = 0.5
#: Seconds that one may say nothing to the cluster either, before what it was asked is asked of
#: another one: it may be busy with just that.
_SILENT = 10.0
#: Who it is meant for; a replica that is another one answers with 421.
_REPLICA = b"x-dllab-replica"


class PodsCaller(Caller):
    """Asks the one that has least to do; another one when that is lost. Used on one event loop.

    Args:
        replicas: Those that answer now.
        parts: Of each pool, its part of the requests; they need not add up to anything.
        standing: Hosts of all pods there are, whether they are to be asked or not, and whether
            each of them answers the cluster; None: as of ``replicas``.

    Attributes:
        counting: What has gone to them.
    """

    def __init__(
        self,
        replicas: Callable[[], Sequence[Replica]],
        parts: Callable[[], Mapping[str, int]],
        standing: Callable[[], Mapping[str, bool]] | None = None,
    ) -> None:
        super().__init__()
        self._replicas, self._parts = replicas, parts
        self._standing = standing or (lambda: {one.host: True for one in replicas()})
        self._suspects: dict[str, float] = {}
        self.counting = Counting()

    async def _answer(self, call: Call, path: bytes, headers: Headers, pool: str | None) -> Reply:
        chosen = self._choose(pool or self._draw())
        host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
        where = f"{host}:{PORT}".encode()
        named = [(_REPLICA, chosen.pod.encode())] if chosen.pod else []
        began = time.monotonic()
        with self.counting.asking(chosen.name):
            url, told = b"http://" + where + b"/" + path, [(b"host", where), *named, *headers]
            asking = asyncio.ensure_future(self._exchange(call, url, told))
            try:
                reply = await self._while_it_answers(chosen, asking)
                if reply.status == HTTPStatus.MISDIRECTED_REQUEST:
                    raise httpcore.ConnectError(f"another pod has the address of {chosen.name}.")
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ConnectTimeout):
                self._suspects[chosen.host] = time.monotonic() + _SUSPECT
                raise
            finally:
                if not asking.done():
                    asking.cancel()
                    with suppress(asyncio.CancelledError):
                        await asking
        self.counting.answered(reply.status, time.monotonic() - began)
        return replace(reply, headers={**reply.headers, POOL_HEADER: chosen.pool})

    async def _while_it_answers(self, chosen: Replica, asking: asyncio.Future[Reply]) -> Reply:
        """Its answer, as long as it is there, and is not silent for too long.

        What leaves, or was a canary, answers its last requests; what is frozen never does.
        """
        heard = time.monotonic()
        while True:
            done, _ = await asyncio.wait({asking}, timeout=_OFTEN)
            if done:
                return asking.result()
            ready, now = self._standing().get(chosen.host), time.monotonic()
            if ready:
                heard = now
            elif ready is None or now - heard > _SILENT:
                raise httpcore.ReadError(f"{chosen.name} does not answer any more.")

    def _draw(self) -> str:
        """A pool by lot; one that nobody is in gets nothing while another is there for it."""
        there = {one.pool for one in self._replicas()}
        parts = {pool: part for pool, part in self._parts().items() if pool in there}
        if not parts:
            raise httpcore.ConnectError("nobody answers.")
        if not any(parts.values()):
            # Such as the canary's alone, whose part is nothing: the other one's turn will come.
            raise httpcore.ConnectError("nobody answers whose turn it is.")
        return random.choices(list(parts), list(parts.values()))[0]  # noqa: S311

    def _choose(self, pool: str) -> Replica:
        now = time.monotonic()
        self._suspects = {host: until for host, until in self._suspects.items() if until > now}
        there = [one for one in self._replicas() if one.pool == pool]
        if not there:
            raise httpcore.ConnectError("nobody answers.")

        def rank(one: Replica) -> tuple[bool, bool, int, float]:
            busy = self.counting.busy[one.name]
            return one.host in self._suspects, one.leaves, busy, random.random()  # noqa: S311

        return min(there, key=rank)
