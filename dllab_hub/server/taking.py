"""Where an `Upload` takes a file from that does not come with the request: a disk, or a volume.

A directory, such as a SavedModel, comes as a tar archive of the regular files in it.
"""

from __future__ import annotations

import logging
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..errors import DLLabError, InvalidRequest, Unavailable
from ..runtime.data import Volume, VolumeError

__all__ = ("answering", "beneath", "found", "pack", "pack_remote")

_LOG = logging.getLogger(__name__)
#: Files in a directory. A SavedModel has about ten.
_MAX_FILES = 10_000
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def found(root: Path, path: str) -> int:
    """A descriptor of what lies below a root, links followed as long as they stay there.

    Raises:
        InvalidRequest: it lies elsewhere.
        OSError, ValueError, RuntimeError: it is not there, or its path is none.
    """
    there = (root / path).resolve(strict=True)
    if not there.is_relative_to(root.resolve()):
        raise InvalidRequest("must lie below the lab's own files.", field="path")
    # Without waiting: opening a pipe would take until somebody writes to it.
    return os.open(there, _OPEN)


def beneath(root: Path, path: str) -> int:
    """The same without a link anywhere, and of the root's own account: others may write there.

    Raises:
        InvalidRequest: it is somebody else's.
        OSError, ValueError: it is not there, or its path is none.
    """
    *folders, last = parts = path.split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        raise ValueError("no plain path")
    at = os.open(root, _FOLDER)
    try:
        owner = os.fstat(at).st_uid
        for name in folders:
            below = os.open(name, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        opened = os.open(last, _OPEN, dir_fd=at)
    finally:
        os.close(at)
    if os.fstat(opened).st_uid != owner:
        os.close(opened)
        raise InvalidRequest("belongs to somebody else.", field="path")
    return opened


def pack(archive: tarfile.TarFile, folder: int, owner: int | None) -> None:
    """Put the files of a directory into an archive; links are refused, and so is what is no file.

    Args:
        archive: Grows.
        folder: A descriptor.
        owner: Whose they must be, or None.
    """
    count = 0
    for top, _, names, at in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
        for name in sorted(names):
            if (count := count + 1) > _MAX_FILES:
                raise InvalidRequest(f"has more than {_MAX_FILES} files.", field="path")
            try:
                opened = os.open(name, _OPEN, dir_fd=at)
            except OSError as exc:
                raise InvalidRequest(
                    f"has a file that cannot be read: {exc.strerror}.", field="path"
                ) from exc
            with open(opened, "rb") as file:
                about = os.fstat(opened)
                if not stat.S_ISREG(about.st_mode) or owner not in (None, about.st_uid):
                    raise InvalidRequest("has something in it that is no file.", field="path")
                _add(archive, os.path.normpath(os.path.join(top, name)), about.st_size, file)


def pack_remote(archive: tarfile.TarFile, files: Any, path: str) -> None:
    """The same with a directory of a volume.

    Args:
        archive: Grows.
        files: A file system of fsspec.
        path: Of the directory.
    """
    count, inside = 0, {}
    # One directory at a time: a bucket may hold millions of files.
    for top, folders, names in files.walk(path, detail=True, on_error="raise"):
        if (count := count + len(folders) + len(names)) > _MAX_FILES:
            raise InvalidRequest(f"has more than {_MAX_FILES} files.", field="path")
        # A store may list a directory itself in it, without a name.
        inside.update({f"{top}/{name}": about for name, about in names.items() if name})
    for name, about in sorted(inside.items()):
        below = name.strip("/").removeprefix(path.strip("/")).strip("/")
        with files.open(name, "rb") as file:
            _add(archive, below, int(about.get("size") or file.size), file)


@contextmanager
def answering(volume: Volume) -> Iterator[None]:
    """What a volume's storage says, in our words; its own may repeat the options, and a key."""
    try:
        yield
    except DLLabError:
        raise
    except VolumeError as exc:
        raise Unavailable(str(exc)) from exc
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError):
        message = f"there is no such file in the volume {volume.name} that can be read."
        raise InvalidRequest(message, field="path") from None
    except PermissionError as exc:
        raise InvalidRequest(
            f"the storage of the volume {volume.name} refuses this.", field="path"
        ) from exc
    except Exception as exc:  # Every storage has exceptions of its own.
        _LOG.warning("The volume %s does not answer: %r", volume.name, exc)
        raise Unavailable(
            f"the volume {volume.name} does not answer.", hint="Try again later."
        ) from exc


def _add(archive: tarfile.TarFile, name: str, size: int, file: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    try:
        archive.addfile(info, file)
    except OSError as exc:
        if "unexpected end of data" in str(exc):
            raise InvalidRequest("has a file that shrinks while it is read.", field="path") from exc
        raise
