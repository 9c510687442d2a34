"""`Live`: a deployment that is being looked after, on the event loop's side."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from ....errors import InvalidRequest, Unavailable
from ....specs import Canary, Deployment, DeploymentState, Traffic, VersionTraffic
from ...calls import Call, NoAnswer, Reply
from .autoscaler import Autoscaler
from .caller import Caller
from .gpuload import GpuLoad, Measure
from .guard import verdict
from .haproxy import POOL_HEADER
from .record import Record
from .steering import Steering

__all__ = ("Live",)

#: Requests that wait at a time while the first replica starts, and seconds that each does at most.
_MOST_WAITING, _START = 64, 90.0
#: Who has answered, as the model server says it.
_VERSION = "x-model-version"
_NUMBER = re.compile(r"[0-9]{1,9}")


class Live:
    """A deployment that is being looked after.

    Attributes:
        controller: Is used by a thread that somebody waits for with `lock`.
        record: What it has answered lately.
        lock: Held by whoever uses the controller.
        turn: Held as well, after it: of its owner's deployments only so many are looked at at once.
        wake: Something was wished for: the next look comes at once.
        watch: Looks again and again.

    Args:
        controller: See above.
        turn: See above.
        caller: Asks its replicas.
        measure: Says what the GPUs do now; None where nobody does.
    """

    def __init__(
        self,
        controller: Steering,
        turn: asyncio.Semaphore,
        caller: Caller,
        measure: Measure | None = None,
    ) -> None:
        self.controller = controller
        self.record = Record()
        self.lock = asyncio.Lock()
        self.turn = turn
        self.wake = asyncio.Event()
        self.watch: asyncio.Task[None] | None = None
        self._caller = caller
        self._scaler: Autoscaler | None = None
        self._gpu_load = GpuLoad(measure)
        self._canary: Canary | None = None  # Of the last look.
        self._looked = asyncio.Event()
        self._waiting = 0
        self._counted = 0  # Requests, by the balancer's last word.
        self._repeated = 0  # By `Caller.repeated` when it began to count.
        self._closed = False

    def seen(self, deployment: Deployment) -> Deployment:
        """The same as whoever asks sees it.

        With what its versions have answered lately; without errors after which it was asked again.
        """
        versions = tuple(map(self._lately, deployment.versions))
        traffic = self._told(deployment.traffic)
        return deployment.model_copy(update={"versions": versions, "traffic": traffic})

    async def ask(self, call: Call) -> Reply:
        """What the model says; where no replica runs as nobody has asked, once one does.

        Raises:
            InvalidRequest: the version that is to answer does not serve here.
            Unavailable: nobody answers.
        """
        pool = self._pool(call.version)
        with self.record.asking():
            reply = None
            while reply is None:
                if self._sleeps:
                    await self._awake()
                reply = await self._caller.ask(
                    call, lambda: self.controller.seen.ready > 0, pool=pool, seen=self._answered
                )
                if not self._sleeps:  # Else the last replica has gone just now.
                    break
        if reply is None:
            seen = self.controller.seen
            raise NoAnswer(
                f"{seen.name} does not answer: {self._why}",
                hint="Its logs say more."
                if seen.state is DeploymentState.FAILED
                else "Try again in a moment.",
            )
        if call.version is not None and _version_of(reply) not in (call.version, None):
            raise Unavailable(
                f"version {call.version} is just taking over.", hint="Try again in a moment."
            )
        return reply

    async def measure(self) -> None:
        """See what its GPUs do, where it follows that."""
        wish = self.controller.wish
        if wish.spec.autoscale is not None and wish.spec.autoscale.signal == "gpu":
            await self._gpu_load.look(self.controller.gpus, asleep=wish.replicas == 0)

    def next(self) -> Callable[[], Deployment] | None:
        """After a look: what is to be done by the load, or by how a canary does; None: nothing."""
        self._looked.set()
        self._looked = asyncio.Event()
        wish = self.controller.wish
        canary, before, self._canary = wish.canary, self._canary, wish.canary
        self.record.keep(self._serving)
        if canary is not None:
            if before is None or before.version != canary.version:
                self.record.forget(canary.version)
            if why := self._failing(canary):
                return lambda: self.controller.rollback(why)
        if wish.spec.autoscale is None or wish.deleting:
            self._scaler = None
            return None
        if self._scaler is None or self._scaler.limits != wish.spec.autoscale:
            self._scaler = Autoscaler(wish.spec.autoscale)
        record, now = self.record, time.monotonic()
        if self.controller.seen.state is DeploymentState.STARTING:
            record.touch()  # Nobody could have asked.
        count = self._scaler.decide(
            now,
            wish.replicas,
            record.area() if self._scaler.limits.signal == "inflight" else self._gpu_load.area(),
            inflight=record.inflight,
            quiet=now - record.last,
        )
        if canary is not None:  # It must not be alone.
            count = max(count, 1)
        if count == wish.replicas:
            return None
        why = "Nobody has asked for a while." if count == 0 else "By the load."
        return lambda: self.controller.scale(count, why)

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until something is wished for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wake.wait()

    async def close(self) -> None:
        """Look after it no more; it runs on."""
        if self.watch is not None:
            self.watch.cancel()
            with suppress(asyncio.CancelledError):
                await self.watch
        await self.let_go()

    async def let_go(self) -> None:
        """Close the connections to it."""
        self._closed = True
        self._looked.set()
        await self._caller.close()

    @property
    def _sleeps(self) -> bool:
        """Whether nobody answers because nobody has asked."""
        auto, seen = self.controller.wish.spec.autoscale, self.controller.seen
        starts = seen.state in (DeploymentState.IDLE, DeploymentState.STARTING)
        sleeps = auto is not None and auto.min == 0 and seen.ready == 0 and starts
        return sleeps and not self._closed

    @property
    def _why(self) -> str:
        """Why nobody answers; who holds which GPU is not for whoever asks."""
        seen = self.controller.seen
        if any(one.reason.startswith("waiting") for one in seen.replicas):
            return "it waits for a free GPU."
        return seen.reason or "it is started again."

    async def _awake(self) -> None:
        """Wait until a replica answers."""
        if self._waiting >= _MOST_WAITING:
            raise Unavailable(
                f"{_MOST_WAITING} requests wait already while the first replica starts.",
                hint="Try again in a moment.",
            )
        self._waiting += 1
        try:
            async with asyncio.timeout(_START):
                self.wake.set()
                while self._sleeps:
                    await self._looked.wait()
        except TimeoutError:
            raise Unavailable(
                f"no replica answered within {_START:.0f} seconds of the request.",
                hint="Its log says what it does. Try again in a moment.",
            ) from None
        finally:
            self._waiting -= 1

    def _pool(self, version: int | None) -> str | None:
        """Where a version answers."""
        wish = self.controller.wish
        canary = wish.canary.version if wish.canary else None
        if version is None:
            return None
        if version not in (wish.version, canary):
            there = f"{wish.version}" if canary is None else f"{wish.version} and {canary}"
            raise InvalidRequest(
                f"version {version} does not serve here; {there} does.", field="version"
            )
        return wish.pool if version == wish.version else wish.other_pool

    def _answered(self, reply: Reply | None, seconds: float) -> None:
        """Note an answer by the version that gave it, or was to give it."""
        wish = self.controller.wish
        pool = reply.headers.get(POOL_HEADER) if reply is not None else None
        version = _version_of(reply)
        if version is None:
            if reply is not None and reply.status == HTTPStatus.SERVICE_UNAVAILABLE:
                return  # Nobody was there; why, the replicas' own states say.
            if wish.canary is not None and pool is None:
                return  # It never came to one of the two.
            other = wish.canary is not None and pool == wish.other_pool
            version = wish.canary.version if wish.canary and other else wish.version
        if version in self._serving:  # What a replica says of itself is its owner's word.
            failed = reply is None or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            self.record.answered(version, seconds, failed=failed)

    @property
    def _serving(self) -> set[int]:
        """Versions that answer, or are to."""
        wish = self.controller.wish
        there = {one.version for one in self.controller.seen.replicas}
        return there | {wish.version} | ({wish.canary.version} if wish.canary else set())

    def _failing(self, canary: Canary) -> str:
        """Why the canary is to be rolled back, or nothing."""
        if trouble := self.controller.trouble_of_canary:
            return f"It cannot serve: {trouble}"
        own, other = self.record.of(canary.version), self.record.of(self.controller.wish.version)
        return verdict(canary, own, other)

    def _told(self, traffic: Traffic | None) -> Traffic | None:
        if traffic is None:
            return None
        if traffic.requests < self._counted:  # The balancer was started again, and counts anew.
            self._repeated = self._caller.repeated
        self._counted = traffic.requests
        hidden = min(self._caller.repeated - self._repeated, traffic.failed)
        less = {"requests": traffic.requests - hidden, "failed": traffic.failed - hidden}
        return traffic.model_copy(update=less)

    def _lately(self, one: VersionTraffic) -> VersionTraffic:
        lately = self.record.of(one.version)
        keys = ("requests", "failed", "p50", "p95", "p99")
        known = {key: getattr(lately, key) for key in keys}
        return one.model_copy(update={**known, "tally": self.record.tally(one.version)})


def _version_of(reply: Reply | None) -> int | None:
    """Which version has answered, by its own word; None: it was no model server."""
    said = reply.headers.get(_VERSION, "") if reply is not None else ""
    return int(said) if _NUMBER.fullmatch(said) else None
