"""`disk_errors`: what a disk refuses, in words for people."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import StorageFull, Unavailable

__all__ = ("disk_errors",)

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
#: What SQLite calls a "disk I/O error" while there is no room for the file beside an index in which
#: its processes meet.
_NO_ROOM_BESIDE = "SQLITE_IOERR_SHMSIZE"


@contextmanager
def disk_errors() -> Iterator[None]:
    """A disk without room is `StorageFull`; one that fails or can only be read, `Unavailable`."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        if "full" in str(exc) or getattr(exc, "sqlite_errorname", "") == _NO_ROOM_BESIDE:
            raise _full() from exc
        if "disk I/O" in str(exc):
            raise _failing(exc) from exc
        if "readonly" in str(exc):
            raise _read_only() from exc
        raise
    except OSError as exc:
        if exc.errno in _NO_ROOM:
            raise _full() from exc
        if exc.errno == errno.EROFS:
            raise _read_only() from exc
        raise


def _full() -> StorageFull:
    return StorageFull(
        "the disk that holds the lab's state is full.", hint="Delete what is not needed there."
    )


def _failing(exc: Exception) -> Unavailable:
    return Unavailable(
        f"the disk that holds the lab's state fails: {exc}.",
        hint="An administrator has to look at it: the kernel's log says why.",
    )


def _read_only() -> Unavailable:
    return Unavailable(
        "the disk that holds the lab's state can only be read.",
        hint="An administrator has to look at it: the kernel's log says why.",
    )
