"""Files of a folder that may be anybody's, read by name and within a limit."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from .wholeness import is_whole

__all__ = ("SMALL", "File", "Files", "Missing", "Purse", "Spent", "look", "read_json")

#: Of one file that is parsed.
SMALL = 4 * 1024 * 1024
#: Of one search.
_MAX_BYTES, _MAX_FILES = 256 * 1024 * 1024, 20_000
#: So many names in a folder cost as much as one file.
_NAMES_PER_FILE = 50


class Missing(Exception):
    """A file is not there, or is none that may be read."""


class Files(Protocol):
    """A folder that is read by names below it."""

    def names(self, *parts: str) -> list[str]:
        """Names in a folder; none when it is no folder."""

    def opened(self, *parts: str) -> AbstractContextManager[int]:
        """A descriptor of a regular file; raises `Missing`."""


class Spent(Exception):
    """More was read than one search may."""


class File:
    """An open file, read on the purse of its search."""

    def __init__(self, fd: int, purse: Purse) -> None:
        about = os.fstat(fd)
        self.size, self.time = about.st_size, about.st_mtime
        self._fd, self._purse = fd, purse

    def read(self, length: int, at: int) -> bytes:
        """At most ``length`` bytes from a place on; fewer at the end."""
        self._purse.bytes -= length
        if self._purse.bytes < 0:
            raise Spent
        return os.pread(self._fd, length, at)


class Purse:
    """The files, and how much of them may still be read.

    Args:
        files: The files.
        share: Only so great a part of what one search may read: 1 / share.
    """

    def __init__(self, files: Files, share: int = 1) -> None:
        self.bytes, self.files = _MAX_BYTES // share, _MAX_FILES // share
        self._files = files

    def names(self, *parts: str) -> list[str]:
        """Names in a folder; none when it is no folder, or too much was read before."""
        if self.files <= 0:
            return []
        names = self._files.names(*parts)
        self.files -= 1 + len(names) // _NAMES_PER_FILE
        return names

    @contextmanager
    def opened(self, *parts: str) -> Iterator[File]:
        """A regular file; raises `Missing`."""
        self.files -= 1
        if self.files < 0:
            raise Spent
        with self._files.opened(*parts) as fd:
            yield File(fd, self)


def look(files: Purse, *parts: str, whole: bool = False) -> tuple[int, float]:
    """Size and time of a regular file, which is whole where that is asked for; or `Missing`."""
    with files.opened(*parts) as file:
        if whole and not is_whole(parts[-1], file):
            raise Missing(f"{'/'.join(parts)} was cut short")
        return file.size, file.time


def read_json(files: Purse, *parts: str) -> tuple[dict[str, Any], float]:
    with files.opened(*parts) as file:
        if file.size > SMALL:
            raise Missing(f"{'/'.join(parts)} is too large")
        data = json.loads(file.read(file.size, 0))
        if not isinstance(data, dict):
            raise Missing(f"{'/'.join(parts)} is no JSON object")
        return data, file.time
