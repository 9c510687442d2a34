"""Serving: a model's versions, the wish (`DeploymentSpec`) and what runs (`Deployment`)."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .wire import Name, Value

__all__ = (
    "MAX_REPLICAS",
    "Deployment",
    "DeploymentPage",
    "DeploymentReplica",
    "DeploymentSpec",
    "DeploymentState",
    "Model",
    "ModelPage",
    "ModelVersion",
    "ReplicaState",
    "Tensor",
    "Traffic",
)

#: More replicas of one deployment than one machine has had a use for.
MAX_REPLICAS = 32


class Tensor(Value):
    """One input or output of a model.

    Attributes:
        name: As in the model.
        datatype: As the Open Inference Protocol (V2) calls it, such as ``FP32`` or ``INT64``.
        shape: Size of each axis; None where any size fits, as for a batch.
    """

    name: str
    datatype: str
    shape: tuple[int | None, ...] = ()


class ModelVersion(Value):
    """One version of a model; it never changes.

    Attributes:
        model: Name of the model.
        version: From 1, without gaps.
        format: ``onnx``.
        inputs: What it takes.
        outputs: What it gives.
        size: Bytes.
        sha256: Of the file, 64 hexadecimal digits.
        example: JSON text of a V1 request that it answers, or empty when none came with it.
        created: Seconds since the epoch.
    """

    model: Name
    version: int = Field(ge=1)
    format: str = "onnx"
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    size: int
    sha256: str
    example: str = ""
    created: float


class Model(Value):
    """A model and its versions, newest first."""

    name: Name
    owner: str
    versions: tuple[ModelVersion, ...]


class ModelPage(Value):
    """Some models by name, and where the next page begins, or None."""

    models: tuple[Model, ...]
    next: str | None = None


class DeploymentSpec(Value):
    """A wish to serve a model.

    >>> DeploymentSpec(name="digits", model="digits", replicas=2).replicas
    2

    Attributes:
        name: Of the deployment; part of its URL. Deploying under a name that is in use replaces
            what runs there, replica by replica.
        model: Name of a published model.
        version: Which version; None for the newest at the time of the wish.
        replicas: How many processes serve it.
    """

    name: Name
    model: Name
    version: int | None = Field(default=None, ge=1)
    replicas: int = Field(default=1, ge=1, le=MAX_REPLICAS)


class DeploymentState(StrEnum):
    """The life of a deployment.

    ``STARTING`` until the first replica answers, ``READY`` while all wished-for replicas of the
    wished-for version do, ``DEGRADED`` while some do (one crashed, or a roll or scaling is under
    way), ``FAILED`` while none does and the last attempt went wrong; it is tried again with growing
    pauses. ``DELETING`` until its last request is answered; then it is no more.
    """

    STARTING = "STARTING"
    READY = "READY"
    DEGRADED = "DEGRADED"
    FAILED = "FAILED"
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


class Deployment(Value):
    """A `DeploymentSpec` and what became of it.

    Attributes:
        version: Of the model that the wish came to.
        reason: One sentence that explains the state; never empty for FAILED.
        replicas: Those that exist now, oldest first; more than wished for during a roll.
        ready: How many of them answer.
        traffic: None while the balancer is not there.
        url: Path of the deployment at the address of whoever answered, with a slash at its end:
            ``v1/models/<name>:predict`` and ``v2/models/<name>/infer`` lie below it.
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
    traffic: Traffic | None = None
    url: str = ""
    created: float
    updated: float


class DeploymentPage(Value):
    """Some deployments by name, and where the next page begins, or None."""

    deployments: tuple[Deployment, ...]
    next: str | None = None
