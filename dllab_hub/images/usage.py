"""Which environments an image has on this machine, and what runs in them now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..state import StateDir

__all__ = ("User", "environments_of", "users_of")


@dataclass(frozen=True)
class User:
    """A process that uses an environment.

    Attributes:
        pid: Of the process.
        what: ``lab ada``, ``job digits-x7k2m9q`` or the program's name.
    """

    pid: int
    what: str

    def __str__(self) -> str:
        return f"{self.what} (process {self.pid})"


def environments_of(state: StateDir, name: str) -> list[Path]:
    """Environments of an image, built or half built, of its present and its older requirements."""
    pattern = re.compile(rf"{re.escape(name)}-[0-9a-f]{{12}}")
    there = state.envs.iterdir() if state.envs.is_dir() else ()
    return sorted(path for path in there if pattern.fullmatch(path.name) and path.is_dir())


def users_of(environments: Sequence[Path]) -> list[User]:
    """Processes that run from these environments, as far as this account may look.

    A kernel runs in an overlay, and its command names that one: so what a process has loaded counts
    as well. Of other accounts only root sees it.
    """
    # What it has loaded is named without links, its command as it was written.
    named = {path for env in environments for path in (str(env), os.path.realpath(env))}
    places = [os.fsencode(path) + b"/" for path in named]
    return [
        User(int(entry.name), _what(entry))
        for entry in _processes()
        if int(entry.name) != os.getpid() and _uses(entry, places)
    ]


def _processes() -> Iterator[Path]:
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _uses(process: Path, places: Sequence[bytes]) -> bool:
    first = _read(process / "cmdline").split(b"\0")[0]
    if any(first.startswith(place) for place in places):
        return True
    loaded = _read(process / "maps")
    return any(b" " + place in loaded for place in places)


def _what(process: Path) -> str:
    words = _read(process / "environ").split(b"\0")
    said = dict(word.split(b"=", 1) for word in words if b"=" in word)
    # A job that was submitted from a lab is a job.
    for name, kind in ((b"DLLAB_JOB_ID", "job"), (b"DLLAB_LAB_ID", "lab")):
        if name in said:
            return f"{kind} {said[name].decode(errors='replace')}"
    return _read(process / "comm").decode(errors="replace").strip() or "a process"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # It has ended, or is somebody else's.
