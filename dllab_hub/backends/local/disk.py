"""`disk_errors`: what a disk refuses, in words for people."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import StorageFull, Unavailable

__all__ = ("disk_errors",)

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def disk_errors() -> Iterator[None]:
    """A disk without room is `StorageFull`, and one that can only be read `Unavailable`."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        if "full" in str(exc) or "disk I/O" in str(exc):
            raise _full() from exc
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


def _read_only() -> Unavailable:
    return Unavailable(
        "the disk that holds the lab's state can only be read.",
        hint="An administrator has to look at it: the kernel's log says why.",
    )
