"""Directories of data volumes in a job's workspace, as links made by the job's own account."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ("link_volumes",)


def link_volumes(volumes: Mapping[str, Mapping[str, Any]], workspace: Path) -> str:
    """Link every volume that has a ``path`` at its ``place``.

    Args:
        volumes: As in ``DLLAB_VOLUMES``, by name.
        workspace: Where the code runs.

    Returns:
        What keeps the job from starting, as a sentence; empty when all are there.
    """
    for name, about in volumes.items():
        target = about.get("path")
        if not target:
            continue  # Behind a URL: code opens it with `runtime.data`.
        if not os.path.isdir(target):
            return f"the volume {name} is not there now, or is closed to your account."
        # What a cluster mounts at an absolute path has a place here, too.
        place = f"data/{name}" if about["place"].startswith("/") else about["place"]
        link = workspace / place
        try:
            # What ran here before may have put a link of its own there.
            if not link.parent.resolve().is_relative_to(workspace.resolve()):
                raise FileExistsError
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        except (FileExistsError, NotADirectoryError):
            if not link.is_symlink() or os.readlink(link) != target:
                return f"the code has a file where the volume {name} appears: rename {place}."
    return ""
