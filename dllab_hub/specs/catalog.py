"""What a person may pick: `Image`, `GpuType`, `Bring`, and all of it together, `Catalog`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from .quote import JobLimits
from .target import Target
from .volume import Volume
from .wire import Name, Value
from .workspace import MAX_WORKSPACE_BYTES

__all__ = (
    "CUSTOM",
    "MAX_GPUS",
    "Bring",
    "Catalog",
    "GpuType",
    "GroupLimits",
    "Image",
    "Toleration",
)

#: More GPUs than one machine has had; a wish above it is a typing error, not a shortage.
MAX_GPUS = 64
#: The choice of an image that is none of the catalog's: what the person brings.
CUSTOM = "custom"


class Image(Value):
    """A framework environment: a container image on a cluster, a virtual environment here.

    Attributes:
        name: Key, as in ``images/<name>/``.
        title: What people read, such as ``PyTorch 2.13``.
        framework: ``pytorch``, ``tensorflow``, ``jax`` or another word; groups the cards.
        version: The framework's version.
        python: Python version, such as ``3.11``.
        description: One sentence.
        tags: Short words on the card, such as ``GPU`` or ``CPU``.
        serves: Formats of models that it serves, such as ``onnx``. An image that serves runs
            replicas of deployments; it is nobody's lab and runs no job.
        container: Reference that a cluster pulls; empty where there is only an environment.
        users: Who may use it; everybody when this and ``groups`` are empty.
        groups: Groups of the hub whose members may use it.
        state: Whether a lab of it can start. On a cluster always ``ready``; ``missing`` where there
            is a container for jobs elsewhere, and no environment here.
        progress: One line about a build that is going on; empty otherwise.
    """

    name: Name
    title: str = Field(min_length=1, max_length=100)
    framework: str = Field(max_length=40)
    version: str = Field(max_length=40)
    python: str = ""
    description: str = Field(default="", max_length=500)
    tags: tuple[Annotated[str, Field(max_length=20)], ...] = Field(default=(), max_length=8)
    serves: tuple[str, ...] = ()
    container: str = Field(default="", max_length=512)
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    state: Literal["ready", "building", "missing"] = "ready"
    progress: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name == CUSTOM:
            raise InvalidRequest("this name means an image that people bring.", field="name")
        if self.container and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", self.container):
            raise InvalidRequest(
                "must look like registry.example.org/team/image:1.0.", field="container"
            )
        return self


class Toleration(Value):
    """As Kubernetes has it."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class GpuType(Value):
    """A kind of GPU that one may ask for.

    Attributes:
        name: Key.
        title: What people read, such as ``NVIDIA A100 80 GB``.
        match: On one machine: part of the GPU's own name, in any case.
        resource: On a cluster: the extended resource, such as ``nvidia.com/mig-1g.10gb``.
        node_selector: On a cluster: labels of the nodes that have it.
        tolerations: On a cluster: what those nodes ask for.
        max_gpus: How many of it one lab may hold at most, or None for the catalog's own limit.
    """

    name: Name
    title: str = Field(min_length=1, max_length=100)
    match: str = Field(default="", max_length=100)
    resource: str = "nvidia.com/gpu"
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    max_gpus: int | None = Field(default=None, ge=0, le=MAX_GPUS)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not re.fullmatch(r"[a-z0-9.-]{1,200}/[A-Za-z0-9._-]{1,63}", self.resource):
            raise InvalidRequest("must look like nvidia.com/gpu.", field="resource")
        return self


class Bring(Value):
    """What people may bring themselves.

    Attributes:
        images: On a cluster: a regular expression that the whole reference must match; no custom
            images when it is empty.
        registries: On a cluster: hosts that custom images may come from; any when empty.
        environments: On one machine: directories below which somebody's own virtual environment
            may lie; ``~`` is the person's home. None when empty.
        requirements: Whether packages may be listed that the lab gets on top of its image.
    """

    images: str = Field(default="", max_length=1000)
    registries: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    requirements: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            re.compile(self.images)
        except re.error as exc:
            raise InvalidRequest(f"no regular expression: {exc}.", field="images") from None
        for path in self.environments:
            if not re.fullmatch(r"(~|/[^\0]*)", path) and not path.startswith("~/"):
                raise InvalidRequest("must be absolute, or ~ for the home.", field="environments")
            if ".." in path.split("/"):
                raise InvalidRequest("must not contain '..'.", field="environments")
        return self


class GroupLimits(Value):
    """Limits for the members of one group of the hub, in place of the catalog's own."""

    max_gpus: int | None = Field(default=None, ge=0, le=MAX_GPUS)
    max_gpus_per_user: int | None = Field(default=None, ge=0)
    max_gpu_hours: float | None = Field(default=None, ge=0, le=1e9)
    max_jobs: int | None = Field(default=None, ge=0, le=1_000_000)
    max_job_gpus: int | None = Field(default=None, ge=0, le=1_000_000)
    max_idle: int | None = Field(default=None, ge=0)
    max_gpu_idle: int | None = Field(default=None, ge=0)


