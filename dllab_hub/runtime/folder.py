"""A directory of checkpoints: each appears whole or not at all, and says what it holds.

::

    step-00000020/
      MANIFEST.json     {"step", "time", "format", "files": {name: {"size", "sha256"}}, "extra"}
      state.pt          or whatever the code saved

A checkpoint is *whole* when its manifest can be read and its files have the sizes it names, and
*verified* when their SHA-256 agrees too. Names that start with a dot are work in progress or
damaged, and nobody's checkpoint.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = (
    "MANIFEST",
    "NO_ROOM",
    "DamagedCheckpoint",
    "Folder",
    "described",
    "disk_error",
    "full",
    "manifest",
    "verify",
)

MANIFEST = "MANIFEST.json"
#: What a full disk, or one's share of it, says.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
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

    def check(self) -> None:
        """See that checkpoints can be written here, before the first one is due.

        Raises:
            OSError: they cannot; the text names the directory and the way out.
        """
        probe = self.path / f".tmp-probe-{os.getpid()}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe.mkdir()
            probe.rmdir()
        except OSError as exc:
            if exc.errno in NO_ROOM:
                return  # That may pass, and every save says so.
            why = (
                f"no checkpoint can be written ({os.strerror(exc.errno or 0)}); make the directory "
                "writable, or choose another one with dir="
            )
            raise OSError(exc.errno, why, str(self.path)) from exc

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
        work = self.begin(step)
        try:
            fill(work)
            files = {
                path.relative_to(work).as_posix(): described(path)
                for path in sorted(path for path in work.rglob("*") if path.is_file())
            }
            return self.finish(step, extra, files)
        except BaseException:
            self.abandon(step)
            raise

    def begin(self, step: int) -> Path:
        """An empty directory for the files of a step; what other saves left behind is removed."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._clean(".tmp-*")
        work = self._work(step)
        work.mkdir(mode=0o700)
        return work

    def finish(
        self, step: int, extra: Mapping[str, Any], files: Mapping[str, Any], format: str = "dllab"
    ) -> Path:
        """Turn the directory that `begin` gave into the checkpoint, which appears whole.

        Args:
            step: As it was begun.
            extra: JSON values for the manifest.
            files: Name -> `described`, of all files in it.
            format: Who can read them.

        Raises:
            OSError: nothing was changed.
            TypeError: ``extra`` is not JSON.
        """
        work, final = self._work(step), self.path / f"step-{step:08d}"
        for path in (path for path in work.rglob("*") if path.is_dir()):
            _sync(path)
        about = {
            "step": step,
            "time": time.time(),
            "format": format,
            "files": dict(files),
            "extra": dict(extra),
        }
        (work / MANIFEST).write_text(json.dumps(about, indent=1, allow_nan=False))
        _sync(work / MANIFEST)
        _sync(work)
        if final.exists():  # rename replaces no directory that has something in it.
            final.rename(self.path / f".tmp-old-{final.name}")
        work.rename(final)
        _sync(self.path)
        self._clean(".tmp-old-*")
        return final

    def abandon(self, step: int) -> None:
        """Remove what `begin` gave."""
        shutil.rmtree(self._work(step), ignore_errors=True)

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

    def _work(self, step: int) -> Path:
        return self.path / f".tmp-step-{step:08d}"

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


def verify(path: Path, part: int = 0, parts: int = 1) -> dict[str, Any]:
    """Read all of a checkpoint and compare it with its manifest, which is returned.

    Args:
        path: Of the checkpoint.
        part: Which part of its files to read, from 0, when several processes share the work.
        parts: How many parts there are.

    Raises:
        DamagedCheckpoint: a file is missing or differs.
    """
    about = manifest(path)
    for name, file in sorted(about["files"].items())[part::parts]:
        try:
            digest = _sha256(path / name)
        except OSError as exc:
            raise DamagedCheckpoint(f"{path.name}: {name} cannot be read") from exc
        if digest != file["sha256"]:
            raise DamagedCheckpoint(f"{path.name}: {name} is not what was written")
    return about


def described(path: Path) -> dict[str, Any]:
    """What a manifest says of a file, which is on the disk then.

    Raises:
        OSError: it cannot be read.
    """
    _sync(path)
    return {"size": path.stat().st_size, "sha256": _sha256(path)}


def full(exc: OSError, path: Path) -> OSError:
    """The error of a full disk, in words that people know; any other error is returned as it is."""
    if exc.errno not in NO_ROOM:
        return exc
    return OSError(exc.errno, f"the disk is full ({os.strerror(exc.errno or 0)})", str(path))


def disk_error(exc: BaseException, path: Path) -> BaseException:
    """What the disk said, behind the error that a framework made of it.

    Args:
        exc: The framework's own error.
        path: Where it wrote to.
    """
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, OSError):
            return cause
        cause = cause.__cause__ or cause.__context__
    free = os.statvfs(path).f_bavail
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) if not free else exc


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
