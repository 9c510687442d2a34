"""`Stall`: whether a job still gives signs of life, and what is said when it does not."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import CHECKPOINTS, EVENT_FOLDERS, REPORTS
from .environment import workspace_of
from .limits import duration
from .record import Events

__all__ = ("Stall",)

#: Seconds between two looks: this part of the time after which a job counts as stalled, within
#: these bounds.
_PART, _SHORTEST, _LONGEST = 1 / 20, 1.0, 15.0
#: Entries that are looked at in one directory, with those one level below it.
_MOST = 200
#: The same, and levels, when nothing else was heard for so long that the job counts as stalled.
_MOST_OF_ALL, _DEEPEST = 5000, 6


class Stall:
    """Hears output at once, and looks now and then for what else shows that a job works.

    That is a file that is new, or has grown or changed, among its reports, its event files and its
    checkpoints. Processor time is no sign: who waits in a collective operation may well use it.

    Args:
        run: The job's run directory.
        plan: ``stall_after`` seconds without a sign; without it nobody looks. With ``on_stall``
            ``relaunch`` a stalled attempt has failed.
        events: Hears of a stall and of its end.

    Attributes:
        after: Seconds without a sign after which the job counts as stalled; None: it never does.
        relaunches: Whether a stalled job is to be relaunched.
        silent_since: When the last sign was, seconds since the epoch, while the job is stalled.
        due: When to look next, as of `time.monotonic`; None when there is nothing to look for.
    """

    def __init__(self, run: Path, plan: Mapping[str, Any], events: Events) -> None:
        self.after: float | None = None if "command" in plan else plan.get("stall_after")
        self.relaunches = plan.get("on_stall") == "relaunch"
        self.silent_since: float | None = None
        self.due: float | None = None
        self._folders: list[Path] = []
        if self.after is not None:
            workspace = workspace_of(plan, run)
            self._folders = [run / REPORTS, run / CHECKPOINTS, Path(plan["tensorboard"])]
            self._folders += [workspace / name for name in EVENT_FOLDERS]
        self._events = events
        self._last = 0.0
        self._last_newest = 0
        self._seen: object = None

    @property
    def words(self) -> str:
        """``no line, step or event file for 10 min``, in a sentence about a stalled job."""
        return f"no line, step or event file for {duration(self.after or 0.0)}"

    def begin(self) -> None:
        """An attempt begins: its time counts from now."""
        if self.after is None:
            return
        self.silent_since = None
        self._last = time.monotonic()
        self._seen = self._look_at_files()
        self._last_newest = self._newest()
        self._wait()

    def heard(self) -> bool:
        """The job has given a sign of life; whether it had stalled."""
        now = time.monotonic()
        before, self.silent_since = self.silent_since, None
        if before is not None:
            silent = duration(now - self._last)
            self._events.add("GoesOn", f"the job is heard of again, after {silent}.")
        self._last = now
        return before is not None

    def look(self, *, follows: str = "its processes still run") -> bool:
        """Look for signs in its files, when it is time to.

        Args:
            follows: What is done when it has stalled.

        Returns:
            Whether the job has stalled just now.
        """
        if self.due is None or time.monotonic() < self.due:
            return False
        self._wait()
        if (seen := self._look_at_files()) != self._seen:
            self._seen = seen
            self._last_newest = max(self._last_newest, *(newest for _, _, newest in seen))
            self.heard()
        silent = time.monotonic() - self._last
        if self.after is None or silent < self.after:
            return False
        # Before that is said all is looked at, also what was left out for its number.
        since, newest = time.time() - silent, self._newest()
        if newest > max(self._last_newest, since * 1e9):
            self._last_newest = newest
            self.heard()
            return False
        if self.silent_since is not None:
            self.due = time.monotonic() + _LONGEST  # Such a look costs more.
            return False
        self.silent_since = since
        self._events.add("Stalled", f"{self.words}; {follows}.")
        return True

    def _wait(self) -> None:
        pause = min(max((self.after or 0.0) * _PART, _SHORTEST), _LONGEST)
        self.due = time.monotonic() + pause

    def _look_at_files(self) -> list[tuple[int, int, int]]:
        return [_state_of(folder) for folder in self._folders]

    def _newest(self) -> int:
        return max(_state_of(folder, _MOST_OF_ALL, _DEEPEST)[2] for folder in self._folders)


def _state_of(folder: Path, most: int = _MOST, deep: int = 1) -> tuple[int, int, int]:
    """Count, size and newest change of what lies in a directory and so many levels below."""
    count = size = newest = 0
    waiting = [(os.fspath(folder), deep)]
    for path, deeper in waiting:
        try:
            newest = max(newest, os.stat(path, follow_symlinks=False).st_mtime_ns)
            with os.scandir(path) as entries:
                for entry in entries:
                    if (count := count + 1) > most:
                        return count, size, newest
                    about = entry.stat(follow_symlinks=False)
                    size += about.st_size
                    newest = max(newest, about.st_mtime_ns)
                    if deeper and stat.S_ISDIR(about.st_mode):
                        waiting.append((entry.path, deeper - 1))
        except OSError:  # It is not there, or changes meanwhile: the next look sees it.
            continue
    return count, size, newest
