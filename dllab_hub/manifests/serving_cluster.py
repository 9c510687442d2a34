"""`ServingCluster`: what the administrator says of the cluster that models are served on."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ..errors import InvalidRequest, Unavailable
from ..specs import Autoscale, DeploymentSpec, Image
from ..specs.model import ModelFormat
from ..specs.wire import Name, Value

__all__ = ("ServingCluster",)


class ServingCluster(Value):
    """Where the objects of deployments go, and what they find there.

    Attributes:
        namespace: Of deployments; labs and jobs have others.
        claim: Name of the claim there that all nodes mount (``ReadOnlyMany`` will do), on the
            storage that the lab service writes to: ``models/<owner>/<model>/<version>/`` on it is
            what is published. Replicas read it only.
        images: What replicas run in: of each, the formats that it serves and its container. Of
            several that serve a format the first one by name is taken.
        scaler: Who has the number of replicas follow the load: ``lab``, the lab service, through
            which all requests go; or ``cluster``, a HorizontalPodAutoscaler.
        kserve: Whether the cluster has KServe, and makes deployments of its InferenceServices.
            ``canary``: its version knows ``spec.canary``; empty: there is none.
        gateway: Whether KServe's routes lead through a gateway that lets in nobody but the lab
            service. Then KServe divides requests between two versions; else its deployments can be
            reached inside the cluster only.
        inflight: For a HorizontalPodAutoscaler, name of an external metric, with the labels
            ``owner`` and ``deployment``: how many requests are with a deployment or wait for it.
            Empty: the cluster does not measure that, and replicas follow how busy their CPUs are.
        priority_class: Name of a ``PriorityClass``, or empty.
        user: Id of the user that replicas run as; never root.
        pull_policy: As for the jobs of a `Cluster`.
        cpus: That each replica asks for where its wish names none; it may use more.
        memory: Bytes of each replica, beside twice the size of its model.
        start: Seconds that a model may take to load.
        drain: Seconds from the word that a replica is to end to SIGTERM, in which it answers what
            is under way and the cluster learns to send it nothing more.
    """

    namespace: str = Field(default="dllab-serving", pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    claim: Name
    images: tuple[Image, ...] = Field(min_length=1)
    scaler: Literal["lab", "cluster"] = "lab"
    kserve: Literal["", "plain", "canary"] = ""
    gateway: bool = False
    inflight: str = Field(default="", max_length=253)
    priority_class: str = Field(default="", max_length=253)
    user: int = Field(default=1000, ge=1)
    pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    cpus: float = Field(default=1.0, gt=0, le=64)
    memory: int = Field(default=2 << 30, ge=1 << 26, le=1 << 46)
    start: int = Field(default=600, ge=10, le=7200)
    drain: int = Field(default=15, ge=2, le=600)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for image in self.images:
            if not image.container:
                raise InvalidRequest(f"{image.name} has no container.", field="images")
            if not image.serves:
                raise InvalidRequest(f"{image.name} serves no format.", field="images")
        return self

    def autoscale(self, spec: DeploymentSpec) -> Autoscale | None:
        """How many replicas the cluster itself is to have by the load; None: as it is told."""
        return spec.autoscale if self.scaler == "cluster" else None

    def image(self, format: ModelFormat) -> str:
        """Reference of the container that serves models of a format.

        Raises:
            Unavailable: there is none.
        """
        for image in sorted(self.images, key=lambda image: image.name):
            if format in image.serves:
                return image.container
        raise Unavailable(
            f"this cluster has no image that serves {format}.",
            hint="The administrator can name one.",
        )
