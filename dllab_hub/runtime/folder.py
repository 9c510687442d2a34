"""A directory of checkpoints: each appears whole or not at all, and says what it holds.

::

    step-00000020/
      MANIFEST.json     {"step", "time", "files": {name: {"size", "sha256"}}, "extra"}
      state.pt          or whatever the code saved

A checkpoint is *whole* when its manifest can be read and its files have the sizes it names, and
*verified* when their SHA-256 agrees too. Names that start with a dot are work in progress or
damaged, and nobody's checkpoint.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ("DamagedCheckpoint", "Folder", "MANIFEST", "manifest", "verify")

MANIFEST = "MANIFEST.json"
_STEP = re.compile(r"step-(\d{8,18})")


class DamagedCheckpoint(ValueError):
    """A checkpoint is not what its manifest says; the text names the file."""


class Folder:
    """The checkpoints below one directory. One process writes; any may read.

    Args:
        path: The directory; made by the first `write`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def whole(self) -> list[Path]:
        """All whole checkpoints, newest first."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.path):
                if match := _STEP.fullmatch(name):
                    found.append((int(match[1]), self.path / name))
        return [path for _, path in sorted(found, reverse=True) if _is_whole(path)]

    def write(self, step: int, extra: Mapping[str, Any], fill: Callable[[Path], None]) -> Path:
        """Make the checkpoint of a step; one of the same step is replaced.

        Args:
            step: Not negative.
            extra: JSON values for the manifest.
            fill: Writes the files into the directory it is given.

        Raises:
            OSError: nothing was changed.
            TypeError: ``extra`` is not JSON.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._clean(".tmp-*")
        final = self.path / f"step-{step:08d}"
        work = self.path / f".tmp-{final.name}"
        work.mkdir(mode=0o700)
        try:
            fill(work)
            files: dict[str, dict[str, Any]] = {}
            for path in sorted(path for path in work.rglob("*") if path.is_file()):
                _sync(path)
                name = path.relative_to(work).as_posix()
                files[name] = {"size": path.stat().st_size, "sha256": _sha256(path)}
            for path in (path for path in work.rglob("*") if path.is_dir()):
                _sync(path)
            about = {"step": step, "time": time.time(), "files": files, "extra": dict(extra)}
            (work / MANIFEST).write_text(json.dumps(about, indent=1, allow_nan=False))
            _sync(work / MANIFEST)
            _sync(work)
            if final.exists():  # rename replaces no directory that has something in it.
                final.rename(self.path / f".tmp-old-{final.name}")
            work.rename(final)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        _sync(self.path)
        self._clean(".tmp-old-*")
        return final

    def prune(self, keep: int) -> None:
        """Remove all whole checkpoints but the newest ``keep``."""
        for path in self.whole()[keep:]:
            # Renamed first: a removal that is cut short must not look like a checkpoint.
            gone = path.with_name(f".tmp-old-{path.name}")
            path.rename(gone)
            shutil.rmtree(gone)

    def set_aside(self, path: Path) -> None:
        """Take a damaged checkpoint out of the list; the one set aside before is removed."""
        self._clean(".damaged-*")
        with contextlib.suppress(FileNotFoundError):
            path.rename(path.with_name(f".damaged-{path.name}"))

    def _clean(self, pattern: str) -> None:
        for path in self.path.glob(pattern):
            shutil.rmtree(path)


def manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint.

    Raises:
        DamagedCheckpoint: it is missing or unreadable.
    """
    try:
        about = json.loads((path / MANIFEST).read_bytes())
        for name, file in about["files"].items():
            if not isinstance(file["size"], int) or not isinstance(file["sha256"], str):
                raise TypeError(name)
        if not isinstance(about["step"], int) or not isinstance(about["extra"], dict):
            raise TypeError("step")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise DamagedCheckpoint(f"{path.name}: its manifest is missing or unreadable") from exc
    assert isinstance(about, dict)
    return about


def verify(path: Path) -> dict[str, Any]:
    """Read all of a checkpoint and compare it with its manifest, which is returned.

    Raises:
        DamagedCheckpoint: a file is missing or differs.
    """
    about = manifest(path)
    for name, file in about["files"].items():
        try:
            digest = _sha256(path / name)
        except OSError as exc:
            raise DamagedCheckpoint(f"{path.name}: {name} cannot be read") from exc
        if digest != file["sha256"]:
            raise DamagedCheckpoint(f"{path.name}: {name} is not what was written")
    return about


def _is_whole(path: Path) -> bool:
    try:
        files = manifest(path)["files"]
        return all((path / name).stat().st_size == file["size"] for name, file in files.items())
    except (DamagedCheckpoint, OSError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
