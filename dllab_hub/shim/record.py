"""What a shim writes down of a job, and what others read of it."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .writing import replace, write_all

__all__ = ("Events", "NO_ROOM", "read_exit", "read_json", "write_atomic")

#: Errors of a full disk or quota, and of a disk that is broken or that the kernel therefore lets
#: nobody write to any more. What is told of a job is lost then, the job is not.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def write_atomic(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON object so that a reader, also one after a crash, finds all of it or the old.

    Raises:
        OSError: nothing was changed.
    """
    replace(os.fspath(path), json.dumps(data))


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, or None when there is none or it is damaged."""
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def read_exit(path: Path) -> dict[str, Any] | None:
    """What `writing.ExitRecord.write` wrote, or None when it has not (yet)."""
    return read_json(path)


class Events:
    """Appends what happens to ``events.jsonl``. A full or broken disk loses events, not the job."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, reason: str, message: str) -> None:
        """One event, now.

        Args:
            reason: One CamelCase word.
            message: A sentence for people.
        """
        line = json.dumps({"time": time.time(), "reason": reason, "message": message}) + "\n"
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                write_all(fd, line.encode())
            finally:
                os.close(fd)
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                raise
