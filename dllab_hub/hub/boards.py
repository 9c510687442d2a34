"""Where TensorBoard in a lab's pod finds the event files of its person's jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..names import slug
from ..state import StateDir

__all__ = ("mounted", "place", "prepare")

_NAME = "dllab-tensorboard"


def place(owner: str) -> str:
    """Absolute path of the person's directory, in the lab's container as here.

    The lab service says of each job where its event files are: there they are in the lab, too.
    """
    return str(StateDir.default().tensorboard / slug(owner))


def prepare(owner: str) -> None:
    """Make the person's directory: what Kubernetes makes for a mount belongs to root. Blocks.

    Raises:
        OSError: the claim is not mounted where ``DLLAB_SHARED`` says, or is full.
    """
    # The lab service, which has not run yet, would make it.
    os.makedirs(place(owner), mode=0o700, exist_ok=True)


def mounted(settings: Mapping[str, Any], claim: str, owner: str) -> dict[str, Any]:
    """``volumes`` and ``volume_mounts`` of a lab with that directory too, which it may only read.

    Args:
        settings: Those of KubeSpawner, as lists.
        claim: In the labs' namespace.
        owner: The person.
    """
    source = {"name": _NAME, "persistentVolumeClaim": {"claimName": claim}}
    mount = {
        "name": _NAME,
        "mountPath": place(owner),
        "subPath": f"tensorboard/{slug(owner)}",
        "readOnly": True,
    }
    return {
        "volumes": [*settings["volumes"], source],
        "volume_mounts": [*settings["volume_mounts"], mount],
    }
