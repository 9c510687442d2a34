"""What a build downloads: `Wheel`, and `Wheels`, which fetches them and goes on where it stopped.

pip looks up which files an environment needs; they are fetched here, because pip starts a file of
a gigabyte from its beginning after an interruption, and because nobody can show how far it is.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ..errors import StorageFull, Unavailable
from .download import client, in_words

if TYPE_CHECKING:
    import httpx

__all__ = ("Wheel", "Wheels", "cost", "read_report")

#: Seconds for which a list of files counts: later there may be newer ones.
_FRESH = 86400.0
_CHUNK = 1 << 18
#: Times that a file is asked for when connections break, and seconds in between.
_TRIES, _PAUSE = 5, 1.0


@dataclass(frozen=True)
class Wheel:
    """One file to install; an sdist is one too.

    Attributes:
        name: Of the package.
        version: Of the package.
        url: ``https:`` or ``file:``.
        sha256: Hexadecimal; empty when the index does not say.
        size: Bytes, or None when the server does not say.
    """

    name: str
    version: str
    url: str
    sha256: str
    size: int | None = None

    @property
    def file_name(self) -> str:
        """Last part of its address: pip reads name, version and tags from it."""
        return Path(unquote(urlsplit(self.url).path)).name

    @property
    def path(self) -> Path | None:
        """Where it lies on this machine, for a ``file:`` address."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None