class Catalog(Value):
    """Everything a lab may be made of.

    Attributes:
        target: What labs run on: ``machine`` (this one) or ``cluster``.
        targets: Where jobs may run, the usual place first; empty where there is only that.
        images: At least one, names unique.
        volumes: Names unique.
        default_image: Name of one of the images.
        gpu_types: None when any GPU will do.
        cpus: Numbers of CPUs to choose from; on one machine all labs share what there is.
        memory: Bytes to choose from, as with ``cpus``.
        max_gpus: GPUs one lab may hold at most.
        max_gpus_per_user: GPUs all labs of one person may hold at most.
        max_gpu_hours: GPU-hours that the jobs of one person may use in 30 days; None for no limit.
        max_jobs: Jobs of one person that may wait or run at once; None for no limit.
        max_job_gpus: GPUs that these jobs may hold or wait for together; None for no limit.
        max_replicas: Replicas one job may have at most, over all roles.
        max_workspace_mb: Most megabytes (of 2**20 bytes) of the files that travel with one job.
        idle: Minutes without use to choose from after which a lab is stopped; 0 is never.
        max_idle: The longest such limit that may be chosen, minutes; 0 for no limit.
        max_gpu_idle: The same for a lab with GPUs.
        bring: What people may bring themselves.
        group_limits: Limits by group of the hub; of several the most generous counts.
    """

    target: Literal["machine", "cluster"] = "machine"
    targets: tuple[Target, ...] = ()
    images: tuple[Image, ...] = Field(min_length=1)
    volumes: tuple[Volume, ...] = ()
    default_image: Name
    gpu_types: tuple[GpuType, ...] = ()
    cpus: tuple[Annotated[float, Field(gt=0, le=1024)], ...] = ()
    memory: tuple[Annotated[int, Field(ge=1 << 26, le=1 << 46)], ...] = ()
    max_gpus: int = Field(default=MAX_GPUS, ge=0, le=MAX_GPUS)
    max_gpus_per_user: int = Field(default=MAX_GPUS, ge=0)
    max_gpu_hours: float | None = Field(default=None, ge=0, le=1e9)
    max_jobs: int | None = Field(default=None, ge=0, le=1_000_000)
    max_job_gpus: int | None = Field(default=None, ge=0, le=1_000_000)
    max_replicas: int = Field(default=16, ge=1, le=1024)
    max_workspace_mb: int = Field(default=MAX_WORKSPACE_BYTES >> 20, ge=1, le=65_536)
    idle: tuple[Annotated[int, Field(ge=0, le=100_000)], ...] = (60, 240, 1440, 0)
    max_idle: int = Field(default=0, ge=0)
    max_gpu_idle: int = Field(default=0, ge=0)
    bring: Bring = Bring()
    group_limits: dict[str, GroupLimits] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for field in ("images", "volumes", "gpu_types", "targets"):
            names = [item.name for item in getattr(self, field)]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise InvalidRequest(f"the name {twice[0]} is there twice.", field=field)
        places = [volume.place for volume in self.volumes]
        for place in places:
            if places.count(place) > 1:
                raise InvalidRequest(f"two volumes appear as {place}.", field="volumes")
        self.image(self.default_image, field="default_image")
        return self

    def image(self, name: str, field: str = "image") -> Image:
        """The image of this name, or `InvalidRequest` that lists the names there are."""
        for image in self.images:
            if image.name == name:
                return image
        names = ", ".join(image.name for image in self.images)
        raise InvalidRequest(
            "there is no such image.", hint=f"Choose one of: {names}.", field=field
        )

    def volume(self, name: str, field: str = "volumes") -> Volume:
        """The volume of this name, or `InvalidRequest` that lists the names there are."""
        for volume in self.volumes:
            if volume.name == name:
                return volume
        names = ", ".join(volume.name for volume in self.volumes) or "none is offered"
        raise InvalidRequest("there is no such volume.", hint=f"Choose from: {names}.", field=field)

    def gpu_type(self, name: str, field: str = "gpu_type") -> GpuType:
        """The GPU type of this name, or `InvalidRequest` that lists the names there are."""
        for kind in self.gpu_types:
            if kind.name == name:
                return kind
        names = ", ".join(kind.name for kind in self.gpu_types) or "none, leave it out"
        raise InvalidRequest(
            "there is no such GPU type.", hint=f"Choose from: {names}.", field=field
        )

    def idle_limit(self, gpus: int) -> int:
        """The longest idle limit in minutes for a lab with so many GPUs; 0 for none."""
        limits = [n for n in (self.max_idle, self.max_gpu_idle if gpus else 0) if n]
        return min(limits, default=0)

    @property
    def job_limits(self) -> JobLimits:
        """What the jobs of one person may use and hold; ask it of what `for_person` gives."""
        return JobLimits(gpu_hours=self.max_gpu_hours, jobs=self.max_jobs, gpus=self.max_job_gpus)

    def for_person(self, user: str, groups: Collection[str] = ()) -> Catalog:
        """What this person may pick, with the limits that hold for them.

        Who else may use an image or a volume is not in it.

        Raises:
            InvalidRequest: no image is left.
        """
        mine = [limit for name, limit in self.group_limits.items() if name in groups]
        changed: dict[str, Any] = {"group_limits": {}}
        for field in GroupLimits.model_fields:
            given = [getattr(limit, field) for limit in mine]
            said = [value for value in given if value is not None]
            if said:
                # An idle limit of 0 is none at all: the most generous one.
                none = field.endswith("idle") and 0 in said
                changed[field] = 0 if none else max(said)

        def is_theirs(item: Image | Volume) -> bool:
            everybody = not item.users and not item.groups
            return everybody or user in item.users or not set(groups).isdisjoint(item.groups)

        public = {"users": (), "groups": ()}
        changed["images"] = tuple(
            image.model_copy(update=public) for image in self.images if is_theirs(image)
        )
        changed["volumes"] = tuple(
            volume.model_copy(update=public) for volume in self.volumes if is_theirs(volume)
        )
        if not changed["images"]:
            raise InvalidRequest(
                "none is offered to you.", hint="Ask the administrator.", field="images"
            )
        if self.default_image not in {image.name for image in changed["images"]}:
            changed["default_image"] = changed["images"][0].name
        return self.model_copy(update=changed)
