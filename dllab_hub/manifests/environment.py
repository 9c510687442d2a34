"""The variables of a lab's container."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..specs import CUSTOM, Catalog, LabSpec
from .volumes import is_mounted, mount_path

__all__ = ("escape", "lab_environment", "offered_volumes")


def lab_environment(spec: LabSpec, catalog: Catalog, home: str) -> dict[str, str]:
    """What was picked, for the lab's Jupyter server and its kernels.

    Args:
        spec: It has been checked against the catalog.
        catalog: As this person sees it.
        home: Absolute path of the home in the container.

    Returns:
        Texts as the process shall see them; `escape` makes values of a manifest of them.
    """
    own = spec.image == CUSTOM
    idle = spec.idle if spec.idle is not None else catalog.idle_limit(spec.gpus)
    env = {
        "HOME": home,
        "DLLAB_LAB": json.dumps(spec.model_dump(mode="json", exclude={"ssh_key"})),
        "DLLAB_IMAGE": spec.image,
        "DLLAB_IMAGE_TITLE": spec.custom if own else catalog.image(spec.image).title,
        "DLLAB_VOLUMES": json.dumps(offered_volumes(spec.volumes, catalog, home)),
        "DLLAB_IDLE": str(idle),
        "DLLAB_TENSORBOARD": "1" if spec.tensorboard else "0",
        "DLLAB_SSH": "1" if spec.ssh else "0",
    }
    if spec.ssh:
        env["DLLAB_SSH_KEY"] = spec.ssh_key
    if not spec.gpus:
        # Framework images say NVIDIA_VISIBLE_DEVICES=all, with which NVIDIA's container runtime
        # gives every GPU of the node to a pod that has asked for none.
        env["NVIDIA_VISIBLE_DEVICES"] = "void"
    return env


def offered_volumes(names: Iterable[str], catalog: Catalog, home: str) -> dict[str, dict[str, Any]]:
    """Name -> what a program needs to reach the volume, for those that were picked."""
    found = {}
    for volume in map(catalog.volume, names):
        entry: dict[str, Any] = {
            "title": volume.title, "read_only": volume.read_only, "place": volume.place
        }  # fmt: skip
        if is_mounted(volume):
            entry["path"] = mount_path(volume, home)
        else:
            entry |= {"url": volume.url, "options": volume.options}
        found[volume.name] = entry
    return found


def escape(value: str) -> str:
    """``value`` so that Kubernetes leaves it alone: it replaces ``$(NAME)`` and reads ``$$``."""
    return value.replace("$", "$$")
