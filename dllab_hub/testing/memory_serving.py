"""`MemoryServing`: models and deployments without processes; they do what a test tells them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..backends.serving import Call, Reply, Serving
from ..errors import InvalidRequest, NotFound, Unavailable
from ..names import check_name
from ..specs import (
    Deployment,
    DeploymentPage,
    DeploymentReplica,
    DeploymentSpec,
    DeploymentState,
    Event,
    LogChunk,
    Model,
    ModelPage,
    ModelVersion,
    ReplicaState,
    Tensor,
    Traffic,
)

__all__ = ("MemoryServing",)

#: What every ONNX file begins with: the field ``ir_version``.
_ONNX = b"\x08"
_JSON = {"content-type": "application/json"}


@dataclass
class _Record:
    deployment: Deployment
    number: int = 0  # Of the newest replica; none is used twice.
    logs: dict[str, bytearray] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)


class MemoryServing(Serving):
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
    """

    def __init__(
        self,
        *,
        inputs: Sequence[Tensor] = (Tensor(name="x", datatype="FP32", shape=(None, 64)),),
        outputs: Sequence[Tensor] = (Tensor(name="y", datatype="FP32", shape=(None, 64)),),
        example: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        self._example = example
        self._clock = clock
        self._published: dict[tuple[str, str], list[ModelVersion]] = {}
        self._records: dict[tuple[str, str], _Record] = {}

    # What a test does to deployments.

    def fail(self, owner: str, name: str, reason: str) -> Deployment:
        """Every replica has ended by itself: nothing answers until `recover`."""
        record = self._record(owner, name)
        return self._change(record, DeploymentState.FAILED, ReplicaState.FAILED, reason)

    def recover(self, owner: str, name: str) -> Deployment:
        """The replicas were started again and answer."""
        record = self._record(owner, name)
        replicas = tuple(
            replica.model_copy(update={"restarts": replica.restarts + 1})
            for replica in record.deployment.replicas
        )
        record.deployment = record.deployment.model_copy(update={"replicas": replicas})
        return self._change(record, DeploymentState.READY, ReplicaState.READY)

    def write_log(self, owner: str, name: str, replica: str, text: str) -> None:
        """Append to the log of a replica, or of the ``balancer``."""
        self._record(owner, name).logs[replica].extend(text.encode())

    # Models.

    async def _publish(self, owner: str, model: str, file: Path) -> ModelVersion:
        data = await asyncio.to_thread(file.read_bytes)
        if not data.startswith(_ONNX):
            raise InvalidRequest("the file is not an ONNX model.", field="model")
        versions = self._published.setdefault((owner, model), [])
        made = ModelVersion(
            model=model,
            version=len(versions) + 1,
            inputs=self._inputs,
            outputs=self._outputs,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            example=self._example,
            created=self._clock(),
        )
        versions.insert(0, made)
        return made

    async def _models(self, owner: str, limit: int, after: str | None) -> ModelPage:
        names, following = _page([n for o, n in self._published if o == owner], limit, after)
        models = tuple(
            Model(name=name, owner=owner, versions=tuple(self._published[owner, name]))
            for name in names
        )
        return ModelPage(models=models, next=following)

    async def _versions(self, owner: str, model: str) -> tuple[ModelVersion, ...]:
        versions = self._published.get((owner, model))
        if not versions:
            raise NotFound("there is no such model.")
        return tuple(versions)

    # Deployments.

    async def _deploy(self, owner: str, spec: DeploymentSpec) -> Deployment:
        versions = self._published.get((owner, spec.model))
        if not versions:
            raise InvalidRequest("there is no such model.", field="model")
        version = spec.version or versions[0].version
        if version > versions[0].version:
            raise InvalidRequest(f"there are {len(versions)} versions.", field="version")
        now = self._clock()
        record = self._records.get((owner, spec.name))
        made = Deployment(
            name=spec.name,
            owner=owner,
            spec=spec,
            version=version,
            state=DeploymentState.STARTING,
            traffic=Traffic(),
            created=now,
            updated=now,
        )
        if record is None:
            record = self._records[owner, spec.name] = _Record(made, logs={"balancer": bytearray()})
        else:
            kept = {"created": record.deployment.created, "traffic": record.deployment.traffic}
            record.deployment = made.model_copy(update=kept)
        self._say(record, "Deployed", f"version {version} of {spec.model}.")
        return self._fill(record, ())

    async def _get(self, owner: str, name: str) -> Deployment:
        return self._record(owner, name).deployment

    async def _list(self, owner: str, limit: int, after: str | None) -> DeploymentPage:
        names, following = _page([n for o, n in self._records if o == owner], limit, after)
        return DeploymentPage(
            deployments=tuple(self._records[owner, name].deployment for name in names),
            next=following,
        )

    async def _scale(self, owner: str, name: str, replicas: int) -> Deployment:
        record = self._record(owner, name)
        there = record.deployment
        spec = there.spec.model_copy(update={"replicas": replicas})
        record.deployment = there.model_copy(update={"spec": spec, "updated": self._clock()})
        self._say(record, "Scaled", f"{replicas} replicas.")
        return self._fill(record, there.replicas[-replicas:])

    async def _delete(self, owner: str, name: str) -> None:
        self._record(owner, name)
        del self._records[owner, name]

    async def _logs(
        self, owner: str, name: str, replica: str | None, offset: int, limit: int
    ) -> LogChunk:
        record = self._record(owner, name)
        newest = record.deployment.replicas[-1].name
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
        if not record.deployment.ready:
            raise Unavailable(record.deployment.reason, hint="Look at the deployment's logs.")
        reply = _answer(name, call)
        traffic = record.deployment.traffic or Traffic()
        seen = {
            "requests": traffic.requests + 1,
            "rejected": traffic.rejected + (400 <= reply.status < 500),
            "failed": traffic.failed + (reply.status >= 500),
            "latency": 0.0,
        }
        now = record.deployment.model_copy(update={"traffic": traffic.model_copy(update=seen)})
        record.deployment = now
        version = {"x-model-version": str(now.version)}
        return Reply(reply.status, reply.body, {**reply.headers, **version})

    # Inside.

    def _record(self, owner: str, name: str) -> _Record:
        record = self._records.get((owner, name))
        if record is None:
            raise NotFound("there is no such deployment.")
        return record

    def _fill(self, record: _Record, kept: Sequence[DeploymentReplica]) -> Deployment:
        """As many replicas as are wished for: these and new ones."""
        replicas = list(kept)
        while len(replicas) < record.deployment.spec.replicas:
            record.number += 1
            name = f"replica-{record.number}"
            record.logs[name] = bytearray(f"{name} serves {record.deployment.name}.\n".encode())
            replicas.append(
                DeploymentReplica(
                    name=name,
                    version=record.deployment.version,
                    state=ReplicaState.READY,
                    started=self._clock(),
                )
            )
        record.deployment = record.deployment.model_copy(update={"replicas": tuple(replicas)})
        return self._change(record, DeploymentState.READY, ReplicaState.READY)

    def _change(
        self, record: _Record, state: DeploymentState, of_each: ReplicaState, reason: str = ""
    ) -> Deployment:
        replicas = tuple(
            replica.model_copy(update={"state": of_each, "reason": reason})
            for replica in record.deployment.replicas
        )
        ready = len(replicas) if of_each is ReplicaState.READY else 0
        change = {"state": state, "reason": reason, "replicas": replicas, "ready": ready}
        record.deployment = record.deployment.model_copy(update=change)
        self._say(record, state.value.capitalize(), reason or f"{ready} replicas answer.")
        return record.deployment

    def _say(self, record: _Record, reason: str, message: str) -> None:
        record.events.append(Event(time=self._clock(), reason=reason, message=message))


def _page(names: list[str], limit: int, after: str | None) -> tuple[list[str], str | None]:
    if after is not None:
        check_name(after, "next")
    found = sorted(name for name in names if after is None or name > after)
    return found[:limit], found[limit - 1] if len(found) > limit else None


def _answer(name: str, call: Call) -> Reply:
    """What a model server with a model that gives back its input says."""
    if call.method == "GET" and call.path == f"v2/models/{name}/ready":
        return _reply(200, {"name": name, "ready": True})
    keys = {f"v1/models/{name}:predict": "instances", f"v2/models/{name}/infer": "inputs"}
    key = keys.get(call.path) if call.method == "POST" else None
    if key is None:
        return _reply(404, {"error": "there is nothing at this address of the model."})
    try:
        given = json.loads(call.body)[key]
    except (ValueError, LookupError, TypeError, RecursionError):
        return _reply(400, {"error": f"the body must be a JSON object with {key}."})
    if not isinstance(given, list) or not given:
        return _reply(400, {"error": f"{key} must be a list with something in it."})
    if key == "instances":
        return _reply(200, {"predictions": given})
    return _reply(200, {"model_name": name, "outputs": given})


def _reply(status: int, body: dict[str, Any]) -> Reply:
    return Reply(status, json.dumps(body).encode(), _JSON)