class Wheels:
    """The files of one environment, kept in a folder until it is built.

    Args:
        folder: Where they are kept; made when something is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._plan = folder / "plan.json"

    def remembered(self) -> list[Wheel]:
        """The files that an interrupted build of today had looked up; empty without one."""
        try:
            plan = json.loads(self._plan.read_text())
            fresh = time.time() - float(plan["time"]) < _FRESH
            return [Wheel(**each) for each in plan["wheels"]] if fresh else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def remember(self, wheels: Sequence[Wheel]) -> None:
        """Keep what was looked up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self._plan.with_suffix(".tmp")
        partial.write_text(json.dumps({"time": time.time(), "wheels": [*map(asdict, wheels)]}))
        partial.replace(self._plan)

    def forget(self) -> None:
        """Give the room on the disk back."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def missing(self, wheels: Sequence[Wheel]) -> int:
        """Bytes still to download, as far as sizes are known."""
        todo = 0
        for wheel in wheels:
            if wheel.path is None and wheel.size and not self._place(wheel).exists():
                partial = self._partial(wheel)
                todo += wheel.size - (partial.stat().st_size if partial.exists() else 0)
        return max(0, todo)

    def fetch(self, wheels: Sequence[Wheel], progress: Callable[[int, str], None]) -> list[Path]:
        """Download what is missing, four files at a time, and check what was downloaded.

        Args:
            wheels: All files of the environment.
            progress: Gets the bytes there are by now and the file that grew.

        Returns:
            Where each of them lies below ``folder``, in the same order.

        Raises:
            StorageFull: the disk is full.
            Unavailable: a file cannot be downloaded, or is not what the index says.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        total = _Total(progress)
        with client() as http, ThreadPoolExecutor(4) as pool:
            tasks = [pool.submit(self._one, http, wheel, total) for wheel in wheels]
            try:
                return [task.result() for task in tasks]
            except BaseException:
                total.stop.set()  # Ctrl-C too: the threads end with their next piece.
                pool.shutdown(cancel_futures=True)
                raise

    def _one(self, http: httpx.Client, wheel: Wheel, total: _Total) -> Path:
        import httpx

        place = self._place(wheel)
        if wheel.path is not None:
            place.unlink(missing_ok=True)
            place.symlink_to(wheel.path)
        elif not place.exists():
            try:
                self._persist(http, wheel, total)
            except httpx.HTTPError as exc:
                why = str(exc) or type(exc).__name__
                raise Unavailable(f"{wheel.file_name} cannot be downloaded: {why}") from exc
            except OSError as exc:
                if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise StorageFull(
                        f"the disk is full: {wheel.file_name} does not fit into {self.folder}.",
                        hint="Make room and run it again: what is there is not downloaded again.",
                    ) from exc
                raise
        elif wheel.size:
            total.note(wheel.file_name, wheel.size)
        return place

    def _persist(self, http: httpx.Client, wheel: Wheel, total: _Total) -> None:
        """A connection that breaks is made anew, and goes on where it was."""
        import httpx

        for left in reversed(range(_TRIES)):
            try:
                return self._download(http, wheel, total)
            except httpx.TransportError:
                if not left or total.stop.wait(_PAUSE):
                    raise
        return None

    def _download(self, http: httpx.Client, wheel: Wheel, total: _Total) -> None:
        partial = self._partial(wheel)
        if not wheel.sha256:
            partial.unlink(missing_ok=True)  # Nobody could tell whether its start still fits.
        digest, have = hashlib.sha256(), 0
        if partial.exists():
            with partial.open("rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
                    have += len(piece)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with http.stream("GET", wheel.url, headers=headers) as answer:
            if have and answer.status_code != 206:
                digest, have = hashlib.sha256(), 0  # From the start: 200, or 416 past its end.
                if answer.status_code == 416:
                    partial.unlink()
                    return self._download(http, wheel, total)
            answer.raise_for_status()
            total.note(wheel.file_name, have)
            with partial.open("ab" if have else "wb") as file:
                for piece in answer.iter_raw(_CHUNK):
                    if total.stop.is_set():
                        return None
                    file.write(piece)
                    digest.update(piece)
                    have += len(piece)
                    total.note(wheel.file_name, have)
        if wheel.sha256 and digest.hexdigest() != wheel.sha256:
            partial.unlink()
            raise Unavailable(
                f"{wheel.file_name} is not the file that the index names.", hint="Run it again."
            )
        partial.replace(self._place(wheel))
        return None

    def _place(self, wheel: Wheel) -> Path:
        return self.folder / wheel.file_name

    def _partial(self, wheel: Wheel) -> Path:
        return self.folder / f"{wheel.file_name}.part"


class _Total:
    """Adds up what all threads have, and can end them."""

    def __init__(self, progress: Callable[[int, str], None]) -> None:
        self.stop = threading.Event()
        self._progress = progress
        self._lock = threading.Lock()
        self._bytes: dict[str, int] = {}

    def note(self, name: str, have: int) -> None:
        with self._lock:
            self._bytes[name] = have
            self._progress(sum(self._bytes.values()), name)


def read_report(
    report: Mapping[str, Any], sizes: Callable[[Sequence[str]], Sequence[int | None]]
) -> tuple[list[Wheel], bool]:
    """The files in pip's installation report.

    Args:
        report: As ``pip install --report`` writes it.
        sizes: Says how large what lies at each address is.

    Returns:
        The files, and whether they are all there is to install: a checkout or a directory is no
        file, and pip's own business.
    """
    items = [i for i in report["install"] if "archive_info" in i["download_info"]]
    urls = [str(item["download_info"]["url"]) for item in items]
    found = []
    for item, url, size in zip(items, urls, sizes(urls), strict=True):
        hashes = item["download_info"]["archive_info"].get("hashes") or {}
        about = item["metadata"]
        found.append(Wheel(about["name"], about["version"], url, hashes.get("sha256", ""), size))
    return found, len(items) == len(report["install"])


def cost(wheels: Sequence[Wheel]) -> str:
    """What there is to download, as a clause."""
    known = [wheel.size for wheel in wheels if wheel.size is not None]
    unknown = len(wheels) - len(known)
    about = "at least" if unknown else "about"
    tail = f" (the size of {unknown} of {len(wheels)} files is not known)" if unknown else ""
    return f"{about} {in_words(sum(known))} to download{tail}"
