"""Who holds which GPU of this machine: kernel locks, one file per GPU. Standard library only.

A lock lives exactly as long as a process has the file open, so a lease ends when its last holder
dies, whatever killed it, and there is no ledger that could drift from the truth. The text in a lock
file only says who holds it; it means something while the lock is held and nothing afterwards.

>>> import tempfile
>>> leases = LeaseDir(Path(tempfile.mkdtemp()))
>>> with leases.take(["GPU-a", "GPU-b"], 1, {"kind": "lab", "owner": "ada"}) as lease:
...     lease.uuids, leases.held(["GPU-a", "GPU-b"])
(('GPU-a',), {'GPU-a': {'kind': 'lab', 'owner': 'ada'}, 'GPU-b': None})
>>> leases.held(["GPU-a"])
{'GPU-a': None}
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import NoCapacity, StorageFull, Unavailable

__all__ = ("Lease", "LeaseDir")

#: The mutex is held for microseconds; longer means that its holder was stopped (SIGSTOP).
_PATIENCE = 10.0


@dataclass(frozen=True)
class Lease:
    """GPUs that were taken.

    To hand it over, start the new holder with ``pass_fds=lease.fds`` and `release` it here: the
    lock belongs to the open file, so it stays with the one who still has it.

    Attributes:
        uuids: Of the GPUs, in the machine's order.
        fds: Open files that carry the locks, close-on-exec.
    """

    uuids: tuple[str, ...]
    fds: tuple[int, ...]

    def release(self) -> None:
        """Close this process's files, once. Never unlocks for somebody it was handed to."""
        for fd in self.fds:
            os.close(fd)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


class LeaseDir:
    """The lock files of one machine. Calls block for moments: an event loop uses a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, gpus: Sequence[str], n: int, holder: Mapping[str, Any]) -> Lease:
        """Take ``n`` free GPUs, the first ones in the machine's order, or none.

        Args:
            gpus: UUIDs of all GPUs of the machine.
            n: How many are needed.
            holder: ``{"kind", "owner", "name", "id"}``, shown to whoever finds them taken.

        Raises:
            NoCapacity: fewer than ``n`` are free now; the message says how many.
            StorageFull: the directory has no room to say who holds them.
            Unavailable: another process sits on the directory and does not move.
        """
        if n == 0:  # What needs no GPU must not wait for those who do.
            return Lease((), ())
        text = json.dumps(dict(holder)).encode()
        uuids: list[str] = []
        fds: list[int] = []
        with self._alone():
            try:
                for uuid in gpus:
                    if len(uuids) == n:
                        break
                    if (fd := self._try(uuid)) is not None:
                        uuids.append(uuid)
                        fds.append(fd)
                if len(uuids) < n:
                    raise _shortage(len(uuids), n, len(gpus))
                for fd in fds:
                    _say(fd, text)
            except BaseException:
                for fd in fds:
                    os.close(fd)
                raise
        return Lease(tuple(uuids), tuple(fds))

    def held(self, gpus: Sequence[str]) -> dict[str, dict[str, Any] | None]:
        """For each GPU who holds it, or None when it is free.

        A holder that cannot be read is an empty dict: held, by nobody knows whom.
        """
        found: dict[str, dict[str, Any] | None] = {}
        with self._alone():
            for uuid in gpus:
                if (fd := self._try(uuid)) is None:
                    found[uuid] = self._holder(uuid)
                else:
                    os.close(fd)
                    found[uuid] = None
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One taker or prober at a time, so that nobody meets a half-taken set."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._path / ".mutex", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            give_up = time.monotonic() + _PATIENCE
            while not _lock(fd):
                if time.monotonic() > give_up:
                    raise Unavailable(
                        "the GPU locks are in use by a process that does not move.",
                        hint=f"See which one has {self._path / '.mutex'} open.",
                    )
                time.sleep(0.002)
            yield
        finally:
            os.close(fd)

    def _file(self, uuid: str) -> Path:
        if not uuid or uuid.startswith(".") or "/" in uuid:
            raise ValueError(f"not a GPU UUID: {uuid!r}")
        return self._path / f"{uuid}.lock"

    def _try(self, uuid: str) -> int | None:
        """The locked file, or None when somebody else has it."""
        fd = os.open(self._file(uuid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _lock(fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return None

    def _holder(self, uuid: str) -> dict[str, Any]:
        try:
            holder = json.loads(self._file(uuid).read_bytes())
        except ValueError:  # Includes text that is not UTF-8.
            return {}
        return holder if isinstance(holder, dict) else {}


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _say(fd: int, text: bytes) -> None:
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, text, 0)
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("the disk that holds the GPU locks is full.") from exc
        raise


def _shortage(free: int, n: int, total: int) -> NoCapacity:
    if n > total:
        return NoCapacity(f"{n} GPUs are needed and this machine has {total or 'none'}.")
    needed = "1 GPU is" if n == 1 else f"{n} GPUs are"
    have = "none" if not free else f"only {free}"
    return NoCapacity(f"{needed} needed and {have} of {total} {'is' if free < 2 else 'are'} free.")
