"""`Folder`: the run directory of a job, as the launcher in a pod writes to it.

Other pods of the job write to it at the same time, and its code may have put anything into it: no
link is followed, and nobody is waited for. Each write opens its file and closes it again. On a
network file system others see it then, and not half a minute later.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ("LOCK", "Folder")

#: Who has locked this file appends to those that several pods write to.
LOCK = ".append.lock"
#: Another one has the lock.
_HELD = (errno.EAGAIN, errno.EACCES)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO that somebody planted must not make us wait for its reader.
_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Folder:
    """A directory; files in it are named by the parts of their paths.

    Args:
        path: Of the directory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, data: bytes, *parts: str, lines: bool = False) -> OSError | None:
        """Append to a file, which is made with its directories where it is not there.

        Args:
            data: What to write.
            parts: Of its path.
            lines: The data are whole lines: they begin one of their own, also where somebody was
                killed in the middle of one.

        Returns:
            What kept it from being written, whole or in part: the disk is full, for example.
        """
        try:
            with self._directory(parts[:-1]) as folder:
                fd = os.open(parts[-1], _FILE | os.O_APPEND, 0o600, dir_fd=folder)
                try:
                    about = os.fstat(fd)
                    if not stat.S_ISREG(about.st_mode):
                        return OSError(errno.EINVAL, "it is no regular file")
                    size = about.st_size
                    if lines and size and os.pread(fd, 1, size - 1) != b"\n":
                        data = b"\n" + data
                    _write(fd, data)
                finally:
                    os.close(fd)
        except OSError as exc:
            return exc
        return None

    def replace(self, data: bytes, *parts: str, sync: bool = False) -> None:
        """Write a file so that a reader finds all of it or the old.

        Args:
            data: Its content.
            parts: Of its path.
            sync: Wait until it would survive the end of the machine.

        Raises:
            OSError: nothing was changed.
        """
        beside = f".{parts[-1]}.tmp"
        with self._directory(parts[:-1]) as folder:
            with suppress(FileNotFoundError):
                os.unlink(beside, dir_fd=folder)
            fd = os.open(beside, _FILE | os.O_EXCL, 0o600, dir_fd=folder)
            try:
                try:
                    _write(fd, data)
                    if sync:
                        os.fsync(fd)
                finally:
                    os.close(fd)
                os.rename(beside, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with suppress(OSError):
                    os.unlink(beside, dir_fd=folder)
                raise

    def create(self, data: bytes, *parts: str) -> None:
        """Write a file that is not there yet; whoever is first has made it.

        Raises:
            OSError: it was not written; `FileExistsError`: it is there.
        """
        with self._directory(parts[:-1]) as folder:
            fd = os.open(parts[-1], _FILE | os.O_EXCL, 0o600, dir_fd=folder)
            try:
                _write(fd, data)
            finally:
                os.close(fd)

    def has(self, *parts: str) -> bool:
        """Whether there is anything of that name."""
        try:
            with self._directory(parts[:-1]) as folder:
                os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
        except OSError:
            return False
        return True

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """One's turn among the pods that append to the same files; False: another one has it now.

        It is not waited for: who had it when its node was lost may keep it for a minute. Where the
        file system has no locks everybody has it.
        """
        fd, mine = -1, True
        try:
            with suppress(OSError):  # No room for it, or somebody's own thing has its name.
                fd = os.open(self._path / LOCK, _FILE, 0o600)
            if fd >= 0:
                try:
                    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as exc:  # Else ENOLCK or EOPNOTSUPP: there are none.
                    mine = exc.errno not in _HELD
            yield mine
        finally:
            if fd >= 0:
                os.close(fd)  # That gives it back.

    @contextmanager
    def _directory(self, parts: tuple[str, ...]) -> Iterator[int]:
        fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts:
                inner = _enter(fd, part)
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)


def _enter(folder: int, name: str) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=folder)
    except FileNotFoundError:
        with suppress(FileExistsError):  # Another pod was faster.
            os.mkdir(name, 0o700, dir_fd=folder)
        return os.open(name, _DIRECTORY, dir_fd=folder)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
