"""`Launcher`: takes the GPUs, writes the plan and starts the shim of a job.

Two locks make a launch safe against a service that is killed within it. The GPUs' locks and the
lock on ``shim.lock`` are taken here and inherited by the shim, so they are held exactly as long as
either lives: a service that comes back finds the lock held and adopts, or finds it free and knows
that nothing runs.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ...errors import AccessDenied
from ...leases import LeaseDir
from ...names import slug
from ...shim import PLAN, SHIM_LOG, WORKSPACE
from ...shim.process import identity
from ...specs import TrainingJob
from ...state import StateDir
from .account import Account
from .jobdir import JobDir
from .store import disk_errors

__all__ = ("Launcher", "environment", "is_locked")

_LOG = logging.getLogger(__name__)

#: What a job inherits of the service's environment. Never a token, never the hub's variables.
_INHERITED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("LD_LIBRARY_PATH", "PYTHONPATH", "CUDA_HOME", "CUDA_PATH"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    }
)
#: The same, unless the address carries a password.
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
#: Where a person's caches lie: the service's own only where it is the same user.
_OWN = frozenset({"TMPDIR", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME"})


def environment(account: Account, service: Mapping[str, str]) -> dict[str, str]:
    """The environment of a shim: a short list of names, of what the service has."""
    names = _INHERITED - _OWN if account.name else _INHERITED | _OWN
    env = {
        key: value
        for key, value in service.items()
        if key in names or key.startswith("LC_") or (key.upper() in _PROXIES and "@" not in value)
    }
    if account.name:
        env |= {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}
    return env


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock on a file; a file that is not there is not locked."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class Launcher:
    """Starts shims and collects them when they have ended. Used by one thread.

    Args:
        state: Where things lie.
        leases: The GPUs' locks.
        interpreter: The Python of an image, by its name.
        grace: Seconds that a cancelled job has for a last checkpoint.
        os_users: Every job runs as its owner's account.
        python: The interpreter of the shims; it can import this package.
    """

    def __init__(
        self,
        state: StateDir,
        leases: LeaseDir,
        interpreter: Callable[[str], Path],
        *,
        grace: float,
        os_users: bool = False,
        python: str = sys.executable,
    ) -> None:
        self._state = state
        self._leases = leases
        self._interpreter = interpreter
        self._grace = grace
        self._os_users = os_users
        self._python = python
        self._children: set[int] = set()

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
            DLLabError: the image is not there any more.
            OSError: a file could not be written or the process not be started.
        """
        if self._os_users and not (folder.account.name and folder.account.uid):
            raise AccessDenied("the account of the job's owner is gone from this machine.")
        python = self._interpreter(job.spec.image)
        lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            holder = {"kind": "job", "owner": job.owner, "name": job.spec.name, "id": job.id}
            with self._leases.take(gpus, job.spec.gpus, holder) as lease:
                self._prepare(folder, job, python, lease.uuids)
                pid = self._spawn(folder, (lock, *lease.fds))
        finally:
            os.close(lock)
        self._children.add(pid)
        try:
            folder.note("launch.json", {**(identity(pid) or {}), "gpus": list(lease.uuids)})
        except (
            OSError
        ) as exc:  # The lock and shim.json say the same; this one is only tamper-proof.
            _LOG.warning("%s: launch.json could not be written: %s", job.id, exc)
        return True

    @property
    def busy(self) -> bool:
        """Whether there is a child that has not been collected."""
        return bool(self._children)

    def adopt(self, pid: int) -> None:
        """Collect this one too if it is a child of this process, from a backend before."""
        self._children.add(pid)

    def reap(self) -> None:
        """Collect shims that have ended: as zombies they would seem to live to a careless look."""
        for pid in tuple(self._children):
            try:
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is None:
                    continue
            except ChildProcessError:  # Not ours, or somebody else collected it.
                pass
            self._children.discard(pid)

    def _prepare(
        self, folder: JobDir, job: TrainingJob, python: Path, uuids: Sequence[str]
    ) -> None:
        tensorboard = self.tensorboard(job)
        _own_folder(self._state.tensorboard, tensorboard, folder.account)
        plan = {
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
            "workspace": str(folder.run.path / WORKSPACE),
            "grace": self._grace,
        }
        folder.run.write(PLAN, json.dumps(plan).encode())
        folder.run.hand_over()

    def _spawn(self, folder: JobDir, locks: Sequence[int]) -> int:
        account = folder.account
        words = [word for fd in locks for word in ("--lock-fd", str(fd))]
        log = folder.run.fresh(SHIM_LOG)
        try:
            process = subprocess.Popen(
                # -P: the person's own directory must not be searched for modules.
                [self._python, "-P", "-m", "dllab_hub.shim", "job", str(folder.run.path), *words],
                cwd=folder.run.path,
                env=environment(account, os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=tuple(locks),
                start_new_session=True,
                umask=0o077,
                user=account.uid if account.name else None,
                group=account.gid if account.name else None,
                extra_groups=os.getgrouplist(account.name, account.gid) if account.name else None,
            )
        finally:
            os.close(log)
        # It is meant to outlive us and `reap` collects it; Popen would warn of it when forgotten.
        process.returncode = 0
        return process.pid


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
