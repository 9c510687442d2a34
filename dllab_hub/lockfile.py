"""Files that are locked by the kernel for as long as somebody has them open. Standard library only.

What is written in one is for whoever finds it locked. Calls block for moments.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from .errors import StorageFull

__all__ = ("is_held", "lock", "open_locked", "write")


def open_locked(file: Path) -> int | None:
    """The locked file, made when it is not there; None when somebody else has it."""
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if lock(fd):
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def is_held(file: Path) -> bool:
    """Whether somebody has it. Locks it for an instant, so only one may ask at a time."""
    try:
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not lock(fd)
    finally:
        os.close(fd)


def lock(fd: int) -> bool:
    """Lock an open file; False when somebody else has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write(fd: int, text: bytes) -> None:
    """Replace the content.

    Raises:
        StorageFull: there is no room.
    """
    try:
        os.pwrite(fd, text, 0)  # Over what is there: on a full disk that is not lost.
        os.ftruncate(fd, len(text))
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("the disk that holds the GPU locks is full.") from exc
        raise
