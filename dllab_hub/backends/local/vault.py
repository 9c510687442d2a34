"""`Vault`: one person's workspaces on the disk.

::

    lists/<id>.json      `Workspace.listing`; its time is when it was last used
    blobs/ab/<sha256>    contents: see `blobs`
    incoming/            what is being written
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import logging
import os
import shutil
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ...errors import StorageFull
from ...specs import Workspace
from ..archive import members, opened
from .blobs import Blobs, new_file, write_all

__all__ = ("Entry", "Vault")

_LOG = logging.getLogger(__name__)
#: Bytes of the disk that are left alone: the lab itself needs some to go on.
_LEFT = 64 * 1024 * 1024
#: Workspaces of one person that are kept.
_MOST_LISTS = 100
#: Files that are waited for one by one until they are on the disk; more are waited for together.
_FEW = 500


class Entry(NamedTuple):
    """A file of a workspace: the fields of a `WorkspaceFile`, which was checked when it came."""

    path: str
    sha256: str
    size: int
    executable: bool


class Vault:
    """Everything blocks; any thread may call. One process at a time has it.

    Args:
        root: A directory of its own, made when something is announced.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lists = root / "lists"
        self._incoming = root / "incoming"
        self._blobs = Blobs(root / "blobs", self._incoming)
        self._lock = threading.Lock()  # Of what is used, and of what is removed.
        self._used: Counter[str] = Counter()  # Workspaces that are being sent or copied now.
        self._is_made = False
        self._stored = 0  # Bytes.

    def find(self, id: str) -> tuple[Entry, ...] | None:
        """The files of a workspace that was announced and is still kept; it is used now."""
        path = self._lists / f"{id}.json"
        try:
            text = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        if hashlib.sha256(text).hexdigest() != id:
            _LOG.warning("%s is damaged and is forgotten.", path)
            path.unlink(missing_ok=True)
            return None
        return tuple(Entry(*row) for row in json.loads(text))

    def missing(self, files: Collection[Entry]) -> tuple[str, ...]:
        """Contents that are not here, sorted."""
        sizes = {file.sha256: file.size for file in files}
        return tuple(sorted(sha for sha, size in sizes.items() if not self._blobs.has(sha, size)))

    def read(self, sha256: str, limit: int) -> bytes | None:
        """A small content; None when it is not here, larger, or damaged."""
        return self._blobs.read(sha256, limit)

    def announce(self, workspace: Workspace, kept: int) -> tuple[str, ...]:
        """Keep the list; what is `missing`.

        Args:
            workspace: The list.
            kept: Bytes above which what has not been used for the longest time is removed.

        Raises:
            StorageFull: there is no room for what is missing.
            OSError: the disk refuses.
        """
        self._make()
        text = workspace.listing
        id = hashlib.sha256(text).hexdigest()
        files = tuple(Entry(*row) for row in json.loads(text))
        with self._using(id):
            sizes = {file.sha256: file.size for file in files}
            missing = self.missing(files)
            coming = len(text) + sum(sizes[sha] for sha in missing)
            if self._prune(kept - coming):  # What was removed may have been part of this one.
                missing = self.missing(files)
            if shutil.disk_usage(self._root).free - coming < _LEFT:
                raise StorageFull(
                    "the disk of the lab has no room for the workspace.",
                    hint="Name what is not needed in .dllabignore, or put data on a volume.",
                )
            with new_file(self._incoming, self._lists / f"{id}.json", sync=True) as file:
                write_all(file, text)
            self._add(len(text))
            return missing

    def fill(self, id: str, files: Collection[Entry], archive: Path) -> tuple[str, ...]:
        """Take contents from an archive; what is `missing` then.

        Raises:
            InvalidRequest: it is no such archive, or a member is not what its name says; those
                before it are kept.
            OSError: the disk refuses; what was taken before is kept.
        """
        self._make()
        wanted = {file.sha256: file.size for file in files}
        with self._using(id), opened(archive) as sent:
            for member in members(sent, wanted):
                if not self._blobs.has(member.sha256, member.size):
                    self._blobs.take(sent, member)
                    self._add(member.size)
            return self.missing(files)

    def copy(self, id: str, files: Collection[Entry], into: Path) -> tuple[str, ...]:
        """Copy the files into a directory; contents that turn out to be missing or damaged.

        Raises:
            OSError: there is no room, for example.
        """
        lost = set()
        made = {""}
        is_few = len(files) <= _FEW
        with self._using(id):
            for file in files:
                _make_folders(into, os.path.dirname(file.path), made)
                mode = 0o700 if file.executable else 0o600
                target = into / file.path
                if not self._blobs.put(file.sha256, file.size, target, mode, sync=is_few):
                    lost.add(file.sha256)
        if not is_few:
            _sync_all(into)
        return tuple(sorted(lost))

    def _prune(self, kept: int) -> bool:
        """Remove what was not used for the longest time until no more than so much is kept.

        Returns:
            Whether something may have been removed.
        """
        with self._lock:
            found = [(path.stat().st_mtime_ns, path) for path in self._lists.iterdir()]
            if self._stored <= kept and len(found) < _MOST_LISTS:
                return False
            needed: set[str] = set()
            total = 0
            for number, (_, path) in enumerate(sorted(found, reverse=True)):
                text = path.read_bytes()
                try:
                    own = {sha: size for _, sha, size, _ in json.loads(text) if sha not in needed}
                except (ValueError, TypeError):
                    own = {}
                size = len(text) + sum(own.values())
                has_room = total + size <= kept and number < _MOST_LISTS - 1
                if has_room or self._used[path.stem]:
                    needed.update(own)
                    total += size
                else:
                    path.unlink()
            for blob in self._blobs.all():
                if blob.name not in needed:
                    os.unlink(blob.path)
            self._stored = self._count()
        return True

    def _make(self) -> None:
        with self._lock:
            if self._is_made and self._incoming.is_dir():
                return
            self._root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Nobody finishes what a predecessor has left there.
            shutil.rmtree(self._incoming, ignore_errors=True)
            for folder in (self._root, self._lists, self._root / "blobs", self._incoming):
                folder.mkdir(mode=0o700, exist_ok=True)
            self._stored = self._count()
            self._is_made = True

    def _count(self) -> int:
        lists = sum(entry.stat().st_size for entry in os.scandir(self._lists))
        return lists + sum(entry.stat().st_size for entry in self._blobs.all())

    @contextmanager
    def _using(self, id: str) -> Iterator[None]:
        """What is used now is not removed."""
        with self._lock:
            self._used[id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._used[id] -= 1

    def _add(self, size: int) -> None:
        with self._lock:
            self._stored += size


def _make_folders(into: Path, path: str, made: set[str]) -> None:
    if path not in made:
        _make_folders(into, os.path.dirname(path), made)
        os.mkdir(into / path, 0o700)
        made.add(path)


def _sync_all(folder: Path) -> None:
    """Have everything of a file system on the disk: for very many files the quicker way."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:  # Not Linux.
            os.sync()
        elif syncfs(fd):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(fd)
