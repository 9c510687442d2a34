"""Serving: the wish (`DeploymentSpec`) and what runs (`Deployment`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self, TypedDict

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from ..errors import InvalidRequest
from .tally import Tally
from .wire import Name, Value

__all__ = (
    "MAX_REPLICAS",
    "MAX_REPLICA_CPUS",
    "MAX_REPLICA_GPUS",
    "Autoscale",
    "Batch",
    "Canary",
    "Deployment",
    "DeploymentPage",
    "DeploymentReplica",
    "DeploymentSpec",
    "DeploymentState",
    "EachReplica",
    "ReplicaState",
    "Traffic",
    "VersionTraffic",
)

#: More replicas of one deployment than one machine has had a use for.
MAX_REPLICAS = 32
#: Of one replica: no model that is served here spreads over more.
MAX_REPLICA_GPUS, MAX_REPLICA_CPUS = 8, 64


class Autoscale(Value):
    """Between how many replicas a deployment has, by what it has to do.

    Attributes:
        min: Fewest. With 0 all of them end when nobody has asked for ``idle`` seconds; the next
            request waits while the first one starts.
        max: Most.
        signal: ``inflight``: requests that are with the replicas or wait for them; ``gpu``: how
            busy their GPUs are.
        target: Of the signal, for each replica: so many requests, or that share of a GPU's time.
        idle: Seconds.
    """

    min: int = Field(default=1, ge=0, le=MAX_REPLICAS)
    max: int = Field(ge=1, le=MAX_REPLICAS)
    signal: Literal["inflight", "gpu"] = "inflight"
    target: float = Field(default=4.0, gt=0, le=1000)
    idle: float = Field(default=600.0, ge=10, le=86400)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.min > self.max:
            raise InvalidRequest(f"must not be more than max, which is {self.max}.", field="min")
        if self.signal == "gpu" and self.target > 1:
            raise InvalidRequest("is a share of a GPU's time: at most 1.", field="target")
        return self


class Batch(Value):
    """Requests that come at the same time are computed as one, as long as their rows fit together.

    Attributes:
        size: Most rows that are computed at a time.
        wait: Seconds that a request waits for others at most.
    """

    size: int = Field(ge=2, le=1024)
    wait: float = Field(default=0.005, ge=0, le=1)


class Canary(Value):
    """Another version that gets a part of the requests, until it is promoted or rolled back.

    It is rolled back by itself when it does worse than it may, once it has answered some requests.

    Attributes:
        version: Of the same model.
        percent: Of the requests, drawn by lot; with 0 it is there to be compared only.
        replicas: That serve it.
        max_errors: Most of its answers that may be 5xx, as a share; None: any.
        max_slowdown: How many times as long as the other version it may take for an answer, on
            average; None: as long as it likes.
    """

    version: int = Field(ge=1)
    percent: int = Field(default=10, ge=0, le=99)
    replicas: int = Field(default=1, ge=1, le=MAX_REPLICAS)
    max_errors: float | None = Field(default=0.05, ge=0, le=1)
    max_slowdown: float | None = Field(default=None, ge=1, le=100)


class DeploymentSpec(Value):
    """A wish to serve a model.

    >>> DeploymentSpec(name="digits", model="digits", replicas=2).replicas
    2

    Attributes:
        name: Of the deployment; part of its URL. Deploying under a name that is in use replaces
            what runs there, replica by replica.
        model: Name of a published model.
        version: Which version; None for the newest at the time of the wish.
        replicas: How many processes serve it; with ``autoscale``, at first.
        autoscale: Has their number follow the load; None: it is as wished for.
        gpus: GPUs of each replica. While too few are free it waits; it never starts without.
        cpus: Threads that compute one request, in each replica; None: as its server has it.
        batch: Has requests computed together; None: each by itself.
    """

    name: Name
    model: Name
    version: int | None = Field(default=None, ge=1)
    replicas: int = Field(default=1, ge=1, le=MAX_REPLICAS)
    autoscale: Autoscale | None = None
    gpus: int = Field(default=0, ge=0, le=MAX_REPLICA_GPUS)
    cpus: int | None = Field(default=None, ge=1, le=MAX_REPLICA_CPUS)
    batch: Batch | None = None

    @model_validator(mode="after")
    def _has_what_it_scales_by(self) -> Self:
        if self.autoscale is not None and self.autoscale.signal == "gpu" and not self.gpus:
            raise InvalidRequest(
                "the replicas have no GPUs whose time could be measured.",
                hint="Give each of them one with gpus, or use inflight.",
                field="autoscale.signal",
            )
        return self


class EachReplica(TypedDict, total=False):
    """Fields of a `DeploymentSpec` that say what each replica gets."""

    gpus: int
    cpus: int | None
    batch: Batch | None


class DeploymentState(StrEnum):
    """The life of a deployment.

    ``STARTING`` until the first replica answers, ``READY`` while all wished-for replicas of the
    wished-for version do, ``DEGRADED`` while some do (one crashed, or a roll or scaling is under
    way), ``FAILED`` while none does and the last attempt went wrong; it is tried again with growing
    pauses. ``IDLE`` while it has no replica because nobody asks: the next request starts one.
    ``DELETING`` until its last request is answered; then it is no more.
    """

    STARTING = "STARTING"
    READY = "READY"
    DEGRADED = "DEGRADED"
    FAILED = "FAILED"
    IDLE = "IDLE"
    DELETING = "DELETING"


class ReplicaState(StrEnum):
    """``DRAINING`` takes no new requests and ends when its last one is answered."""

    STARTING = "STARTING"
    READY = "READY"
    RESTARTING = "RESTARTING"
    DRAINING = "DRAINING"
    FAILED = "FAILED"


class DeploymentReplica(Value):
    """One process that serves a model.

    Attributes:
        name: ``replica-<n>``; numbers are never used again within a deployment.
        version: Of the model.
        pid: Process id on this machine while it runs, else None.
        restarts: How often it was started again after it ended by itself.
        reason: One sentence that explains the state; never empty for FAILED.
        started: Of the process that runs now, seconds since the epoch, or None.
    """

    name: str
    version: int
    state: ReplicaState
    pid: int | None = None
    restarts: int = 0
    reason: str = ""
    started: float | None = None


class Traffic(Value):
    """What went through the balancer since it started.

    Attributes:
        requests: Answered.
        rejected: Of these, with 4xx: the caller's fault.
        failed: Of these, with 5xx.
        rate: Requests per second over about the last ten seconds.
        latency: Mean seconds of the last 1024 answers, or None before the first.
        waiting: Requests in a queue or with a replica now.
    """

    requests: int = 0
    rejected: int = 0
    failed: int = 0
    rate: float = 0.0
    latency: float | None = None
    waiting: int = 0
    #: Of these, how many are with each replica, by its name. It does not travel: for who measures.
    busy: SkipJsonSchema[dict[str, int]] = Field(default_factory=dict, exclude=True)


class VersionTraffic(Value):
    """What one version of a deployment has answered lately, and its part in what comes.

    Attributes:
        version: Of the model.
        percent: Of the requests that it gets.
        ready: Replicas of it that answer.
        requests: Answered in the last five minutes; at most the newest 4096.
        failed: Of these, with 5xx.
        p50: Median seconds of those that did not fail, or None before the first.
        p95: Seconds that 95 of 100 do not exceed.
        p99: Seconds that 99 of 100 do not exceed.
    """

    version: int
    percent: int
    ready: int = 0
    requests: int = 0
    failed: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    #: All that it has answered. It does not travel: for who measures.
    tally: SkipJsonSchema[Tally | None] = Field(default=None, exclude=True)


class Deployment(Value):
    """A `DeploymentSpec` and what became of it.

    Attributes:
        version: Of the model that the wish came to.
        reason: One sentence that explains the state; never empty for FAILED.
        replicas: Those that exist now, oldest first; more than wished for during a roll.
        ready: How many of them answer.
        wished: How many there are to be of ``version``: by ``autoscale``, or as the spec says.
        canary: The other version that gets a part of the requests, or None.
        previous: Version that a rollback without a canary brings back; None: there is none.
        traffic: None while the balancer is not there.
        versions: What each version does that gets requests; the canary's comes last.
        url: Path of the deployment at the address of whoever answered, with a slash at its end:
            ``v1/models/<name>:predict`` and ``v2/models/<name>/infer`` lie below it.
        warning: What is to be known of what it serves; empty where nothing is.
        created: Seconds since the epoch.
        updated: Of the last wish.
    """

    name: Name
    owner: str
    spec: DeploymentSpec
    version: int
    state: DeploymentState
    reason: str = ""
    replicas: tuple[DeploymentReplica, ...] = ()
    ready: int = 0
    wished: int = 0
    canary: Canary | None = None
    previous: int | None = None
    traffic: Traffic | None = None
    versions: tuple[VersionTraffic, ...] = ()
    url: str = ""
    warning: str = ""
    created: float
    updated: float


class DeploymentPage(Value):
    """Some deployments by name, and where the next page begins, or None."""

    deployments: tuple[Deployment, ...]
    next: str | None = None
