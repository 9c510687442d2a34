"""Data volumes of the catalog as a pod's ``volumes`` and ``volumeMounts``.

Where something lies is the administrator's word alone; a person picks by name. A directory of the
node (``hostPath``) is none of the ways.
"""

from __future__ import annotations

from typing import Any

from ..errors import InvalidRequest
from ..specs import Volume

__all__ = ("is_mounted", "mount", "mount_path", "source")


def is_mounted(volume: Volume) -> bool:
    """Whether a pod mounts it; what has a URL is read through fsspec instead."""
    return volume.kind != "url"


def mount_path(volume: Volume, home: str) -> str:
    """Absolute path in the container.

    Args:
        volume: A volume that is mounted.
        home: Absolute path of the home there.
    """
    return volume.place if volume.place.startswith("/") else f"{home}/{volume.place}"


def source(volume: Volume) -> dict[str, Any]:
    """An entry of the pod's ``volumes``.

    Raises:
        InvalidRequest: a cluster has nothing of its kind.
    """
    read_only = {"readOnly": True} if volume.read_only else {}
    name = {"name": _name(volume)}
    if volume.kind == "claim":
        return {**name, "persistentVolumeClaim": {"claimName": volume.claim, **read_only}}
    if volume.kind == "nfs":
        server, path = volume.nfs.split(":/", 1)
        return {**name, "nfs": {"server": server, "path": f"/{path}", **read_only}}
    if volume.kind == "csi":
        csi = {"driver": volume.csi["driver"], **read_only}
        if volume.csi.get("attributes"):
            csi["volumeAttributes"] = dict(volume.csi["attributes"])
        return {**name, "csi": csi}
    raise InvalidRequest("is nothing that a cluster mounts.", field=f"volumes.{volume.name}")


def mount(volume: Volume, home: str, username: str) -> dict[str, Any]:
    """An entry of the container's ``volumeMounts``.

    Args:
        volume: A volume that is mounted.
        home: Absolute path of the home in the container.
        username: The person as a DNS label; ``{username}`` in ``sub_path`` stands for it.
    """
    made: dict[str, Any] = {"name": _name(volume), "mountPath": mount_path(volume, home)}
    if volume.sub_path:
        made["subPath"] = volume.sub_path.replace("{username}", username)
    if volume.read_only:
        made["readOnly"] = True
    return made


def _name(volume: Volume) -> str:
    return f"data-{volume.name}"
