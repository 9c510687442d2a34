"""`unpack`: a SavedModel that came as a zip or tar archive becomes a directory.

The archive is a stranger's. Only regular files and directories below the SavedModel are made, by
plain names, within bounds of number, size and ratio; whatever else is in it is refused or left.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from ....errors import InvalidRequest

__all__ = ("MAX_FILES", "unpack")

#: Of one archive. A SavedModel has about ten.
MAX_FILES = 10_000
#: Bytes of all files; so much as a model's file may have.
_MAX_BYTES = 4 * 1024**3
#: A model compresses to a tenth at best; what grows more is made to fill the disk.
_RATIO, _SMALL = 100, 64 * 1024 * 1024
#: Bytes of a header that are read at once: a tar may announce a name of a gigabyte.
_LONGEST = 1024 * 1024
_PIECE = 1024 * 1024
#: Bytes of a path; Linux takes 4096 with all that is before it.
_LONG_NAME = 2000
_HERE = "saved_model.pb"
_ENTRY = re.compile(r"[^\0\\/:*?\"<>|\x01-\x1f\x7f]{1,255}")


def unpack(archive: Path, packed: Literal["zip", "tar"], target: Path) -> None:
    """Make a directory of the SavedModel in an archive.

    Args:
        archive: A file of ours.
        packed: What it is.
        target: Is made; may be there half when this fails.

    Raises:
        InvalidRequest: there is no SavedModel, or something in it may not be there.
    """
    with archive.open("rb") as file, _ours():
        size = os.fstat(file.fileno()).st_size
        box = _Zip(file) if packed == "zip" else _Tar(file)
        names = list(box.names())
        top = _top(names)
        budget = min(_MAX_BYTES, max(_SMALL, _RATIO * size))
        target.mkdir(mode=0o700)
        seen: set[str] = set()
        for name, source in box.files(top):
            try:
                path = _place(target, name.removeprefix(top), seen)
                budget = _write(source, path, budget)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as exc:
                raise _refusal(f"{_shown(name)} in it is both a file and a directory.") from exc


@contextmanager
def _ours() -> Iterator[None]:
    """What the archives' readers say, in our words."""
    try:
        yield
    except (
        *(zipfile.BadZipFile, zlib.error, tarfile.TarError, EOFError, NotImplementedError),
        *(RuntimeError, ValueError, OverflowError),
    ) as exc:
        if isinstance(exc, InvalidRequest):
            raise
        raise _refusal("the archive is damaged, or of a kind that is not read.") from exc


class _Zip:
    def __init__(self, file: IO[bytes]) -> None:
        self._archive = zipfile.ZipFile(file)

    def names(self) -> Iterator[str]:
        return iter(self._archive.namelist())

    def files(self, top: str) -> Iterator[tuple[str, IO[bytes]]]:
        for info in self._archive.infolist():
            if not info.filename.startswith(top) or info.is_dir():
                continue
            mode = info.external_attr >> 16
            if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
                raise _refusal(f"{_shown(info.filename)} in it is no regular file.")
            if info.flag_bits & 1:
                raise _refusal("the archive is encrypted.")
            with self._archive.open(info) as source:
                yield info.filename, source


class _Tar:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def names(self) -> Iterator[str]:
        for member in self._members():
            yield member.name + ("/" if member.isdir() else "")

    def files(self, top: str) -> Iterator[tuple[str, IO[bytes]]]:
        archive: tarfile.TarFile | None = None
        for member in self._members():
            name = member.name + ("/" if member.isdir() else "")
            if not name.startswith(top) or member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise _refusal(f"{_shown(member.name)} in it is no regular file.")
            archive = self._archive
            source = archive.extractfile(member)
            assert source is not None
            yield name, source

    def _members(self) -> Iterator[tarfile.TarInfo]:
        self._file.seek(0)
        self._archive = tarfile.TarFile(fileobj=_Short(self._file))
        for number, member in enumerate(self._archive):
            if number >= MAX_FILES:
                raise _refusal(f"the archive has more than {MAX_FILES} files.")
            # Else it keeps them all, with headers of a megabyte each.
            self._archive.members.clear()  # type: ignore[attr-defined]
            yield member


class _Short(io.RawIOBase):
    """A file of which nobody reads much at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST:
            raise _refusal("a header in the archive is too long.")
        return self._file.read(size)


def _top(names: list[str]) -> str:
    """Where the SavedModel lies in it: the directory, with its slash, or nothing."""
    if len(names) > MAX_FILES:
        raise _refusal(f"the archive has more than {MAX_FILES} files.")
    found = [name for name in names if name.rpartition("/")[2] == _HERE]
    if not found:
        raise _refusal(f"there is no SavedModel in the archive: no {_HERE}.")
    shortest = min(found, key=lambda name: name.count("/"))
    if len([name for name in found if name.count("/") == shortest.count("/")]) > 1:
        raise _refusal("there are several SavedModels in the archive.")
    return shortest.removesuffix(_HERE)


def _place(target: Path, name: str, seen: set[str]) -> Path:
    parts = name.split("/")
    if len(parts) > 20 or not all(map(_is_entry, parts)) or len(name.encode()) > _LONG_NAME:
        raise _refusal(f"{_shown(name)} in it is no plain path.")
    if not {".", ".."}.isdisjoint(parts):
        raise _refusal(f"{_shown(name)} in it leads elsewhere.")
    if name in seen:
        raise _refusal(f"{_shown(name)} is in it twice.")
    seen.add(name)
    path = target.joinpath(*parts)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _is_entry(part: str) -> bool:
    """A name of a file, for people and for the disk: bytes that are no UTF-8 are none."""
    try:
        return _ENTRY.fullmatch(part) is not None and len(part.encode()) <= 255
    except UnicodeEncodeError:
        return False


def _write(source: Any, path: Path, budget: int) -> int:
    """Write a file; how many bytes the others may still have."""
    with path.open("xb") as file:
        while piece := source.read(_PIECE):
            budget -= len(piece)
            if budget < 0:
                raise _refusal("what is in the archive is too large for a model.")
            file.write(piece)
    return budget


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:60])


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, field="model")
