"""`take_state`: the state directory, for the one service that has it."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from ...errors import Unavailable
from ...state import StateDir
from .disk import disk_errors

__all__ = ("take_state",)


def take_state(state: StateDir, os_users: bool) -> int:
    """Make its folders and take its lock, which is kept for as long as the descriptor is open.

    Args:
        state: The directory.
        os_users: Accounts pass through to their own directories.

    Raises:
        Unavailable: another service has it, or the directory belongs to somebody else.
        StorageFull: there is no room.
    """
    path = state.root / "service.lock"
    through = (state.jobs, state.models, state.deployments)
    try:
        with disk_errors():
            for folder in (state.root, state.tensorboard, state.leases, *through):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os_users:  # They see no names.
                for folder in (state.root, state.tensorboard, *through):
                    folder.chmod(0o711)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as exc:
        raise Unavailable(
            f"{path.parent} belongs to another user.", hint="Choose another with DLLAB_HOME."
        ) from exc
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        pid = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise Unavailable(
            f"another lab service (process {pid}) runs jobs in {path.parent}.",
            hint="Stop it, or choose another directory with DLLAB_HOME.",
        ) from exc
    with suppress(OSError):  # A courtesy to whoever is refused.
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
