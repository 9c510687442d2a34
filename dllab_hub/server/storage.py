"""`Storage`: one data volume behind a URL, used from an event loop.

A bucket is no disk. It may be slow or away, a folder in it exists as long as something lies in it,
nothing can be appended, and what is deleted is gone: there is no trash.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from tornado.web import HTTPError

from ..runtime.data import Volume, VolumeError
from . import objects
from .objects import Uploads

__all__ = ("MAX_OPENED", "Info", "Storage")

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
#: Most bytes that are opened in a browser; larger files are downloaded, or read in a notebook.
MAX_OPENED = 32 * 1024 * 1024
#: Threads for one volume: one that does not answer must not keep the others from answering.
_THREADS = 4
#: Seconds for a question, and for moving data.
_PATIENCE, _LONG = 30.0, 600.0
_PIECE = 1024 * 1024
#: Keeps a new folder in place until something lies in it.
_KEEP = ".keep"


@dataclass(frozen=True)
class Info:
    """What is known about a file or folder of a volume.

    Attributes:
        name: Its last part.
        is_folder: Whether it is a folder.
        size: Bytes; None for folders and where it is not known.
        time: Seconds since the epoch when it was changed, or None.
    """

    name: str
    is_folder: bool
    size: int | None = None
    time: float | None = None

    @classmethod
    def of(cls, found: dict[str, Any]) -> Info:
        """From what fsspec says."""
        is_folder = found.get("type") == "directory"
        return cls(
            name=str(found["name"]).rstrip("/").rpartition("/")[2],
            is_folder=is_folder,
            size=None if is_folder else found.get("size"),
            time=_time(found),
        )


class Storage:
    """A volume. Paths are relative to its top, without a slash at either end.

    Every method raises `tornado.web.HTTPError` with one sentence for the person.

    Args:
        volume: One with a URL.
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self._pool = ThreadPoolExecutor(_THREADS, f"dllab-{volume.name}")
        self._files: Any = None
        self._uploads = Uploads()

    async def info(self, path: str) -> Info | None:
        """What is there, or None."""
        return await self._do(partial(self._info, path))

    async def entries(self, path: str) -> list[Info]:
        """What lies in a folder, by name."""
        return await self._do(partial(self._list, path))

    async def version(self, path: str) -> str:
        """Changes when the file does; costs no look at its content."""
        return await self._do(lambda files: str(files.ukey(path)))

    async def read(self, path: str) -> bytes:
        """All of a file, up to `MAX_OPENED` bytes."""
        return await self._do(partial(self._read, path), _LONG)

    async def pieces(self, path: str) -> AsyncIterator[bytes]:
        """All of a file, piece by piece."""
        file = await self._do(lambda files: files.open(path, "rb"))
        try:
            while piece := await self._do(lambda _: file.read(_PIECE), _LONG):
                yield piece
        finally:
            await self._do(lambda _: file.close())

    async def write(self, path: str, data: bytes) -> None:
        """Make or replace a file."""
        self.check_writable()
        await self._do(lambda files: files.pipe_file(path, data), _LONG)

    async def upload(self, path: str, data: bytes, chunk: int) -> None:
        """A part of a file; it appears with the last one.

        Args:
            path: Of the file.
            data: The part.
            chunk: Its number from 1; -1 for the last one.
        """
        self.check_writable()
        await self._do(lambda files: self._uploads.take(files, path, data, chunk), _LONG)

    async def make_folder(self, path: str) -> None:
        """Make a folder; nothing when it is there."""
        self.check_writable()
        await self._do(partial(self._make_folder, path))

    async def remove(self, path: str) -> None:
        """Delete a file or an empty folder for good."""
        self.check_writable()
        await self._do(partial(self._remove, path))

    async def move(self, old: str, new: str) -> None:
        """Give a file or a folder another place in this volume."""
        self.check_writable()
        await self._do(lambda files: objects.move(files, old, new), _LONG)

    async def bring(self, file: str, path: str) -> None:
        """Copy a file of this machine into the volume."""
        self.check_writable()
        await self._do(lambda files: files.put_file(file, path), _LONG)

    async def fetch(self, path: str, file: str) -> None:
        """Copy a file out of the volume to this machine."""
        await self._do(lambda files: files.get_file(path, file), _LONG)

    def check_writable(self) -> None:
        """Nothing when it may be written to; HTTPError 403 otherwise."""
        if self.volume.read_only:
            raise HTTPError(403, f"The volume {self.volume.name} is read-only.")

    async def _do(self, work: Callable[[Any], _T], seconds: float = _PATIENCE) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(
                loop.run_in_executor(self._pool, self._run, work), seconds
            )
        except TimeoutError:
            raise HTTPError(
                503, f"The volume {self.volume.name} does not answer. Try again later."
            ) from None

    def _run(self, work: Callable[[Any], _T]) -> _T:
        name = self.volume.name
        try:
            if self._files is None:
                self._files = self.volume.open()
            return work(self._files)
        except HTTPError:
            raise
        except VolumeError as exc:
            message = str(exc)
            if exc.package:
                message = (
                    f"The volume {name} needs {exc.package}, which the lab's server lacks. "
                    f"The administrator can install it there: pip install {exc.package}"
                )
            raise HTTPError(503, message) from exc
        except FileNotFoundError as exc:
            raise HTTPError(404, f"There is no such file in the volume {name}.") from exc
        except FileExistsError as exc:
            raise HTTPError(409, f"There is a file of this name in the volume {name}.") from exc
        except PermissionError as exc:
            _LOG.warning("The volume %s refuses: %s", name, exc)
            raise HTTPError(
                403, f"The storage of the volume {name} refuses this. Ask the administrator."
            ) from exc
        except Exception as exc:
            # Each kind of storage has exceptions of its own, and their texts may hold addresses.
            _LOG.warning("The volume %s cannot be used: %r", name, exc)
            raise HTTPError(
                503, f"The volume {name} cannot be reached now ({type(exc).__name__})."
            ) from exc

    def _info(self, path: str, files: Any) -> Info | None:
        if not path:  # An empty bucket has nothing that could be found, and is there.
            return Info(self.volume.name, is_folder=True)
        try:
            return Info.of(files.info(path))
        except FileNotFoundError:
            return None

    def _list(self, path: str, files: Any) -> list[Info]:
        try:
            found = files.ls(path, detail=True)
        except FileNotFoundError as exc:
            if path:
                raise
            if str(exc).strip("/") != files.path.strip("/"):  # The bucket itself, for example.
                raise HTTPError(
                    503, f"What the volume {self.volume.name} stands for is not there now."
                ) from exc
            return []
        # Some storages list the folder itself, as an object of its name.
        infos = [Info.of(item) for item in found if item["name"].strip("/") != path]
        return sorted((info for info in infos if info.name), key=lambda info: info.name)

    def _read(self, path: str, files: Any) -> bytes:
        size = files.size(path) or 0
        if size > MAX_OPENED:
            raise HTTPError(
                413,
                f"{path.rpartition('/')[2]} is larger than {MAX_OPENED >> 20} MiB: download it, or "
                f'read it in a notebook: open_volume("{self.volume.name}").open("{path}")',
            )
        return bytes(files.cat_file(path))

    def _make_folder(self, path: str, files: Any) -> None:
        if files.isdir(path):
            return
        files.mkdir(path, create_parents=False)
        if not files.isdir(path):
            files.pipe_file(f"{path}/{_KEEP}", b"")

    def _remove(self, path: str, files: Any) -> None:
        if not files.isdir(path):
            files.rm_file(path)
            return
        if any(info.name != _KEEP for info in self._list(path, files)):
            raise HTTPError(
                400, "The folder is not empty. Delete what is in it first: a volume has no trash."
            )
        objects.remove_folder(files, path)


def _time(found: dict[str, Any]) -> float | None:
    for key in ("mtime", "LastModified", "last_modified", "modified", "updated", "created"):
        value = found.get(key)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
    if isinstance(value := found.get("modificationTime"), int):  # HDFS over HTTP: milliseconds.
        return value / 1000
    return None
