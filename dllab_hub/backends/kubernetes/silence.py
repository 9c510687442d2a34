"""`Silence`: since when nothing was heard of a job that runs on other machines."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from ...shim import CHECKPOINTS, EVENT_FOLDERS, REPORTS
from ...specs import TrainingJob
from ..local.jobdir import JobDir
from ..local.rundir import RunDir, Unreadable

__all__ = ("Silence",)

#: Of its processor time the job is no judge: who waits in a collective operation may well use it.
_FOLDERS = ((REPORTS,), (CHECKPOINTS,), *(("workspace", name) for name in EVENT_FOLDERS))


class Silence:
    """Looks at the job's log each time, and at its other files only when that says nothing.

    Args:
        folder: Of the job.
    """

    def __init__(self, folder: JobDir) -> None:
        self._folder = folder

    def since(self, job: TrainingJob, now: float) -> float | None:
        """When it was last heard of, seconds since the epoch, if that is longer than it may be.

        Args:
            job: Which runs.
            now: Seconds since the epoch.
        """
        after = job.spec.stall_after
        if after is None or job.started is None:
            return None
        run = self._folder.run
        last = max(job.started, _changed(run, "attempts", str(job.attempt), "all.log"))
        if now - last < after:
            return None
        boards = RunDir(Path(job.tensorboard), self._folder.account) if job.tensorboard else None
        newest = [_newest(run, *parts) for parts in _FOLDERS]
        newest += [_newest(boards)] if boards is not None else []
        last = max(last, *newest)
        return None if now - last < after else last


def _changed(run: RunDir, *parts: str) -> float:
    with suppress(Unreadable), run.opened(*parts) as (fd, _):
        return os.fstat(fd).st_mtime
    return 0.0


def _newest(run: RunDir, *parts: str) -> float:
    """Of a folder's entries, and of what is in those that are folders."""
    newest = 0.0
    for name, about in run.entries(*parts):
        newest = max(newest, about.st_mtime)
        if stat.S_ISDIR(about.st_mode):
            newest = max([newest, *(inner.st_mtime for _, inner in run.entries(*parts, name))])
    return newest
