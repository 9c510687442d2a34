"""`Upload`: a file that grows as it arrives. Only threads touch the disk."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import shutil
import stat
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ParamSpec

from ..errors import InvalidRequest, StorageFull, TooLarge, Unavailable
from ..runtime.data import Volume
from .taking import answering, beneath, found, pack, pack_remote

__all__ = ("MAX_MODEL_BYTES", "Upload")

#: Of one model. ONNX keeps more than 2 GiB in files of its own, which are not taken.
MAX_MODEL_BYTES = 4 * 1024 * 1024 * 1024
#: Bytes that are gathered before a thread writes them.
_PIECE = 1024 * 1024
#: Bytes of the disk that uploads leave alone: the lab itself needs some to go on.
_LEFT = 64 * 1024 * 1024
_P = ParamSpec("_P")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_dropped: set[asyncio.Task[None]] = set()  # A loop keeps no tasks by itself.


class _Into(io.RawIOBase):
    """What an archive is written to, for as long as it is wanted."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self._write: Callable[[bytes], int] | None = write

    def write(self, data: Any) -> int:
        return len(data) if self._write is None else self._write(data)

    def forget(self) -> None:
        """Of what is still written from now on nothing is kept."""
        self._write = None


class Upload:
    """A new file of mode 0600 in a directory that is created when it is not there.

    Everything that touches the disk may raise `StorageFull`, or `Unavailable` with what the
    system says.

    Args:
        folder: Where.
        limit: Most bytes.
        field: What it is: one word, which people read.
    """

    def __init__(self, folder: Path, limit: int = MAX_MODEL_BYTES, field: str = "model") -> None:
        self._folder = folder
        self._limit = limit
        self._field = field
        self._gathered = bytearray()
        self._size = 0
        self._file: int | None = None
        self._path: Path | None = None
        self._one_at_a_time = asyncio.Lock()
        self._busy = threading.Lock()  # A thread goes on when whoever waited for it has gone.
        self._is_over = False

    async def expect(self, size: int) -> None:
        """Look whether so many bytes may come.

        Raises:
            TooLarge: they are more than the limit.
        """
        self._check(size)
        async with self._one_at_a_time:
            await self._thread(self._make, size)

    async def add(self, piece: bytes) -> None:
        """Append; of what comes after `discard` nothing is kept.

        Raises:
            TooLarge: they are more than the limit now.
        """
        self._check(self._size + len(self._gathered) + len(piece))
        self._gathered += piece
        if len(self._gathered) >= _PIECE:
            await self._flush()

    async def copy(self, root: Path, path: str, *, follow: bool = True) -> None:
        """Append a file of the person's, or a directory as a tar archive.

        Args:
            root: Their files; what lies elsewhere is refused, links followed.
            path: Below the root.
            follow: False where others may write and this process may read more than the person:
                no link is followed, and only files of the root's own account are read.

        Raises:
            InvalidRequest: there is no such file, or it cannot be read.
            TooLarge: it is larger than the limit.
        """
        async with self._one_at_a_time:
            await self._thread(self._copy, root, path, follow)

    async def fetch(self, volume: Volume, path: str) -> None:
        """Append a file of a volume behind a URL, or a directory of it as a tar archive.

        Raises:
            InvalidRequest: there is no such file, or it cannot be read.
            TooLarge: it is larger than the limit.
            Unavailable: the volume cannot be opened, or does not answer.
        """
        async with self._one_at_a_time:
            await self._thread(self._fetch, volume, path)

    async def finish(self) -> Path:
        """The whole file. It may be moved away.

        Raises:
            InvalidRequest: nothing has come.
        """
        await self._flush()
        if not self._size or self._path is None:
            raise InvalidRequest("the file is empty.", field=self._field)
        async with self._one_at_a_time:
            await self._thread(self._close)
        return self._path

    async def discard(self) -> None:
        """Remove what is there; once or several times."""
        self._is_over = True
        self._gathered.clear()
        async with self._one_at_a_time:
            if self._path is not None or self._busy.locked():
                await self._thread(self._remove)

    def drop(self) -> None:
        """`discard`, for those who cannot wait."""
        task = asyncio.get_running_loop().create_task(self.discard())
        _dropped.add(task)
        task.add_done_callback(_dropped.discard)

    async def _flush(self) -> None:
        async with self._one_at_a_time:
            if not self._is_over:
                piece, self._gathered = self._gathered, bytearray()
                await self._thread(self._write, piece)

    async def _thread(self, do: Callable[_P, Any], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """In a thread, once the one before has ended, which may go on after a cancellation."""

        def work() -> None:
            with self._busy:
                do(*args, **kwargs)

        await asyncio.to_thread(work)

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise TooLarge(f"the {self._field} is larger than {self._limit // 1024 // 1024} MiB.")

    # In threads, one at a time.

    def _make(self, size: int) -> int:
        with self._disk():
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file, name = tempfile.mkstemp(prefix="upload-", dir=self._folder)
                self._path = Path(name)
            if shutil.disk_usage(self._folder).free - size < _LEFT:
                raise self._full()
        return self._file

    def _write(self, piece: bytes | bytearray) -> None:
        file = self._make(len(piece))
        with self._disk(), memoryview(piece) as left:
            done = 0
            while done < len(piece):
                done += os.write(file, left[done:])
        self._size += len(piece)

    def _copy(self, root: Path, path: str, follow: bool) -> None:
        try:
            opened = found(root, path) if follow else beneath(root, path)
        except (OSError, ValueError, RuntimeError):  # Of a NUL, and of links in a circle.
            raise InvalidRequest("there is no file here that can be read.", field="path") from None
        try:
            there = os.fstat(opened)
            if stat.S_ISDIR(there.st_mode):
                with self._packing() as archive:
                    pack(archive, opened, None if follow else there.st_uid)
            elif stat.S_ISREG(there.st_mode):
                self._check(there.st_size)
                self._make(there.st_size)
                with open(opened, "rb", closefd=False) as source:
                    self._take(source)
            else:
                raise InvalidRequest("must be a regular file.", field="path")
        finally:
            os.close(opened)

    def _fetch(self, volume: Volume, path: str) -> None:
        with answering(volume):
            files = volume.open()
            if files.isdir(path):
                with self._packing() as archive:
                    pack_remote(archive, files, path)
            else:
                with files.open(path, "rb") as source:
                    self._take(source)

    def _take(self, source: IO[bytes]) -> None:
        """All of it, unless the sender of the request has gone meanwhile."""
        while not self._is_over and (piece := source.read(_PIECE)):
            self._check(self._size + len(piece))
            self._write(piece)

    @contextmanager
    def _packing(self) -> Iterator[tarfile.TarFile]:
        """A tar archive that goes where the file goes."""
        self._make(0)
        into = _Into(self._append)
        try:
            with tarfile.open(fileobj=into, mode="w|", bufsize=_PIECE) as archive:
                yield archive
        except BaseException:
            into.forget()  # An archive writes its end whenever it is thrown away.
            raise

    def _append(self, piece: bytes) -> int:
        if self._is_over:
            raise Unavailable(f"nobody waits for the {self._field} any more.")
        self._check(self._size + len(piece))
        self._write(piece)
        return len(piece)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _remove(self) -> None:
        self._close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """What the disk says, in our words."""
        try:
            yield
        except OSError as exc:
            if exc.errno in _NO_ROOM:
                raise self._full() from exc
            raise Unavailable(f"the {self._field} cannot be kept: {exc.strerror}.") from exc

    def _full(self) -> StorageFull:
        return StorageFull(
            f"the disk has no room for the {self._field}.",
            hint="Remove what is not needed any more.",
        )
