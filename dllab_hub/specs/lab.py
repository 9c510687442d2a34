"""What a person can pick and what they picked: `Image`, `Volume`, `Catalog`, `LabSpec`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from ..names import NAME_PATTERN
from .wire import Value

__all__ = ("Catalog", "Image", "LabSpec", "MAX_GPUS", "Name", "Volume")

#: More GPUs than one machine has had; a wish above it is a typing error, not a shortage.
MAX_GPUS = 64

Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$", max_length=40)]


class Image(Value):
    """A framework environment: a container image on a cluster, a virtual environment here.

    Attributes:
        name: Key, as in ``images/<name>/``.
        title: What people read, such as ``PyTorch 2.13``.
        framework: ``pytorch``, ``tensorflow``, ``jax`` or another word; groups the cards.
        version: The framework's version.
        python: Python version, such as ``3.11``.
        description: One sentence.
        serves: Formats of models that it serves, such as ``onnx``. An image that serves runs
            replicas of deployments; it is nobody's lab and runs no job.
    """

    name: Name
    title: str
    framework: str
    version: str
    python: str = ""
    description: str = ""
    serves: tuple[str, ...] = ()


class Volume(Value):
    """A directory of data that the administrator offers.

    Attributes:
        name: Key; the volume appears as ``data/<name>`` in the lab.
        title: What people read.
        path: Absolute path of the directory on this machine.
        read_only: Whether people are meant to write to it. On one machine with one account nothing
            enforces this, and the form says so.
    """

    name: Name
    title: str
    path: str
    read_only: bool = False

    @model_validator(mode="after")
    def _check(self) -> Volume:
        if not self.path.startswith("/") or ".." in self.path.split("/"):
            raise InvalidRequest("must be an absolute path without '..'.", field="path")
        return self


class Catalog(Value):
    """Everything a lab may be made of.

    Attributes:
        images: At least one, names unique.
        volumes: Names unique.
        default_image: Name of one of the images.
        max_gpus: GPUs one lab may hold at most.
        max_replicas: Replicas one job may have at most, over all roles.
    """

    images: tuple[Image, ...] = Field(min_length=1)
    volumes: tuple[Volume, ...] = ()
    default_image: Name
    max_gpus: int = Field(default=MAX_GPUS, ge=0, le=MAX_GPUS)
    max_replicas: int = Field(default=16, ge=1, le=1024)

    @model_validator(mode="after")
    def _check(self) -> Catalog:
        for field, names in (
            ("images", [image.name for image in self.images]),
            ("volumes", [volume.name for volume in self.volumes]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise InvalidRequest(f"the name {twice[0]} is there twice.", field=field)
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


class LabSpec(Value):
    """What a person picks at login.

    Attributes:
        image: Name of an image of the catalog.
        gpus: How many whole GPUs; 0 is a CPU lab.
        volumes: Names of volumes of the catalog.
        tensorboard: Whether the lab offers TensorBoard at its own URL.
    """

    image: Name
    gpus: int = Field(default=0, ge=0, le=MAX_GPUS)
    volumes: tuple[Name, ...] = ()
    tensorboard: bool = True

    @model_validator(mode="after")
    def _check(self) -> LabSpec:
        if len(set(self.volumes)) != len(self.volumes):
            raise InvalidRequest("a volume is named twice.", field="volumes")
        return self

    def check(self, catalog: Catalog) -> LabSpec:
        """Return the spec when the catalog offers all it names.

        Raises:
            InvalidRequest: naming the field and what is offered instead.
        """
        catalog.image(self.image)
        for name in self.volumes:
            catalog.volume(name)
        if self.gpus > catalog.max_gpus:
            raise InvalidRequest(f"one lab may hold {catalog.max_gpus} GPUs at most.", field="gpus")
        return self
