"""Data that the administrator offers: `Volume`."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from .wire import Name, Value

__all__ = ("Volume",)

#: Below these a volume may be mounted on a cluster; everything else belongs to the image.
_MOUNT_ROOTS = ("data", "home", "mnt")


class Volume(Value):
    """Data that the administrator offers: exactly one of ``path url claim nfs csi`` says where.

    Attributes:
        name: Key.
        title: What people read.
        read_only: Whether people are meant to write to it. On one machine with one account nothing
            enforces this for a directory, and the form says so.
        mount: Where it appears, relative to the lab's home, or on a cluster an absolute path below
            ``/data``, ``/home`` or ``/mnt``; ``data/<name>`` when empty.
        path: Absolute path of a directory of this machine (a mounted NAS too).
        url: Of object storage or HDFS, in fsspec's terms: ``s3://bucket/prefix``,
            ``webhdfs://namenode:9870/data``. It is not mounted: JupyterLab's file browser and
            `dllab_hub.runtime.data` reach it through fsspec.
        options: fsspec's ``storage_options`` for ``url``; whoever may use the volume can read them.
        claim: Name of a PersistentVolumeClaim (cluster).
        nfs: ``server:/exported/path`` (cluster).
        csi: ``driver`` and string ``attributes`` of an ephemeral inline CSI volume (cluster).
        sub_path: Directory inside a claim; ``{username}`` stands for the person's name.
        users: Who may use it; everybody when this and ``groups`` are empty.
        groups: Groups of the hub whose members may use it.
    """

    name: Name
    title: str = Field(min_length=1, max_length=100)
    read_only: bool = False
    mount: str = Field(default="", max_length=255)
    path: str = ""
    url: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    claim: str = ""
    nfs: str = ""
    csi: dict[str, Any] = Field(default_factory=dict)
    sub_path: str = Field(default="", max_length=255)
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["path", "url", "claim", "nfs", "csi"]:
        """Which of them says where it is."""
        if self.path:
            return "path"
        if self.url:
            return "url"
        return "claim" if self.claim else "nfs" if self.nfs else "csi"

    @property
    def place(self) -> str:
        """Where it appears: ``mount``, or what that means when it is empty."""
        return self.mount or f"data/{self.name}"

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [k for k in ("path", "url", "claim", "nfs", "csi") if getattr(self, k)]
        if len(given) != 1:
            raise InvalidRequest(
                "says in more than one way where it is." if given else "does not say where it is.",
                hint="Give exactly one of path, url, claim, nfs, csi.",
                field=given[1] if given else "path",
            )
        if self.path and (not self.path.startswith("/") or ".." in self.path.split("/")):
            raise InvalidRequest("must be an absolute path without '..'.", field="path")
        if self.url and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s\x00-\x1f]+", self.url):
            raise InvalidRequest("must look like s3://bucket/prefix.", field="url")
        if self.options and not self.url:
            raise InvalidRequest("are for a url only.", field="options")
        if self.claim and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", self.claim):
            raise InvalidRequest("must be the name of a PersistentVolumeClaim.", field="claim")
        if self.nfs and not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+:/[^\s\x00-\x1f:]*", self.nfs):
            raise InvalidRequest("must look like server:/exported/path.", field="nfs")
        if self.csi and not (
            set(self.csi) <= {"driver", "attributes"}
            and isinstance(self.csi.get("driver"), str)
            and isinstance(self.csi.get("attributes", {}), dict)
            and all(isinstance(v, str) for v in self.csi.get("attributes", {}).values())
        ):
            raise InvalidRequest("has a driver and attributes that are strings.", field="csi")
        if self.sub_path and not self.claim:
            raise InvalidRequest("is for a claim only.", field="sub_path")
        if self.sub_path.startswith("/") or ".." in self.sub_path.split("/"):
            raise InvalidRequest("must be a relative path without '..'.", field="sub_path")
        if re.search(r"[{}$]", self.sub_path.replace("{username}", "")):
            # One directory of that name, for everybody.
            raise InvalidRequest("knows {username} and nothing else.", field="sub_path")
        self._check_mount()
        return self

    def _check_mount(self) -> None:
        parts = self.mount.split("/")
        if not self.mount:
            return
        if any(part in {".", ".."} for part in parts) or "" in parts[1:]:
            raise InvalidRequest("must be a plain path without '..'.", field="mount")
        if self.mount.startswith("/") and (len(parts) < 3 or parts[1] not in _MOUNT_ROOTS):
            raise InvalidRequest(
                "must lie below /data, /home or /mnt, or be relative to the home.", field="mount"
            )
