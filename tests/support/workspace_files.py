"""Workspaces made of a few texts, and the archives that fill them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from dllab_hub.specs import Workspace, WorkspaceFile

__all__ = ("archive", "sha", "workspace")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def workspace(files: Mapping[str, bytes], executable: tuple[str, ...] = ()) -> Workspace:
    return Workspace(
        files=tuple(
            WorkspaceFile(
                path=path, sha256=sha(data), size=len(data), executable=path in executable
            )
            for path, data in files.items()
        )
    )


def archive(path: Path, *contents: bytes, names: tuple[str, ...] = ()) -> Path:
    """A tar file of these contents, named by their SHA-256 or as said."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for number, data in enumerate(contents):
            info = tarfile.TarInfo(names[number] if names else sha(data))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
