"""What a file browser does to the objects of a volume, in fsspec's terms.

To fsspec many a path is a pattern: to delete the folder ``x*`` its way is to delete ``x1`` too, and
to rename ``photo[1].jpg`` is to rename ``photo1.jpg``. Here a name is a name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tornado.web import HTTPError

__all__ = ("Uploads", "move", "remove_folder")

#: Signs that make a pattern of a name.
_SIGNS = re.compile(r"[*?\[]")
#: Seconds after which nobody sends the rest of an upload any more.
_FORGOTTEN = 3600.0


def move(files: Any, old: str, new: str) -> None:
    """Give a file or a folder another place.

    Args:
        files: A `DirFileSystem`.
        old: Where it is.
        new: Where nothing is.
    """
    from fsspec.spec import AbstractFileSystem

    if type(files.fs).mv is not AbstractFileSystem.mv:  # The storage's own way, in one step.
        files.mv(old, new)
    elif files.isdir(old):
        # A store that knows no folders: fsspec's own way stumbles over one, which is no object.
        inside = files.find(old)
        files.copy(inside, [new + path.removeprefix(old) for path in inside], on_error="raise")
        _delete(files, inside)
    else:
        files.cp_file(old, new)
        files.rm_file(old)


def remove_folder(files: Any, path: str) -> None:
    """Delete a folder and what keeps it in place.

    Args:
        files: A `DirFileSystem`.
        path: Of a folder in which nothing of a person's is.
    """
    if not _is_pattern(files, path):
        files.rm(path, recursive=True)
        return
    _delete(files, files.find(path))
    if files.isdir(path):
        files.rmdir(path)


class Uploads:
    """Files that come in parts; each appears with its last one."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[Any, float]] = {}

    def take(self, files: Any, path: str, data: bytes, chunk: int) -> None:
        """Take a part.

        Args:
            files: A `DirFileSystem`.
            path: Of the file.
            data: The part.
            chunk: Its number from 1; -1 for the last one.

        Raises:
            HTTPError: 409: the parts before it are not there.
        """
        now = time.monotonic()
        for other, (file, touched) in tuple(self._begun.items()):
            if now - touched > _FORGOTTEN or (other == path and chunk == 1):
                del self._begun[other]
                _discard(file)
        if chunk == 1:
            # Nothing appears before it is committed, however this process ends.
            self._begun[path] = files.open(path, "wb", autocommit=False), now
        if path not in self._begun:
            raise HTTPError(409, "The beginning of this upload is not there. Upload it again.")
        file, _ = self._begun.pop(path)
        try:
            file.write(data)
            if chunk == -1:
                file.close()
                if hasattr(file, "commit"):
                    file.commit()
        except BaseException:
            _discard(file)
            raise
        if chunk != -1:
            self._begun[path] = file, now


def _delete(files: Any, paths: Sequence[str]) -> None:
    plain = [path for path in paths if not _is_pattern(files, path)]
    if plain:
        files.rm(plain)  # A thousand of them are one request to some storages.
    for path in set(paths).difference(plain):
        files.rm_file(path)


def _is_pattern(files: Any, path: str) -> bool:
    return _SIGNS.search(f"{files.path}/{path}") is not None


def _discard(file: Any) -> None:
    """Give up a file that was being written; it does not appear."""
    with suppress(Exception):  # Whatever the storage says of it, nobody waits for this file.
        if hasattr(file, "discard"):
            file.discard()
        file.closed = True  # Or it would be sent when it is forgotten.
