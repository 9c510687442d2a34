"""What stands in the login form's fields: `Choice`, as text, which need not be valid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from ..errors import InvalidRequest
from ..specs import CUSTOM, Catalog, LabSpec
from .options import read_options

__all__ = ("Choice", "Lost", "remembered")

#: Fields that are judged together: one means nothing without the other, and what limits another
#: comes before it.
_GROUPS = (
    ("image", "custom"),
    ("gpu_type",),
    ("gpus",),
    ("cpus",),
    ("memory",),
    ("tensorboard",),
    ("ssh", "ssh_key"),
    ("requirements",),
    ("idle",),
    ("wait",),
    ("lend",),
)
_YES = {"1", "on", "true", "yes"}


@dataclass(frozen=True)
class Choice:
    """The fields' texts, as a browser would send them.

    Attributes:
        volumes: Names of the boxes that are ticked.
        memory: Bytes.
        requirements: One package a line.
    """

    image: str
    custom: str = ""
    gpus: str = "0"
    gpu_type: str = ""
    cpus: str = ""
    memory: str = ""
    volumes: frozenset[str] = frozenset()
    tensorboard: bool = True
    ssh: bool = False
    ssh_key: str = ""
    requirements: str = ""
    idle: str = ""
    wait: str = "0"
    lend: bool = False

    @classmethod
    def of(cls, spec: LabSpec) -> Self:
        """The fields that would send this."""
        return cls(
            image=spec.image,
            custom=spec.custom,
            gpus=str(spec.gpus),
            gpu_type=spec.gpu_type,
            cpus="" if spec.cpus is None else f"{spec.cpus:g}",
            memory="" if spec.memory is None else str(spec.memory),
            volumes=frozenset(spec.volumes),
            tensorboard=spec.tensorboard,
            ssh=spec.ssh,
            ssh_key=spec.ssh_key,
            requirements="\n".join(spec.requirements),
            idle="" if spec.idle is None else str(spec.idle),
            wait=str(spec.wait),
            lend=spec.lend,
        )

    @classmethod
    def typed(cls, options: Mapping[str, Any]) -> Self:
        """The fields as somebody left them: the texts of a posted form, whatever they are."""
        texts = {field: text for field, text in options.items() if isinstance(text, str)}
        volumes = options.get("volumes")
        names = volumes if isinstance(volumes, list) else [volumes]

        def ticked(field: str) -> bool:
            return texts.get(field, "").lower() in _YES

        return cls(
            image=texts.get("image", ""),
            custom=texts.get("custom", ""),
            gpus=texts.get("gpus", "0"),
            gpu_type=texts.get("gpu_type", ""),
            cpus=texts.get("cpus", ""),
            memory=texts.get("memory", ""),
            volumes=frozenset(name for name in names if isinstance(name, str)),
            tensorboard=ticked("tensorboard"),
            ssh=ticked("ssh"),
            ssh_key=texts.get("ssh_key", ""),
            requirements=texts.get("requirements", ""),
            idle=texts.get("idle", ""),
            wait=texts.get("wait", "0"),
            lend=ticked("lend"),
        )


@dataclass(frozen=True)
class Lost:
    """A part of the last choice that cannot be had any more.

    Attributes:
        field: Field of the form.
        names: What it was, as text of the person's own; empty where that says nothing.
    """

    field: str
    names: tuple[str, ...] = ()


def remembered(options: object, catalog: Catalog, gpus: int | None) -> tuple[LabSpec, list[Lost]]:
    """The last choice as far as it is still offered, and what is gone.

    Each field is judged alone: a volume that is gone does not forget the image.

    Args:
        options: As JupyterHub kept them; anybody with a token writes there what they like.
        catalog: What is offered to this person.
        gpus: How many GPUs this machine has; None on a cluster.
    """
    if isinstance(options, dict) and isinstance(options.get("user_options"), dict):
        options = options["user_options"]
    if not isinstance(options, dict) or not options:
        return read_options({}, catalog, gpus), []
    try:
        return read_options(options, catalog, gpus), []
    except InvalidRequest:
        pass
    kept: dict[str, Any] = {}
    lost: list[Lost] = []
    for group in _GROUPS:
        wish = {field: options[field] for field in group if field in options}
        if not wish or _holds({**kept, **wish}, catalog, gpus):
            kept |= wish
        else:
            lost.append(Lost(group[0], tuple(_said(wish, group[0]))))
    volumes = options.get("volumes")
    named = [name for name in volumes if isinstance(name, str)] if isinstance(volumes, list) else []
    offered = {volume.name for volume in catalog.volumes}
    kept["volumes"] = [name for name in dict.fromkeys(named) if name in offered]
    if gone := [name for name in dict.fromkeys(named) if name not in offered]:
        lost.append(Lost("volumes", tuple(name[:80] for name in gone[:10])))
    return read_options(kept, catalog, gpus), lost


def _said(wish: Mapping[str, Any], field: str) -> Iterator[str]:
    """What to call a choice that is gone, where its value means something to people."""
    value = wish.get("custom") if wish.get("image") == CUSTOM else wish.get(field)
    if field in {"image", "gpus", "gpu_type"} and isinstance(value, str | int):
        yield str(value)[:80]


def _holds(options: dict[str, Any], catalog: Catalog, gpus: int | None) -> bool:
    try:
        read_options(options, catalog, gpus)
    except InvalidRequest:
        return False
    return True
