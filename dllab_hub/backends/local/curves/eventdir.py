"""`EventDir`: the event files below a job's TensorBoard directory, never outside of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice

from ..rundir import RunDir, Unreadable

__all__ = ("MOST_FILES", "EventDir", "begun")

#: Files and folders that are looked at, and how deep they may lie.
MOST_FILES, _MOST_FOLDERS, _DEEPEST = 500, 500, 6
#: Names that are looked at in all, whatever else somebody keeps there.
_MOST_NAMES = 20_000
_MARK = "tfevents"


class EventDir(RunDir):
    """Belongs to the job's account, and is trusted as little as its run directory."""

    def files(self) -> list[tuple[str, ...]]:
        """Event files as parts below the directory; within a folder as they were begun."""
        return sorted(
            islice(self._walk(), MOST_FILES), key=lambda parts: (parts[:-1], begun(parts[-1]))
        )

    def _walk(self) -> Iterator[tuple[str, ...]]:
        folders: list[tuple[str, ...]] = [()]
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


def begun(name: str) -> str:
    """The name of an event file so that of two the one that was begun first is less.

    It has the second, the machine, the process and a number, each as many digits as it needs.
    """
    return re.sub(r"[0-9]+", lambda found: found[0].zfill(20), name)
