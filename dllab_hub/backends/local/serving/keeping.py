"""How a model's files come into the store, belong to their owner there, and leave it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path

from ....errors import InvalidRequest
from ..account import Account
from ..shimdir import sync_folder

__all__ = ("clear", "move_in", "own", "own_folder")

_PIECE = 1024 * 1024
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def clear(folder: Path) -> None:
    """Delete a directory of ours; parts of it may be read-only."""
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def move_in(source: Path, target: Path) -> None:
    """Move a regular file, or copy it from another file system.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        fd = os.open(source, os.O_RDONLY | _FLAGS)
    except OSError as exc:
        raise InvalidRequest(f"the file cannot be read: {exc.strerror}.", field="model") from exc
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InvalidRequest("must be a regular file.", field="model")
        try:
            os.rename(source, target)
        except OSError as exc:
            if exc.errno not in (errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            with target.open("xb") as copy:
                shutil.copyfileobj(file, copy, _PIECE)


def own(path: Path, account: Account) -> tuple[int, str]:
    """Have it on the disk, read-only, the account's; its size and SHA-256."""
    with open(os.open(path, os.O_RDONLY | _FLAGS), "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fchmod(file.fileno(), 0o400)
        if account.uid != os.geteuid():
            os.fchown(file.fileno(), account.uid, account.gid)
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size, digest


def own_folder(folder: Path, account: Account) -> tuple[int, str]:
    """The same for a directory and all that is in it; its size, and the SHA-256 of their list."""
    total, lines = 0, []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        size, digest = own(path, account)
        total += size
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    for path in (*(each for each in folder.rglob("*") if each.is_dir()), folder):
        path.chmod(0o500)
        if account.uid != os.geteuid():
            os.chown(path, account.uid, account.gid)
        sync_folder(path)
    return total, hashlib.sha256("".join(lines).encode()).hexdigest()
