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
from pathlib import Path
from typing import Any

from ...errors import NotFound
from ...leases import LeaseDir
from ...names import slug
from ...shim import WORKSPACE
from ...specs import Catalog, TrainingJob
from ...state import StateDir
from .account import Account
from .jobdir import JobDir
from .shims import Shims, claim
from .store import disk_errors

__all__ = ("Launcher",)

_LOG = logging.getLogger(__name__)


class Launcher(Shims):
    """Starts jobs. Used by one thread.

    Args:
        state: Where things lie.
        leases: The GPUs' locks.
        interpreter: The Python of an image, by its name.
        catalog: Reads the catalog, which knows the volumes.
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
        self._grace = grace

    def tensorboard(self, job: TrainingJob) -> Path:
        """Where a job's event files go."""
        return self._state.tensorboard / slug(job.owner) / job.id

    def located(self, job: TrainingJob) -> TrainingJob:
        """The job with the places of its files."""
        workspace = self._state.jobs / job.id / "run" / WORKSPACE
        tensorboard = str(self.tensorboard(job))
        return job.model_copy(update={"workspace": str(workspace), "tensorboard": tensorboard})

    def prepare(self, job: TrainingJob, account: Account) -> TrainingJob:
        """Write a new job's directory. Looks at nothing else here, so any thread may do it.

        Raises:
            StorageFull: there is no room; nothing was left behind.
            InvalidRequest: a file of the code cannot have its name.
        """
        job = self.located(job)
        with disk_errors():
            JobDir(self._state.jobs / job.id, account).create(job)
        return job

    def launch(self, folder: JobDir, job: TrainingJob, gpus: Sequence[str]) -> bool:
        """Start the job's shim; False when it has one already.

        Args:
            folder: Of the job.
            job: The job.
            gpus: UUIDs of all GPUs of this machine.

        Raises:
            NoCapacity: too few GPUs are free.
            AccessDenied: in OS-user mode, the job has no account of its own (any more).
            DLLabError: the image or a volume is not there any more.
            OSError: a file could not be written or the process not be started.
        """
        self._check(folder)
        python = self._interpreter(job.spec.image)
        holder = {"kind": "job", "owner": job.owner, "name": job.spec.name, "id": job.id}
        with claim(folder.lock) as lock:
            if lock is None:
                return False
            with self._leases.take(gpus, job.spec.gpus, holder, borrow=True) as lease:
                plan = self._plan(folder, job, python, lease.uuids)
                self._launch(folder, plan, (lock, *lease.fds), lease.uuids)
                if lease.loans:
                    _say_borrowed(folder, len(lease.loans))
        return True

    def _plan(
        self, folder: JobDir, job: TrainingJob, python: Path, uuids: Sequence[str]
    ) -> dict[str, Any]:
        tensorboard = self.tensorboard(job)
        _own_folder(self._state.tensorboard, tensorboard, folder.account)
        return {
            "id": job.id,
            "owner": job.owner,
            "name": job.spec.name,
            "python": str(python),
            "argv": [job.spec.code.filename, *job.spec.code.args],
            "env": job.spec.env,
            "roles": [role.to_wire() for role in job.spec.roles],
            "gpus": list(uuids),
            "max_restarts": job.spec.max_restarts,
            "checkpoint_every": job.spec.checkpoint_every,
            "tensorboard": str(tensorboard),
            "volumes": self._volumes(job),
            "workspace": str(folder.run.path / WORKSPACE),
            "grace": self._grace,
        }

    def _volumes(self, job: TrainingJob) -> dict[str, Any]:
        """``DLLAB_VOLUMES`` of a job. Whether the person may use them was looked at before."""
        if not job.spec.volumes:
            return {}
        there = {volume.name: volume for volume in self._catalog().volumes}
        found = {}
        for name in job.spec.volumes:
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
