"""`remove`: a tree that a person has made is deleted, whatever they have put there.

The service may be root. Nothing is reached by a path that could pass through a link, nothing but
names in the tree is touched, and a tree of any depth takes three descriptors: what lies deeper is
moved to the top first.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ("remove", "size_of")

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Seconds after which it is given up: somebody goes on writing there.
_LONGEST = 600.0
#: What open says of a name that is no directory, and of a link.
_NO_FOLDER = {errno.ELOOP, errno.ENOTDIR}
#: What renaming a directory says of a name that is taken: by a directory, by a file or a link.
_TAKEN = {errno.ENOTEMPTY, errno.ENOTDIR}
_PIECE = 1000


def remove(root: Path, *parts: str) -> None:
    """Remove a file, a link or a directory with all that is in it. Blocks.

    Args:
        root: A directory that nobody but the service can replace.
        parts: Names below it; the last one is removed. Nothing happens when it is not there.

    Raises:
        OSError: something is left there.
    """
    try:
        with _opened(root, *parts[:-1]) as folder:
            _remove(folder, parts[-1], time.monotonic() + _LONGEST)
    except FileNotFoundError:
        return


def size_of(root: Path, *parts: str, most: int = 200_000) -> int:
    """Bytes on the disk of a directory and all in it, as far as ``most`` names tell. Blocks.

    Args:
        root: A directory that nobody but the service can replace.
        parts: Names below it.
        most: Names that are looked at.
    """
    total = 0
    seen = 0
    waiting: list[tuple[str, ...]] = [parts]
    while waiting and seen < most:
        at = waiting.pop()
        with suppress(OSError), _opened(root, *at) as folder, os.scandir(folder) as found:
            for entry in found:
                about = entry.stat(follow_symlinks=False)
                total += about.st_blocks * 512
                seen += 1
                if stat.S_ISDIR(about.st_mode) and len(at) < 100:
                    waiting.append((*at, entry.name))
    return total


@contextmanager
def _opened(root: Path, *parts: str) -> Iterator[int]:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _remove(folder: int, name: str, give_up: float) -> None:
    try:
        top = _enter(folder, name)
    except OSError as exc:
        if exc.errno not in _NO_FOLDER:
            raise
        os.unlink(name, dir_fd=folder)
        return
    try:
        fresh = itertools.count()
        while names := _some(top):
            for inner in names:
                _dissolve(top, inner, fresh, give_up)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=folder)


def _dissolve(top: int, name: str, fresh: Iterator[int], give_up: float) -> None:
    """Remove an entry of ``top``; directories in it come to lie beside it first."""
    if _is_unlinked(top, name):
        return
    while True:
        folder = _enter(top, name)
        try:
            while names := _some(folder):
                for inner in names:
                    if not _is_unlinked(folder, inner):
                        _lift(folder, inner, top, fresh)
                _check(give_up)
        finally:
            os.close(folder)
        try:
            os.rmdir(name, dir_fd=top)
        except OSError as exc:
            if exc.errno != errno.ENOTEMPTY:
                raise
            _check(give_up)  # Somebody has put something there meanwhile.
        else:
            return


def _lift(folder: int, name: str, top: int, fresh: Iterator[int]) -> None:
    while True:
        with suppress(FileExistsError):
            target = f".lifted-{next(fresh)}"
            try:
                os.rename(name, target, src_dir_fd=folder, dst_dir_fd=top)
            except PermissionError:  # To move it, one has to be able to write to it.
                _allow(folder, name)
                os.rename(name, target, src_dir_fd=folder, dst_dir_fd=top)
            except OSError as exc:
                if exc.errno in _TAKEN:
                    continue
                raise
            return


def _is_unlinked(folder: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except IsADirectoryError:
        return False
    return True


def _enter(folder: int, name: str) -> int:
    try:
        found = os.open(name, _FOLDER, dir_fd=folder)
    except PermissionError:
        _allow(folder, name)
        found = os.open(name, _FOLDER, dir_fd=folder)
    about = os.fstat(found)
    if about.st_mode & 0o700 != 0o700 and about.st_uid == os.geteuid():
        os.fchmod(found, 0o700)
    return found


def _allow(folder: int, name: str) -> None:
    """Only ever of one's own: root needs no leave."""
    if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        os.chmod(name, 0o700, dir_fd=folder)


def _some(folder: int) -> list[str]:
    with os.scandir(folder) as found:
        return [entry.name for entry in itertools.islice(found, _PIECE)]


def _check(give_up: float) -> None:
    if time.monotonic() > give_up:
        raise OSError(errno.ENOTEMPTY, "somebody goes on writing there")
