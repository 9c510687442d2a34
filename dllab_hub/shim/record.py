"""What a shim writes down: whole files or none, events, and how it ended even on a full disk."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ("Events", "ExitRecord", "NO_ROOM", "read_exit", "read_json", "write_atomic")

#: Errors of a full disk or quota.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def write_atomic(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON object so that a reader, also one after a crash, finds all of it or the old.

    Raises:
        OSError: nothing was changed.
    """
    beside = path.with_name(f".{path.name}.tmp")
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, json.dumps(data).encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        beside.rename(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, or None when there is none or it is damaged."""
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return data if isinstance(data, dict) else None


class ExitRecord:
    """How a lab or job ended, in a file whose room is taken before anything runs.

    The file has 4096 bytes: all NUL while it runs, then the JSON object
    ``{"state", "reason", "ended", "attempt"}`` with spaces and a newline behind it. ``ended`` is in
    seconds since the epoch. It is overwritten in place, so a full disk cannot lose it.
    """

    SIZE = 4096

    def __init__(self, path: Path) -> None:
        """Take the room.

        Raises:
            OSError: there is none.
        """
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._fd, self.SIZE)
        os.posix_fallocate(self._fd, 0, self.SIZE)
        os.pwrite(self._fd, bytes(self.SIZE), 0)
        os.fsync(self._fd)

    def write(self, state: str, reason: str, attempt: int) -> None:
        """Say how it ended, now. A reason too long for the file is cut."""
        ended = time.time()
        while True:
            data = {"state": state, "reason": reason, "ended": ended, "attempt": attempt}
            text = json.dumps(data).encode()
            if len(text) < self.SIZE:
                break
            # Non-ASCII characters are up to 12 bytes long in JSON: cut by halves, not by count.
            reason = reason[: len(reason) // 2] + "…"
        os.pwrite(self._fd, text.ljust(self.SIZE - 1) + b"\n", 0)
        os.fsync(self._fd)


def read_exit(path: Path) -> dict[str, Any] | None:
    """What `ExitRecord.write` wrote, or None when it has not (yet)."""
    return read_json(path)


class Events:
    """Appends what happens to ``events.jsonl``. A full disk loses events, not the job."""

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
                _write_all(fd, line.encode())
            finally:
                os.close(fd)
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                raise


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
