"""`Blobs`: contents on the disk, named by their SHA-256.

A content appears under its name when it is whole. A large one is on the disk by then. Small ones
are too many to wait for each: after a power failure such a one may be damaged, so they are looked
at again whenever they are copied, and one that is damaged is not there any more.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...errors import InvalidRequest
from ..archive import Member

__all__ = ("Blobs", "new_file", "write_all")

_LOG = logging.getLogger(__name__)
_PIECE = 1024 * 1024
#: Bytes from which a content is written through to the disk at once.
_LARGE = 1024 * 1024
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Blobs:
    """Everything blocks; any thread may call.

    Args:
        root: ``<root>/ab/<sha256>`` is a content.
        incoming: Where contents lie while they are written, on the same file system.
    """

    def __init__(self, root: Path, incoming: Path) -> None:
        self._root = root
        self._incoming = incoming

    def has(self, sha256: str, size: int) -> bool:
        """Whether a content is there, and of this size."""
        try:
            return os.stat(self._path(sha256)).st_size == size
        except FileNotFoundError:
            return False

    def take(self, archive: BinaryIO, member: Member) -> None:
        """Keep a member of an archive.

        Raises:
            InvalidRequest: its bytes are not what its name says.
            OSError: the disk refuses; nothing of it was left behind.
        """
        digest = hashlib.sha256()
        archive.seek(member.offset)
        path = self._path(member.sha256)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with new_file(self._incoming, path, sync=member.size >= _LARGE) as file:
            left = member.size
            while left and (piece := archive.read(min(left, _PIECE))):
                digest.update(piece)
                write_all(file, piece)
                left -= len(piece)
            if digest.hexdigest() != member.sha256:
                raise InvalidRequest(
                    f"the bytes of {member.sha256[:12]}... are not what its name says.",
                    hint="Send it again.",
                    field="archive",
                )

    def put(self, sha256: str, size: int, target: Path, mode: int, sync: bool) -> bool:
        """Copy a content into a new file; False when it is not there, or damaged.

        Raises:
            OSError: the disk refuses.
        """
        blob = self._path(sha256)
        try:
            fd = os.open(blob, _OLD)
        except FileNotFoundError:
            return False
        with (
            open(fd, "rb", buffering=0) as source,
            open(os.open(target, _NEW, mode), "wb", buffering=0) as copy,
        ):
            if size >= _LARGE:
                is_whole = _copy(source, copy) == size
            else:
                data = source.read(_LARGE)
                is_whole = hashlib.sha256(data).hexdigest() == sha256
                write_all(copy, data)
            if is_whole and sync:
                os.fsync(copy.fileno())
        if not is_whole:
            _LOG.warning("%s is damaged and is forgotten.", blob)
            Path(blob).unlink(missing_ok=True)
        return is_whole

    def read(self, sha256: str, limit: int) -> bytes | None:
        """A small content; None when it is not there, larger, or damaged."""
        try:
            fd = os.open(self._path(sha256), _OLD)
        except FileNotFoundError:
            return None
        with open(fd, "rb", buffering=0) as source:
            data = source.read(limit + 1)
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def all(self) -> Iterator[os.DirEntry[str]]:
        """Every content there is."""
        for folder in os.scandir(self._root):
            yield from os.scandir(folder.path)

    def _path(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"


@contextmanager
def new_file(folder: Path, path: str | Path, *, sync: bool) -> Iterator[BinaryIO]:
    """Write a file that appears under its name at the end, or not at all.

    Args:
        folder: Where it lies while it is written, on the same file system.
        path: Its name.
        sync: Have it on the disk before it appears.
    """
    fd, name = tempfile.mkstemp(dir=folder)
    try:
        with open(fd, "wb", buffering=0) as file:
            yield file
            if sync:
                os.fsync(fd)
        os.rename(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_all(file: BinaryIO, piece: bytes) -> None:
    """All of it: an unbuffered file may take less at a time."""
    with memoryview(piece) as left:
        done = 0
        while done < len(piece):
            done += file.write(left[done:])


def _copy(source: BinaryIO, target: BinaryIO) -> int:
    """Copy a large file, sharing its blocks where the file system can; the bytes copied."""
    done = 0
    try:
        while count := os.copy_file_range(source.fileno(), target.fileno(), 1 << 30):
            done += count
    except OSError:
        if done:
            raise
    if not done:  # Not between these two file systems, or not with this kernel.
        while piece := source.read(_PIECE):
            write_all(target, piece)
            done += len(piece)
    return done
