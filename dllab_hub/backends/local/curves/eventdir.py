"""`EventDir`: the event files below a job's TensorBoard directory, never outside of it.

`EventDirs`: those that its code wrote elsewhere in its workspace too, where writers choose a place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from ....shim import EVENT_FOLDERS, WORKSPACE
from ..rundir import RunDir, Unreadable

__all__ = ("MOST_FILES", "EventDir", "EventDirs", "begun")

#: Files and folders that are looked at, and how deep they may lie.
MOST_FILES, _MOST_FOLDERS, _DEEPEST = 500, 500, 6
#: Names that are looked at in all, whatever else somebody keeps there.
_MOST_NAMES = 20_000
_MARK = "tfevents"
_STAMP = re.compile(r"tfevents\.(\d{1,12})\.")


class EventDir(RunDir):
    """Belongs to the job's account, and is trusted as little as its run directory."""

    _tops: tuple[tuple[str, ...], ...] = ((),)  # The folders in it that are looked at.

    def files(self) -> list[tuple[str, ...]]:
        """Event files as parts below the directory; within a folder as they were begun."""
        return sorted(
            islice(self._walk(), MOST_FILES), key=lambda parts: (parts[:-1], begun(parts[-1]))
        )

    def _walk(self) -> Iterator[tuple[str, ...]]:
        folders = list(self._tops)
        seen, names = 0, _MOST_NAMES
        while folders and seen < _MOST_FOLDERS:
            parts, seen = folders.pop(0), seen + 1
            try:
                with self._folder(parts) as fd, os.scandir(fd) as entries:
                    for entry in islice(entries, names):
                        names -= 1
                        if entry.is_dir(follow_symlinks=False):
                            if len(parts) < _DEEPEST:
                                folders.append((*parts, entry.name))
                        elif _MARK in entry.name and entry.is_file(follow_symlinks=False):
                            yield (*parts, entry.name)
            except Unreadable:
                continue  # Gone meanwhile, or no folder of ours.


class EventDirs(EventDir):
    """A job's TensorBoard directory, and ``runs`` and ``lightning_logs`` in its workspace.

    Parts of a file in the workspace begin with an empty one, which nothing has that lies elsewhere.

    Args:
        path: The TensorBoard directory.
        run: Of the job.
        since: When it was submitted, seconds since the epoch: what its workspace brought along is
            not of this job.
    """

    def __init__(self, path: Path, run: RunDir, since: float) -> None:
        super().__init__(path, run.account)
        self._since = int(since)
        self._run = EventDir(run.path, run.account)
        self._run._tops = tuple((WORKSPACE, name) for name in EVENT_FOLDERS)

    def files(self) -> list[tuple[str, ...]]:
        """Event files, those of the TensorBoard directory first."""
        others = [("", *parts[1:]) for parts in self._run.files() if self._is_new(parts[-1])]
        return [*super().files(), *others][:MOST_FILES]

    @contextmanager
    def opened(self, *parts: str) -> Iterator[tuple[int, int]]:
        """As `RunDir.opened`."""
        found = super().opened(*parts) if parts[0] else self._run.opened(WORKSPACE, *parts[1:])
        with found as opened:
            yield opened

    def size_of(self, *parts: str) -> int | None:
        """As `RunDir.size_of`."""
        return super().size_of(*parts) if parts[0] else self._run.size_of(WORKSPACE, *parts[1:])

    def _is_new(self, name: str) -> bool:
        stamp = _STAMP.search(name)
        return stamp is not None and int(stamp[1]) >= self._since


def begun(name: str) -> str:
    """The name of an event file so that of two the one that was begun first is less.

    It has the second, the machine, the process and a number, each as many digits as it needs.
    """
    return re.sub(r"[0-9]+", lambda found: found[0].zfill(20), name)
