"""`ShimDir`: a directory that a shim owns something in, and what the service keeps beside it."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...specs import Event
from .account import Account
from .rundir import MIB, RunDir, Unreadable

__all__ = ("ShimDir", "read_events", "replace_file", "say", "sync_folder", "write_file")

#: Bytes of events that the service itself keeps of one thing; those before are kept once.
_MOST_EVENTS = MIB


class ShimDir:
    """A directory owned by the service; ``run/`` in it is the account's.

    Args:
        path: Of the directory.
        account: Whom the shim and its children run as.
    """

    def __init__(self, path: Path, account: Account) -> None:
        self.path = path
        self.account = account
        self.run = RunDir(path / "run", account)

    @property
    def lock(self) -> Path:
        """The shim holds a lock on this file, exactly as long as it lives."""
        return self.path / "shim.lock"

    def note(self, name: str, data: dict[str, Any]) -> None:
        """Keep something of the service's own.

        Raises:
            OSError: it could not be written; what was there before still is.
        """
        replace_file(self.path / name, json.dumps(data).encode())

    def noted(self, name: str) -> dict[str, Any] | None:
        """What `note` kept, or None."""
        try:
            data = json.loads((self.path / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return data if isinstance(data, dict) else None

    def say(self, reason: str, message: str) -> None:
        """Add an event that the service itself has to tell."""
        say(self.path / "events.jsonl", reason, message)

    def events(self) -> tuple[Event, ...]:
        """What the shim and the service said, oldest first; a line that is no event is left out."""
        return read_events(self.path / "events.jsonl", self.run)


def say(path: Path, reason: str, message: str) -> None:
    """Append an event to a file of the service's own."""
    line = json.dumps({"time": time.time(), "reason": reason, "message": message})
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "a") as file:
        file.write(line + "\n")
        size = file.tell()
    if size > _MOST_EVENTS:
        path.rename(path.with_name(f"{path.name}.1"))


def read_events(path: Path, run: RunDir | None = None) -> tuple[Event, ...]:
    """Events of the service, and those of a shim when its run directory is given, oldest first."""
    lines: list[bytes] = []
    for part in (path.with_name(f"{path.name}.1"), path):
        with suppress(FileNotFoundError):
            lines += part.read_bytes().splitlines()
    if run is not None:
        with suppress(Unreadable), run.opened("events.jsonl") as (fd, size):
            lines += os.pread(fd, MIB, max(size - MIB, 0)).splitlines()
    events = []
    for line in lines:
        with suppress(ValueError, RecursionError):
            events.append(Event.from_wire(json.loads(line)))
    return tuple(sorted(events, key=lambda event: event.time))


def write_file(path: Path, data: bytes) -> None:
    """Write a file of mode 0600, to the disk.

    Raises:
        OSError: it could not be written, or its name is a link.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole, or leave what was there before.

    Raises:
        OSError: it could not be written.
    """
    beside = path.with_name(f".{path.name}")
    try:
        write_file(beside, data)
        beside.rename(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a directory on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
