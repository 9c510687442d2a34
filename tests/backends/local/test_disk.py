"""What a disk refuses, in words for people."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from dllab_hub.backends.local.disk import disk_errors
from dllab_hub.errors import DLLabError, StorageFull, Unavailable


def io_error(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (sqlite3.OperationalError("database or disk is full"), StorageFull, "is full"),
        (io_error("SQLITE_IOERR_SHMSIZE"), StorageFull, "is full"),
        (io_error("SQLITE_IOERR_READ"), Unavailable, "disk I/O error"),
        (sqlite3.OperationalError("disk I/O error"), Unavailable, "disk I/O error"),
        (sqlite3.OperationalError("attempt to write a readonly database"), Unavailable, "be read"),
        (sqlite3.OperationalError("database is locked"), sqlite3.OperationalError, "locked"),
        (OSError(errno.ENOSPC, "No space left on device"), StorageFull, "is full"),
        (OSError(errno.EROFS, "Read-only file system"), Unavailable, "be read"),
        (OSError(errno.EIO, "Input/output error"), OSError, "Input/output error"),
    ],
)
def test_what_is_said(error: Exception, kind: type[Exception], says: str) -> None:
    """Only a disk without room is called full; one that fails is said to, in its own words."""
    with pytest.raises(kind, match=says) as caught, disk_errors():
        raise error

    assert kind is type(caught.value)
    assert not isinstance(caught.value, DLLabError) or error is caught.value.__cause__
