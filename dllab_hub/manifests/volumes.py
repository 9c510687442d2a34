"""Data volumes of the catalog as a pod's ``volumes`` and ``volumeMounts``.

Where something lies is the administrator's word alone; a person picks by name. A directory of the
node (``hostPath``) is none of the ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequest
from ..specs import Volume

__all__ = ("add", "check", "is_mounted", "mount", "mount_path", "source")

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a mount point, no temporary file.


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


def add(
    sources: list[Any], mounts: list[Any], volumes: Iterable[Volume], home: str, username: str
) -> None:
    """Add to a pod what every one of ours has, large shared memory, and the volumes it mounts.

    Args:
        sources: The pod's ``volumes``.
        mounts: The container's ``volumeMounts``.
        volumes: Those that were picked.
        home: As in `mount`.
        username: As in `mount`.
    """
    if _SHARED_MEMORY not in {entry.get("mountPath") for entry in mounts}:
        # 64 MiB is what containers have else, and PyTorch's data loaders need far more. It counts
        # as memory of the container.
        sources.append({"name": "shared-memory", "emptyDir": {"medium": "Memory"}})
        mounts.append({"name": "shared-memory", "mountPath": _SHARED_MEMORY})
    for volume in filter(is_mounted, volumes):
        sources.append(source(volume))
        mounts.append(mount(volume, home, username))


def check(mounts: Sequence[Mapping[str, Any]]) -> None:
    """Refuse two things at one place.

    Raises:
        InvalidRequest: naming ``volumes``.
    """
    paths = [entry["mountPath"].rstrip("/") for entry in mounts]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise InvalidRequest(
            f"more than one would appear at {twice[0]}.",
            hint="Pick one of them, or ask the administrator.",
            field="volumes",
        )


def _name(volume: Volume) -> str:
    return f"data-{volume.name}"
