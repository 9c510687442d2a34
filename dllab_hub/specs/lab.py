"""What a person picked: `LabSpec`."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from .catalog import CUSTOM, MAX_GPUS, Catalog
from .wire import Name, Value

__all__ = ("MAX_WAIT", "LabSpec")

#: Minutes that a lab may wait for GPUs.
MAX_WAIT = 720

# A reference of a container image, after the grammar of the distribution project, in lower case
# where that asks for it: [host[:port]/]path[:tag][@sha256:digest].
_REFERENCE = re.compile(
    r"(?:(?P<host>[A-Za-z0-9.-]+(?::[0-9]{1,5})?)/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_DEFAULT_HOST = "docker.io"


class LabSpec(Value):
    """What a person picks at login.

    Attributes:
        image: Name of an image of the catalog, or ``custom``.
        custom: With ``custom``: a container image's reference on a cluster, the absolute path of a
            virtual environment on one machine.
        gpus: How many whole GPUs; 0 is a CPU lab.
        gpu_type: Name of a GPU type of the catalog; empty when any will do.
        cpus: CPUs, one of the catalog's; None for the default.
        memory: Bytes, one of the catalog's; None for the default.
        volumes: Names of volumes of the catalog.
        tensorboard: Whether the lab offers TensorBoard at its own URL.
        ssh: Whether one may log in with SSH.
        ssh_key: OpenSSH public keys, one a line; needed with ``ssh``.
        requirements: Packages that the lab gets on top of its image (PEP 508, one each).
        idle: Minutes without use after which the lab is stopped; 0 is never, None the default.
        wait: Minutes to wait for GPUs when they are taken; 0 is not at all.
        lend: Whether one's own jobs and replicas may use the lab's GPUs too.
    """

    image: Name
    custom: str = Field(default="", max_length=512)
    gpus: int = Field(default=0, ge=0, le=MAX_GPUS)
    gpu_type: Name | Annotated[str, Field(max_length=0)] = ""
    cpus: float | None = Field(default=None, gt=0, le=1024)
    memory: int | None = Field(default=None, gt=0)
    volumes: tuple[Name, ...] = Field(default=(), max_length=200)
    tensorboard: bool = True
    ssh: bool = False
    ssh_key: str = Field(default="", max_length=16384)
    requirements: tuple[Annotated[str, Field(max_length=200)], ...] = Field(
        default=(), max_length=100
    )
    idle: int | None = Field(default=None, ge=0, le=100_000)
    wait: int = Field(default=0, ge=0, le=MAX_WAIT)
    lend: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.volumes)) != len(self.volumes):
            raise InvalidRequest("a volume is named twice.", field="volumes")
        if self.image == CUSTOM and not self.custom:
            raise InvalidRequest("say which one: a custom image was picked.", field="custom")
        if self.ssh and not self.ssh_key:
            raise InvalidRequest(
                "SSH needs your public key.",
                hint="It is in a file such as ~/.ssh/id_ed25519.pub.",
                field="ssh_key",
            )
        return self

    def check(self, catalog: Catalog) -> LabSpec:
        """Return the spec when the catalog offers all it names.

        Args:
            catalog: As this person may see it.

        Raises:
            InvalidRequest: naming the field and what is offered instead.
        """
        if self.image == CUSTOM:
            _check_custom(self.custom, catalog)
        else:
            catalog.image(self.image)
        for name in self.volumes:
            catalog.volume(name)
        most = catalog.max_gpus
        if self.gpu_type:
            kind = catalog.gpu_type(self.gpu_type)
            most = most if kind.max_gpus is None else min(most, kind.max_gpus)
        if self.gpus > most:
            raise InvalidRequest(f"one lab may hold {_gpus(most)} at most.", field="gpus")
        if self.gpus > catalog.max_gpus_per_user:
            raise InvalidRequest(
                f"your labs may hold {_gpus(catalog.max_gpus_per_user)} at most.", field="gpus"
            )
        for field, value, offered in (
            ("cpus", self.cpus, catalog.cpus),
            ("memory", self.memory, catalog.memory),
        ):
            if value is not None and value not in offered:
                choices = ", ".join(f"{choice:g}" for choice in offered)
                shared = "labs on this machine share what there is."
                raise InvalidRequest(
                    "this is not offered." if offered or catalog.target == "cluster" else shared,
                    hint=f"Choose from: {choices}." if offered else "Leave it out.",
                    field=field,
                )
        limit = catalog.idle_limit(self.gpus)
        if limit and self.idle is not None and not 0 < self.idle <= limit:
            raise InvalidRequest(f"must be 1 to {limit} minutes.", field="idle")
        if self.requirements and not catalog.bring.requirements:
            raise InvalidRequest("this hub offers no packages on top.", field="requirements")
        return self


def _gpus(number: int) -> str:
    return "1 GPU" if number == 1 else f"{number or 'no'} GPUs"


def _check_custom(custom: str, catalog: Catalog) -> None:
    bring = catalog.bring
    if catalog.target == "machine":
        if not bring.environments:
            raise InvalidRequest("this hub takes no environment of one's own.", field="custom")
        if not custom.startswith("/") or ".." in custom.split("/") or not custom.isprintable():
            raise InvalidRequest("must be the absolute path of an environment.", field="custom")
        return  # Where it may lie depends on the home: whoever starts the lab looks.
    if not bring.images:
        raise InvalidRequest("this hub takes no custom image.", field="custom")
    found = _REFERENCE.fullmatch(custom)
    if not found:
        raise InvalidRequest("this is no reference of a container image.", field="custom")
    if not re.fullmatch(bring.images, custom):
        raise InvalidRequest("the administrator does not allow this image.", field="custom")
    if bring.registries and _host(found["host"]) not in bring.registries:
        hint = f"Images may come from: {', '.join(bring.registries)}."
        raise InvalidRequest("this registry is not allowed.", hint=hint, field="custom")


def _host(first: str | None) -> str:
    """The registry: a first part without dot, port or 'localhost' is a path of the default one."""
    is_host = first and ("." in first or ":" in first or first == "localhost")
    return first.lower() if first and is_host else _DEFAULT_HOST
