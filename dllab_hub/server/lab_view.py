"""``lab``: what this lab is made of and where its parts are, for its own person."""

from __future__ import annotations

import getpass
import json
import os
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from jupyter_server.utils import url_path_join

from ..errors import NotFound
from ..names import slug
from ..specs import LabView, LabVolume, SshDoor
from .handler import LabHandler, allowed
from .ssh import NAME, SshServer

__all__ = ("KEY", "ROUTES", "Place", "origin")

#: In the application's settings: the `Place`; not there in the lab service.
KEY = "dllab_place"


class Place:
    """What the hub has said about the lab, in the environment that it started the lab with.

    Args:
        environ: Of the Jupyter server.
        base_url: Of the Jupyter server.
        tensorboard: Path of TensorBoard; empty for none.
        ssh: As it was set up; None when it was not picked.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        base_url: str,
        tensorboard: str = "",
        ssh: SshServer | None = None,
    ) -> None:
        self._environ = environ
        self._base = base_url
        self._tensorboard = tensorboard
        self._ssh = ssh
        spec: dict[str, Any] = json.loads(environ.get("DLLAB_LAB") or "{}")
        volumes: dict[str, Any] = json.loads(environ.get("DLLAB_VOLUMES") or "{}")
        image = environ.get("DLLAB_IMAGE") or "here"
        self._known: dict[str, Any] = {
            "id": environ.get("DLLAB_LAB_ID", "") if _takes_packages(environ) else "",
            "title": environ.get("DLLAB_IMAGE_TITLE") or image,
            "image": image,
            "gpus": int(spec.get("gpus", 0)),
            "gpu_type": str(spec.get("gpu_type", "")),
            "volumes": tuple(
                LabVolume(
                    name=name,
                    title=str(volume.get("title") or name),
                    read_only=bool(volume.get("read_only")),
                    place=str(volume.get("place") or f"data/{name}"),
                )
                for name, volume in volumes.items()
            ),
            "idle": int(environ.get("DLLAB_IDLE") or 0),
        }

    def view(self, origin: str) -> LabView:
        """The lab, for somebody who reaches it at this origin, such as ``https://hub.example``."""
        return LabView(
            **self._known,
            lab=url_path_join(self._base, "lab"),
            landing=url_path_join(self._base, "dllab/"),
            tensorboard=self._tensorboard,
            ssh=None if self._ssh is None else self._door(self._ssh, origin),
        )

    def hub(self, page: str) -> str:
        """Path of one of the hub's pages, such as ``token``; empty without a hub."""
        prefix = self._environ.get("JUPYTERHUB_BASE_URL")
        return url_path_join(prefix, "hub", page) if prefix else ""

    def _door(self, ssh: SshServer, origin: str) -> SshDoor:
        person = self._environ.get("JUPYTERHUB_USER") or getpass.getuser()
        server = self._environ.get("JUPYTERHUB_SERVER_NAME")
        return SshDoor(
            user=ssh.user,
            path=url_path_join(self._base, f"{NAME}/"),
            host_keys=ssh.host_keys,
            command=f"dllab ssh-config {shlex.quote(origin + self._base)} >> ~/.ssh/config",
            alias=slug("-".join(filter(None, ("dllab", person, server))), limit=63),
            problem=ssh.problem,
        )


def _takes_packages(environ: Mapping[str, str]) -> bool:
    """Whether a job can have what was installed here: on a cluster its pod sees nothing of it."""
    return bool(environ.get("DLLAB_OVERLAY")) and environ.get("DLLAB_TARGET") != "cluster"


def origin(handler: Any) -> str:
    """Where the person reaches this server: the hub's public address, or what they asked for."""
    public = urlsplit(os.environ.get("JUPYTERHUB_PUBLIC_URL", ""))
    if public.scheme and public.netloc:
        return f"{public.scheme}://{public.netloc}"
    return f"{handler.request.protocol}://{handler.request.host}"


class View(LabHandler):
    """``lab``."""

    @allowed
    async def get(self) -> None:
        """The lab."""
        self.query()
        place: Place | None = self.settings.get(KEY)
        if place is None:
            raise NotFound("this is no lab.", hint="Ask a lab's own Jupyter server.")
        self.reply(place.view(origin(self)))


ROUTES = (("lab", View),)
