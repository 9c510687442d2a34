"""`RunDir`: the person's part of a job's directory, used without trusting what lies in it.

The service may be root, so nothing below is opened by a path that could pass through a link, and
only regular files of the job's account are read, a bounded piece at a time. Whatever is not so
counts as unreadable, which is a sentence and never a crash or a hang.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from .account import Account

__all__ = ("MIB", "RunDir", "Unreadable")

#: What small files may have at most.
MIB = 1024 * 1024
_MOST_NAMES = 10_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO that somebody planted must not make us wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Trouble of this process or machine, not of the file: it must not be taken for a missing file.
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND | os.O_CLOEXEC


class Unreadable(Exception):
    """A file is not there or not what it should be; the text says which and why."""


class RunDir:
    """``jobs/<id>/run/``.

    Args:
        path: Its path; the folder above it is the service's own.
        account: Who owns it.
    """

    def __init__(self, path: Path, account: Account) -> None:
        self.path = path
        self.account = account

    def hand_over(self) -> None:
        """Give all to the account, from the leaves up: until the end nobody else can enter."""
        if os.lstat(self.path).st_uid == self.account.uid:
            return  # The service's own user, or a launch before that was cut short.
        for folder, names, files in os.walk(self.path, topdown=False):
            for name in (*names, *files):
                self._give(os.path.join(folder, name))
        self._give(str(self.path))

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the account; whatever has the name is replaced, never followed.

        Raises:
            OSError: it could not be written (the disk is full, for example).
        """
        temporary = f".{name}.service"
        with self._folder(()) as folder:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            fd = self._create(folder, temporary)
            try:
                while data:
                    data = data[os.write(fd, data) :]
                os.fsync(fd)
            except OSError:
                os.unlink(temporary, dir_fd=folder)
                raise
            finally:
                os.close(fd)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def fresh(self, name: str) -> int:
        """A descriptor that appends to a new, empty file of the account."""
        with self._folder(()) as folder:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            return self._create(folder, name)

    def forget(self, *names: str) -> None:
        """Remove files, or links, that are there."""
        with self._folder(()) as folder:
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)

    def read(self, *parts: str, limit: int = MIB) -> bytes:
        """The bytes of a small file.

        Raises:
            Unreadable: it is missing, larger than ``limit``, or no regular file of the account.
        """
        with self.opened(*parts) as (fd, size):
            if size > limit:
                raise Unreadable(f"{'/'.join(parts)} is larger than {limit} bytes.")
            return os.pread(fd, limit, 0)

    def read_json(self, *parts: str) -> dict[str, Any]:
        """The JSON object in a small file.

        Raises:
            Unreadable: there is none.
        """
        try:
            data = json.loads(self.read(*parts))
        except (ValueError, RecursionError) as exc:
            raise Unreadable(f"{'/'.join(parts)} is not JSON.") from exc
        if not isinstance(data, dict):
            raise Unreadable(f"{'/'.join(parts)} is no JSON object.")
        return data

    @contextmanager
    def opened(self, *parts: str) -> Iterator[tuple[int, int]]:
        """A descriptor and the size of a regular file.

        Raises:
            Unreadable: as for `read`.
        """
        shown = "/".join(parts)
        with self._folder(parts[:-1]) as folder:
            try:
                fd = os.open(parts[-1], _FILE, dir_fd=folder)
            except OSError as exc:
                raise _unreadable(shown, exc) from exc
        try:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise Unreadable(f"{shown} is no regular file.")
            if about.st_uid != self.account.uid:
                raise Unreadable(f"{shown} belongs to somebody else.")
            yield fd, about.st_size
        finally:
            os.close(fd)

    def names(self, *parts: str) -> list[str]:
        """Names in a folder, so many as anybody needs; none when it cannot be read."""
        try:
            with self._folder(parts) as folder, os.scandir(folder) as found:
                return [entry.name for entry in islice(found, _MOST_NAMES)]
        except (Unreadable, FileNotFoundError):
            return []

    def entries(self, *parts: str) -> list[tuple[str, os.stat_result]]:
        """Names in a folder with what they are, as `names`; links are not followed."""
        try:
            with self._folder(parts) as folder, os.scandir(folder) as found:
                return [
                    (entry.name, entry.stat(follow_symlinks=False))
                    for entry in islice(found, _MOST_NAMES)
                ]
        except (Unreadable, FileNotFoundError):
            return []

    def size_of(self, *parts: str) -> int | None:
        """Size of a regular file, which is not opened, or None."""
        try:
            with self._folder(parts[:-1]) as folder:
                about = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
        except Unreadable:
            return None
        except OSError as exc:
            if exc.errno in _OURS:
                raise
            return None  # Not there, a name too long, a folder that may not be entered.
        return about.st_size if stat.S_ISREG(about.st_mode) else None

    @contextmanager
    def _folder(self, parts: tuple[str, ...]) -> Iterator[int]:
        fd = -1
        try:
            fd = os.open(self.path, _FOLDER)
            for part in parts:
                inner = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = inner
        except OSError as exc:
            if fd >= 0:
                os.close(fd)
            raise _unreadable("/".join((self.path.name, *parts)), exc) from exc
        try:
            yield fd
        finally:
            os.close(fd)

    def _create(self, folder: int, name: str) -> int:
        fd = os.open(name, _NEW, 0o600, dir_fd=folder)
        if self.account.uid != os.geteuid():
            os.fchown(fd, self.account.uid, self.account.gid)
        return fd

    def _give(self, path: str) -> None:
        os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)


def _unreadable(shown: str, exc: OSError) -> Exception:
    if exc.errno in _OURS:
        return exc
    return Unreadable(f"{shown} cannot be opened: {exc.strerror}.")
