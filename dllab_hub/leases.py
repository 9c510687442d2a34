"""Who holds which GPU of this machine: kernel locks, one file per GPU. Standard library only.

A lock lives exactly as long as a process has the file open, so a lease ends when its last holder
dies, whatever killed it, and there is no ledger that could drift from the truth. The text in a lock
file only says who holds it; it means something while the lock is held and nothing afterwards.

A GPU that is not well can be withdrawn: a file says so, and nobody takes it until it is given back.

A lab that lends its GPU keeps its lock; the job that borrows it holds a second one, the loan. A GPU
is free when nobody holds either, so a lab may end before the job that it has lent to.

>>> import tempfile
>>> leases = LeaseDir(Path(tempfile.mkdtemp()))
>>> with leases.take(["GPU-a", "GPU-b"], 1, {"kind": "lab", "owner": "ada"}) as lease:
...     lease.uuids, leases.held(["GPU-a", "GPU-b"])
(('GPU-a',), {'GPU-a': {'kind': 'lab', 'owner': 'ada'}, 'GPU-b': None})
>>> leases.held(["GPU-a"])
{'GPU-a': None}
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import NoCapacity, Unavailable
from .lease import Lease, counted, shortage
from .lockfile import is_held, lock, open_locked, write

__all__ = ("Lease", "LeaseDir")

#: The mutex is held for microseconds; longer means that its holder was stopped (SIGSTOP).
_PATIENCE = 10.0
_ASIDE = ".withdrawn"


class LeaseDir:
    """The lock files of one machine. Calls block for moments: an event loop uses a thread.

    Attributes:
        path: Directory of the files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def take(
        self,
        gpus: Sequence[str],
        n: int,
        holder: Mapping[str, Any],
        *,
        most: int | None = None,
        borrow: bool = False,
    ) -> Lease:
        """Take ``n`` free GPUs, the first ones in the machine's order, or none.

        Args:
            gpus: UUIDs of the GPUs to choose from: all of the machine, or those of one type.
            n: How many are needed.
            holder: ``{"kind", "owner", "name", "id"}``, shown to whoever finds them taken; with
                ``"lend": True`` its owner's jobs may borrow them.
            most: How many GPUs of this machine the holders of this kind and owner may have
                together; None for no limit.
            borrow: Whether GPUs may be borrowed that the owner's labs lend, when too few are free.

        Raises:
            NoCapacity: fewer than ``n`` are free now, or the owner would have more than ``most``;
                the message says how many.
            StorageFull: the directory has no room to say who holds them.
            Unavailable: another process sits on the directory and does not move.
        """
        if n == 0:  # What needs no GPU must not wait for those who do.
            return Lease((), ())
        text = json.dumps(dict(holder)).encode()
        taken: dict[str, int] = {}
        with self._alone():
            if most is not None:
                self._check_most(holder, n, most)
            try:
                self._collect(taken, gpus, n, self._take_free)
                free = len(taken)
                if borrow and free < n:
                    owner = str(holder.get("owner", ""))
                    self._collect(taken, gpus, n, lambda uuid: self._borrow(uuid, owner))
                if len(taken) < n:
                    aside = sum(self._aside(uuid).exists() for uuid in gpus)
                    raise shortage(len(taken), n, len(gpus), aside)
                for fd in taken.values():
                    write(fd, text)
            except BaseException:
                for fd in taken.values():
                    os.close(fd)
                raise
        uuids = tuple(uuid for uuid in gpus if uuid in taken)
        fds = tuple(taken[uuid] for uuid in uuids)
        return Lease(uuids, fds, loans=tuple(taken)[free:])

    def held(self, gpus: Sequence[str]) -> dict[str, dict[str, Any] | None]:
        """For each GPU who holds it, or None when it is free.

        A holder that cannot be read is an empty dict: held, by nobody knows whom. That of a lab
        whose GPU is borrowed has the borrower as ``lent_to``; a borrower whose lab has ended is the
        holder.
        """
        with self._alone():
            return {uuid: self._seen(uuid) for uuid in gpus}

    def lend(self, owner: str, lab: str, lend: bool) -> int:
        """Let the owner's jobs borrow the GPUs of a lab of theirs, or no longer.

        What is borrowed already stays so until the job ends.

        Args:
            owner: Person.
            lab: Id of the lab, as in its holder.
            lend: Whether jobs may borrow from now on.

        Returns:
            How many GPUs the lab holds; 0 means that the owner has no such lab with GPUs.

        Raises:
            StorageFull: the directory has no room.
            Unavailable: another process sits on the directory and does not move.
        """
        count = 0
        with self._alone():
            for uuid in self._known():
                about = self._holder_of(self._file(uuid))
                if about is None or about.get("kind") != "lab" or not owner:
                    continue
                if (about.get("owner"), about.get("id")) != (owner, lab):
                    continue
                count += 1
                fd = os.open(self._file(uuid), os.O_RDWR | os.O_CLOEXEC)
                try:  # The lock is the lab's; whoever reads or writes the text has the mutex.
                    write(fd, json.dumps({**about, "lend": lend}).encode())
                finally:
                    os.close(fd)
        return count

    def withdraw(self, gpu: str, reason: str) -> None:
        """Let nobody take a GPU any more; who holds it keeps it.

        Args:
            gpu: UUID.
            reason: Sentence for people.

        Raises:
            StorageFull: the directory has no room.
            Unavailable: another process sits on the directory and does not move.
        """
        with self._alone():
            fd = os.open(self._aside(gpu), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                write(fd, reason.encode())
            finally:
                os.close(fd)

    def give_back(self, gpu: str) -> None:
        """Let people take a GPU again; nothing when they can."""
        with self._alone():
            self._aside(gpu).unlink(missing_ok=True)

    def withdrawn(self) -> dict[str, str]:
        """Why each GPU that is withdrawn is, by its UUID."""
        found = {}
        with self._alone():
            for path in sorted(self.path.glob(f"*{_ASIDE}")):
                reason = path.read_text("utf-8", errors="replace")
                found[path.name.removesuffix(_ASIDE)] = reason or "It was taken out of use."
        return found

    # All of these are called with the mutex.

    def _collect(
        self,
        taken: dict[str, int],
        gpus: Sequence[str],
        n: int,
        take: Callable[[str], int | None],
    ) -> None:
        for uuid in gpus:
            if len(taken) == n:
                return
            if uuid in taken or self._aside(uuid).exists():
                continue
            if (fd := take(uuid)) is not None:
                taken[uuid] = fd

    def _take_free(self, uuid: str) -> int | None:
        fd = open_locked(self._file(uuid))
        if fd is not None and is_held(self._loan_file(uuid)):  # Its lab has ended before it.
            os.close(fd)
            return None
        return fd

    def _borrow(self, uuid: str, owner: str) -> int | None:
        about = self._holder_of(self._file(uuid))
        if not about or not owner or about.get("lend") is not True:
            return None
        if (about.get("kind"), about.get("owner")) != ("lab", owner):
            return None
        return open_locked(self._loan_file(uuid))

    def _check_most(self, holder: Mapping[str, Any], n: int, most: int) -> None:
        who = (holder.get("kind"), holder.get("owner"))
        abouts = (self._holder_of(self._file(uuid)) for uuid in self._known())
        mine = sum(
            1 for about in abouts if about and (about.get("kind"), about.get("owner")) == who
        )
        if mine + n > most:
            have = f", and they hold {mine}" if mine else ""
            things = f"your {holder.get('kind', 'job')}s"
            raise NoCapacity(
                f"{things} may hold {counted(most)} at most{have}.",
                hint="Stop one of them, or choose fewer." if mine else "Choose fewer.",
                field="gpus",
            )

    def _seen(self, uuid: str) -> dict[str, Any] | None:
        holder = self._holder_of(self._file(uuid))
        borrower = self._holder_of(self._loan_file(uuid))
        if holder is None:
            return borrower
        return holder if borrower is None else {**holder, "lent_to": borrower}

    def _holder_of(self, file: Path) -> dict[str, Any] | None:
        """What the holder of this very lock says of itself; None when nobody holds it."""
        if not is_held(file):
            return None
        try:
            holder = json.loads(file.read_bytes())
        except ValueError:  # Includes text that is not UTF-8.
            return {}
        return holder if isinstance(holder, dict) else {}

    def _known(self) -> list[str]:
        """UUIDs of the GPUs that were ever taken."""
        names = (path.name.removesuffix(".lock") for path in self.path.glob("*.lock"))
        return sorted(name for name in names if not name.endswith(".loan"))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One taker or prober at a time, so that nobody meets a half-taken set."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self.path / ".mutex", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            give_up = time.monotonic() + _PATIENCE
            while not lock(fd):
                if time.monotonic() > give_up:
                    raise Unavailable(
                        "the GPU locks are in use by a process that does not move.",
                        hint=f"See which one has {self.path / '.mutex'} open.",
                    )
                time.sleep(0.002)
            yield
        finally:
            os.close(fd)

    def _file(self, uuid: str) -> Path:
        if not uuid or uuid.startswith(".") or uuid.endswith(".loan") or "/" in uuid:
            raise ValueError(f"not a GPU UUID: {uuid!r}")
        return self.path / f"{uuid}.lock"

    def _aside(self, uuid: str) -> Path:
        return self._file(uuid).with_name(f"{uuid}{_ASIDE}")

    def _loan_file(self, uuid: str) -> Path:
        return self._file(uuid).with_name(f"{uuid}.loan.lock")
