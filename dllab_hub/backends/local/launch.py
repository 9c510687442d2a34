"""`Launcher`: takes the GPUs, writes the plan and starts the shim of a job.

The GPUs' locks are taken here and inherited by the shim as its own is (see `shims`): they are held
exactly as long as either lives.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import NotFound
from ...leases import LeaseDir
from ...shim import WORKSPACE
from ...specs import Catalog, TrainingJob, TrainingSpec
from ...state import StateDir
from .carried import Carried
from .jobdir import JobDir
from .overlay import Overlay, overlay_of
from .plan import plan_of
from .prepare import Preparer
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
        self.preparer = Preparer(state, workspaces)
        self._grace = grace

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
        self.preparer.open_tensorboard(job, folder.account)
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
            "tensorboard": str(self.preparer.tensorboard(job)),
            "volumes": self._volumes(job.spec),
            "workspace": str(run / WORKSPACE),
            "grace": self._grace,
        }

    def _overlay(self, job: TrainingJob, run: Path) -> Overlay | None:
        lab = job.spec.lab
        return overlay_of(self._state, job.owner, lab, job.spec.image, run) if lab else None

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
