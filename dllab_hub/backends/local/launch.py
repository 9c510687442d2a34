"""`Launcher`: takes the GPUs, writes the plan and starts the shim of a job.

The GPUs' locks are taken here and inherited by the shim as its own is (see `shims`): they are held
exactly as long as either lives.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import NotFound
from ...leases import LeaseDir
from ...names import slug
from ...shim import WORKSPACE
from ...specs import Catalog, TrainingJob, TrainingSpec
from ...state import StateDir
from .account import Account
from .carried import Carried
from .disk import disk_errors
from .jobdir import LISTING, JobDir
from .overlay import Overlay, overlay_of
from .plan import plan_of
from .rundir import RunDir
from .shimdir import write_file
from .shims import Shims, claim
from .workspaces import LocalWorkspaces

__all__ = ("Launcher",)

_LOG = logging.getLogger(__name__)


class Launcher(Shims):
    """Starts jobs. Used by one thread.

    Args:
        state: Where things lie.
        leases: The GPUs' locks.
        interpreter: The Python of an image, by its name.
        catalog: Reads the catalog, which knows the volumes.
        workspaces: Has the files that travel with jobs.
        grace: Seconds that a cancelled job has for a last checkpoint.
        os_users: Every job runs as its owner's account.
        python: The interpreter of the shims; it can import this package.
    """

    def __init__(
        self,
        state: StateDir,
        leases: LeaseDir,
        interpreter: Callable[[str], Path],
        catalog: Callable[[], Catalog],
        workspaces: LocalWorkspaces,
        *,
        grace: float,
        os_users: bool = False,
        python: str = sys.executable,
    ) -> None:
        super().__init__(os_users=os_users, python=python)
        self._state = state
        self._leases = leases
        self._interpreter = interpreter
        self._catalog = catalog
        self._workspaces = workspaces
        self._grace = grace

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
            folder.create(job, self._filler(job), self._beginning(job, folder.account))
            if job.spec.workspace is not None:
                listing = self._workspaces.listing(job.owner, job.spec.workspace)
                write_file(folder.draft.path / LISTING, listing)
            folder.draft.run.hand_over()
        return job

    def launch(
        self, folder: JobDir, job: TrainingJob, carried: Carried, gpus: Sequence[str]
    ) -> bool:
        """Start the job's shim; False when it has one already.

        Args:
            folder: Of the job.
            job: The job.
            carried: From its launches before.
            gpus: UUIDs of all GPUs of this machine.

        Raises:
            NoCapacity: too few GPUs are free.
            AccessDenied: in OS-user mode, the job has no account of its own (any more).
            Conflict: nothing is left of its time limit.
            DLLabError: the image, the lab or a volume is not there any more.
            OSError: a file could not be written or the process not be started.
        """
        self._check(folder)
        plan = self.plan(job, folder.run.path, carried)
        _own_folder(self._state.tensorboard, self.tensorboard(job), folder.account)
        holder = {"kind": "job", "owner": job.owner, "name": job.spec.name, "id": job.id}
        with claim(folder.lock) as lock:
            if lock is None:
                return False
            with self._leases.take(gpus, job.spec.gpus, holder, borrow=True) as lease:
                plan |= {"gpus": list(lease.uuids)}
                self._launch(folder, plan, (lock, *lease.fds), lease.uuids)
                if lease.loans:
                    _say_borrowed(folder, len(lease.loans))
        return True

    def plan(self, job: TrainingJob, run: Path, carried: Carried) -> dict[str, Any]:
        """What ``plan.json`` will say, but for the GPUs, which are not taken yet.

        Args:
            job: The job.
            run: Its run directory, as it is now.
            carried: From its launches before.

        Raises:
            Conflict: nothing is left of its time limit.
            DLLabError: the image, the lab or a volume is not there any more.
        """
        overlay = self._overlay(job, run)
        python = overlay.python if overlay else self._interpreter(job.spec.image)
        return {
            "id": job.id,
            "owner": job.owner,
            **plan_of(job.spec, str(python)),
            **carried.plan(job),
            "gpus": [],
            "overlay": overlay.plan if overlay else None,
            "tensorboard": str(self.tensorboard(job)),
            "volumes": self._volumes(job.spec),
            "workspace": str(run / WORKSPACE),
            "grace": self._grace,
        }

    def _overlay(self, job: TrainingJob, run: Path) -> Overlay | None:
        lab = job.spec.lab
        return overlay_of(self._state, job.owner, lab, job.spec.image, run) if lab else None

    def _filler(self, job: TrainingJob) -> Callable[[Path], None] | None:
        if job.spec.workspace is None:
            return None
        return partial(self._workspaces.materialise, job.owner, job.spec.workspace)

    def _beginning(self, job: TrainingJob, account: Account) -> RunDir | None:
        if job.spec.checkpoint_from is None:
            return None
        return JobDir(self._state.jobs / job.spec.checkpoint_from, account).run

    def _volumes(self, spec: TrainingSpec) -> dict[str, Any]:
        """``DLLAB_VOLUMES`` of a job. Whether the person may use them was looked at before."""
        if not spec.volumes:
            return {}
        there = {volume.name: volume for volume in self._catalog().volumes}
        found = {}
        for name in spec.volumes:
            if name not in there:
                raise NotFound(f"the volume {name} is not offered any more.", field="volumes")
            volume = there[name]
            found[name] = {
                "title": volume.title,
                "read_only": volume.read_only,
                "place": volume.place,
                **(
                    {"path": volume.path}
                    if volume.path
                    else {"url": volume.url, "options": volume.options}
                ),
            }
        return found


def _say_borrowed(folder: JobDir, count: int) -> None:
    gpus = "a GPU" if count == 1 else f"{count} GPUs"
    try:
        folder.say("Borrowed", f"It shares {gpus} with a lab of yours, which lends what it has.")
    except OSError as exc:  # The job runs; a word about it is no reason to call that a failure.
        _LOG.warning("An event of %s is lost: %s", folder.path.name, exc)


def _own_folder(root: Path, path: Path, account: Account) -> None:
    """Make ``path``, two levels below ``root``, the account's, following no link it may plant."""
    owner, name = path.relative_to(root).parts
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(root, flags)
    try:
        for part in (owner, name):
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=folder)
            inner = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = inner
            if account.name and os.fstat(folder).st_uid == os.geteuid():
                os.fchown(folder, account.uid, account.gid)
    finally:
        os.close(folder)
