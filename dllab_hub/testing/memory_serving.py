"""`MemoryServing`: models and deployments without processes; they do what a test tells them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

from ..backends.calls import Call, Reply
from ..errors import Conflict, InvalidRequest, NotFound, Unavailable
from ..specs import (
    Canary,
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    DeploymentState,
    Event,
    LogChunk,
    ReplicaState,
    Tensor,
    Traffic,
)
from .memory_answers import answer, reply
from .memory_deployment import DeploymentRecord
from .memory_models import page
from .memory_opening import MemoryOpening

__all__ = ("MemoryServing",)

_IDLE = "no replica: the next request starts one."


class MemoryServing(MemoryOpening):
    """Keeps models and deployments in memory. Replicas are ready at once; a model gives back what
    it was given.

    ::

        await serving.publish("ada", "digits", file)
        await serving.deploy("ada", DeploymentSpec(name="digits", model="digits"))
        serving.fail("ada", "digits", "replica-1 ended with exit code 1.")

    Args:
        inputs: Of every model that is published.
        outputs: Of every model that is published.
        example: Of every model that is published.
        clock: Seconds since the epoch.
        draw: A number from 0 up to 1, by which a request goes to a canary or not.
    """

    def __init__(
        self,
        *,
        inputs: Sequence[Tensor] = (Tensor(name="x", datatype="FP32", shape=(None, 64)),),
        outputs: Sequence[Tensor] = (Tensor(name="y", datatype="FP32", shape=(None, 64)),),
        example: str = "",
        clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(inputs, outputs, example, clock)
        self._draw = draw

    # What a test does to deployments.

    def fail(self, owner: str, name: str, reason: str) -> Deployment:
        """Every replica has ended by itself: nothing answers until `recover`."""
        record = self._record(owner, name)
        return record.change(DeploymentState.FAILED, ReplicaState.FAILED, reason)

    def recover(self, owner: str, name: str) -> Deployment:
        """The replicas were started again and answer."""
        record = self._record(owner, name)
        replicas = tuple(
            replica.model_copy(update={"restarts": replica.restarts + 1})
            for replica in record.deployment.replicas
        )
        record.update(replicas=replicas)
        return record.change(DeploymentState.READY, ReplicaState.READY)

    def idle(self, owner: str, name: str) -> Deployment:
        """Nobody has asked for long: it has no replica until somebody does."""
        record = self._record(owner, name)
        record.update(wished=0, replicas=())
        return record.change(DeploymentState.IDLE, ReplicaState.DRAINING, _IDLE)

    def misbehave(
        self, owner: str, name: str, version: int, *, fails: bool = False, seconds: float = 0.0
    ) -> None:
        """From now on a version answers with 500, or takes so long, or neither."""
        record = self._record(owner, name)
        (record.broken.add if fails else record.broken.discard)(version)
        record.slow[version] = seconds

    def write_log(self, owner: str, name: str, replica: str, text: str) -> None:
        """Append to the log of a replica, or of the ``balancer``."""
        self._record(owner, name).logs[replica].extend(text.encode())

    # Verbs.

    async def _deploy(self, owner: str, spec: DeploymentSpec) -> Deployment:
        versions = self._published.get((owner, spec.model))
        if not versions:
            raise InvalidRequest("there is no such model.", field="model")
        version = self._known(owner, spec.model, spec.version or versions[0].version)
        now = self._clock()
        record = self._records.get((owner, spec.name))
        made = Deployment(
            name=spec.name,
            owner=owner,
            spec=spec,
            version=version,
            state=DeploymentState.STARTING,
            wished=_at_first(spec),
            traffic=Traffic(),
            created=now,
            updated=now,
        )
        if record is None:
            record = self._records[owner, spec.name] = DeploymentRecord(made, self._clock)
        else:
            before = record.deployment
            same = before.spec.model == spec.model
            if not same:
                for each in before.versions:  # Numbers of another model.
                    record.forget(each.version)
            previous = before.version if same and before.version != version else before.previous
            kept = {
                "created": before.created,
                "traffic": before.traffic,
                "previous": previous if same else None,
            }
            record.deployment = made.model_copy(update=kept)
        record.say("Deployed", f"version {version} of {spec.model}.")
        return record.fill(())

    async def _get(self, owner: str, name: str) -> Deployment:
        return self._record(owner, name).deployment

    async def live(self) -> tuple[Deployment, ...]:
        return tuple(record.deployment for record in self._records.values())

    async def _list(self, owner: str, limit: int, after: str | None) -> DeploymentPage:
        names, following = page([n for o, n in self._records if o == owner], limit, after)
        return DeploymentPage(
            deployments=tuple(self._records[owner, name].deployment for name in names),
            next=following,
        )

    async def _scale(self, owner: str, name: str, replicas: int) -> Deployment:
        record = self._record(owner, name)
        there = record.deployment
        bounds = there.spec.autoscale
        if bounds is not None and not bounds.min <= replicas <= bounds.max:
            raise InvalidRequest(
                f"must be from {bounds.min} to {bounds.max}: so it is to scale by itself.",
                hint="Deploy it again with other bounds, or without any.",
                field="replicas",
            )
        spec = there.spec.model_copy(update={"replicas": replicas})
        record.update(spec=spec, wished=replicas, updated=self._clock())
        record.say("Scaled", f"{replicas} replicas.")
        return record.fill(there.replicas)

    async def _canary(self, owner: str, name: str, canary: Canary) -> Deployment:
        record = self._record(owner, name)
        there = record.deployment
        self._known(owner, there.spec.model, canary.version)
        if canary.version == there.version:
            raise Conflict(
                f"version {canary.version} serves already.",
                hint="A canary is another version of the same model.",
                field="version",
            )
        if there.canary is None or there.canary.version != canary.version:
            record.forget(canary.version)
        record.update(canary=canary, updated=self._clock())
        part = f"{canary.percent}% of the requests"
        record.say("Canary", f"version {canary.version} gets {part}.")
        return record.fill(there.replicas)

    async def _promote(self, owner: str, name: str) -> Deployment:
        record = self._record(owner, name)
        canary = record.deployment.canary
        if canary is None:
            raise Conflict("there is no canary.", hint="Start one with another version first.")
        return self._serve(record, "Promoted", canary.version)

    async def _rollback(self, owner: str, name: str) -> Deployment:
        record = self._record(owner, name)
        there = record.deployment
        if there.canary is not None:
            record.update(updated=self._clock())
            return record.end_canary(f"version {there.canary.version} gets nothing more.")
        if there.previous is None:
            raise Conflict(
                "there is no canary, and no other version was served before.",
                hint="Deploy the version that is to serve.",
            )
        return self._serve(record, "RolledBack", there.previous)

    def _serve(self, record: DeploymentRecord, reason: str, version: int) -> Deployment:
        """One version answers everything; the one that did can be brought back."""
        there = record.deployment
        spec = there.spec.model_copy(update={"version": version})
        record.update(
            spec=spec,
            version=version,
            canary=None,
            previous=there.version,
            updated=self._clock(),
        )
        record.say(reason, f"version {version} answers everything, in place of {there.version}.")
        return record.fill(there.replicas)

    async def _delete(self, owner: str, name: str) -> None:
        self._record(owner, name)
        del self._records[owner, name]
        self._forget(owner, name)

    async def _logs(
        self, owner: str, name: str, replica: str | None, offset: int, limit: int
    ) -> LogChunk:
        record = self._record(owner, name)
        newest = next(reversed(record.logs))
        log = record.logs.get(replica or newest)
        if log is None:
            raise NotFound(f"the logs are {', '.join(record.logs)}.", field="replica")
        start = max(len(log) + offset, 0) if offset < 0 else min(offset, len(log))
        return LogChunk.cut(
            bytes(log[start : start + max(limit, 4)]),
            replica=replica or newest,
            attempt=1,
            offset=start,
            size=len(log),
            over=False,
            tail=offset < 0,
        )

    async def _events(self, owner: str, name: str) -> tuple[Event, ...]:
        return tuple(self._record(owner, name).events)

    async def _call(self, owner: str, name: str, call: Call) -> Reply:
        record = self._record(owner, name)
        version = self._drawn(record, call.version)
        if record.deployment.state is DeploymentState.IDLE:
            record.update(wished=1)
            record.say("Woken", "a request starts the first replica.")
            record.fill(())
        if not record.deployment.ready:
            raise Unavailable(record.deployment.reason, hint="Look at the deployment's logs.")
        began = time.perf_counter()
        await asyncio.sleep(record.slow.get(version, 0.0))
        broken = reply(500, {"error": f"version {version} is broken."})
        said = broken if version in record.broken else answer(name, call)
        record.count(version, said.status, time.perf_counter() - began)
        return Reply(said.status, said.body, {**said.headers, "x-model-version": str(version)})

    # Inside.

    def _known(self, owner: str, model: str, version: int) -> int:
        count = len(self._published[owner, model])
        if version > count:
            raise InvalidRequest(f"there are {count} versions.", field="version")
        return version

    def _drawn(self, record: DeploymentRecord, asked: int | None) -> int:
        """Which version answers: the one that is asked, or by lot."""
        there = record.deployment
        serving = [each.version for each in there.versions]
        if asked is not None:
            if asked not in serving:
                those = " and ".join(map(str, serving))
                raise InvalidRequest(
                    f"version {asked} does not serve here.",
                    hint=f"Those that do: {those}.",
                    field="version",
                )
            return asked
        canary = there.canary
        by_lot = canary is not None and self._draw() * 100 < canary.percent
        return serving[-1] if by_lot else there.version


def _at_first(spec: DeploymentSpec) -> int:
    """Replicas of a new deployment."""
    if spec.autoscale is None:
        return spec.replicas
    return min(max(spec.replicas, spec.autoscale.min), spec.autoscale.max)
