"""`Shims`: starts shims, each behind a lock of its own, and collects them when they have ended.

A lock makes a launch safe against a service that is killed within it. The lock on ``shim.lock`` is
taken here and inherited by the shim, so it is held exactly as long as either lives: a service that
comes back finds the lock held and adopts, or finds it free and knows that nothing runs.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import AccessDenied
from ...leases import Lease
from ...shim import PLAN, SHIM_LOG
from ...shim.process import identity
from .account import Account
from .shimdir import ShimDir

__all__ = ("Shims", "claim", "environment", "is_locked")

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
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class Shims:
    """Used by one thread, or by several for different directories.

    Args:
        os_users: Every shim runs as its owner's account.
        python: The interpreter of the shims; it can import this package.
    """

    def __init__(self, *, os_users: bool = False, python: str = sys.executable) -> None:
        self._os_users = os_users
        self._python = python
        self._children: set[int] = set()

    def start(self, folder: ShimDir, plan: Mapping[str, Any], lease: Lease) -> bool:
        """Start the shim of a server; False when it has one already.

        Args:
            folder: Of the server.
            plan: Which names the GPUs of the lease.
            lease: The shim holds it from then on; the caller releases it here.

        Raises:
            AccessDenied: in OS-user mode, it has no account of its own (any more).
            OSError: a file could not be written or the process not be started.
        """
        self._check(folder)
        with claim(folder.lock) as lock:
            if lock is None:
                return False
            self._launch(folder, plan, (lock, *lease.fds), lease.uuids)
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
            self._reap(pid)

    def collect(self, pid: int, seconds: float = 1.0) -> None:
        """Collect one that has let go of its lock: it is about to end. Blocks for a moment."""
        give_up = time.monotonic() + seconds
        while pid in self._children and not self._reap(pid) and time.monotonic() < give_up:
            time.sleep(0.002)

    def _reap(self, pid: int) -> bool:
        try:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is None:
                return False
        except ChildProcessError:  # Not ours, or somebody else collected it.
            pass
        self._children.discard(pid)
        return True

    def _check(self, folder: ShimDir) -> None:
        if self._os_users and not (folder.account.name and folder.account.uid):
            raise AccessDenied("the account of its owner is gone from this machine.")

    def _launch(
        self,
        folder: ShimDir,
        plan: Mapping[str, Any],
        locks: Sequence[int],
        gpus: Sequence[str] = (),
    ) -> None:
        folder.run.write(PLAN, json.dumps(plan).encode())
        folder.run.hand_over()
        # That of a shim before would say of this one that it is dead.
        (folder.path / "launch.json").unlink(missing_ok=True)
        pid = self._spawn(folder, locks)
        self._children.add(pid)
        try:
            folder.note("launch.json", {**(identity(pid) or {}), "gpus": list(gpus)})
        except (
            OSError
        ) as exc:  # The lock and shim.json say the same; this one is only tamper-proof.
            _LOG.warning("%s: launch.json could not be written: %s", folder.path.name, exc)

    def _spawn(self, folder: ShimDir, locks: Sequence[int]) -> int:
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


@contextmanager
def claim(path: Path) -> Iterator[int | None]:
    """The lock of a shim that is to be started, or None when one has it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield lock
    finally:
        os.close(lock)
