"""`Preparer`: writes the directory of a job that was asked for, wherever the job will run."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from ...names import slug
from ...shim import WORKSPACE
from ...specs import TrainingJob
from ...state import StateDir
from .account import Account
from .disk import disk_errors
from .jobdir import LISTING, JobDir
from .rundir import RunDir
from .shimdir import write_file
from .workspaces import LocalWorkspaces

__all__ = ("Preparer",)


class Preparer:
    """Knows where the files of jobs go.

    Args:
        state: Where things lie.
        workspaces: Has the files that travel with jobs.
    """

    def __init__(self, state: StateDir, workspaces: LocalWorkspaces) -> None:
        self._state = state
        self._workspaces = workspaces

    def tensorboard(self, job: TrainingJob) -> Path:
        """Where a job's event files go."""
        return self._state.tensorboard / slug(job.owner) / job.id

    def located(self, job: TrainingJob) -> TrainingJob:
        """The job with the places of its files."""
        workspace = self._state.jobs / job.id / "run" / WORKSPACE
        tensorboard = str(self.tensorboard(job))
        return job.model_copy(update={"workspace": str(workspace), "tensorboard": tensorboard})

    def prepare(self, job: TrainingJob, folder: JobDir) -> TrainingJob:
        """Write a new job's directory, as a draft. Any thread may do it.

        Raises:
            StorageFull: there is no room; nothing was left behind.
            InvalidRequest: a file of the code cannot have its name, or what it is to begin with is
                not there.
        """
        job = self.located(job)
        with disk_errors():
            folder.create(job, self._filler(job), self._beginning(job))
            if job.spec.workspace is not None:
                listing = self._workspaces.listing(job.owner, job.spec.workspace)
                write_file(folder.draft.path / LISTING, listing)
            folder.draft.run.hand_over()
        return job

    def open_tensorboard(self, job: TrainingJob, account: Account) -> None:
        """Make the directory of a job's event files the account's, following no link it may plant.

        Raises:
            OSError: it cannot be made.
        """
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        folder = os.open(self._state.tensorboard, flags)
        try:
            for part in (slug(job.owner), job.id):
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=folder)
                inner = os.open(part, flags, dir_fd=folder)
                os.close(folder)
                folder = inner
                if os.fstat(folder).st_uid == os.geteuid() != account.uid:
                    os.fchown(folder, account.uid, account.gid)
        finally:
            os.close(folder)

    def _filler(self, job: TrainingJob) -> Callable[[Path], None] | None:
        if job.spec.workspace is None:
            return None
        return partial(self._workspaces.materialise, job.owner, job.spec.workspace)

    def _beginning(self, job: TrainingJob) -> RunDir | None:
        if job.spec.checkpoint_from is None:
            return None
        # It may have run elsewhere, as another account.
        return JobDir.at(self._state.jobs / job.spec.checkpoint_from).run
