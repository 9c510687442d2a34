"""`Processes`: whose the processes are that use the GPUs.

A process says itself whose it is: labs, jobs and replicas are started with a mark in their
environment, and whatever they start inherits it. If it says nothing, its parents are asked, up to
the first that does: some programs overwrite their environment, and that of another account can be
read by root only. In a pod the kernel says whose it is, by the control group.

A person can write anything into an environment, so a mark counts only if it is that of somebody who
holds a GPU of this machine now, and the process belongs to that person's account or to this one. So
where everybody has an account of their own nobody can pass a process off as another's. Where all
share one they can, as they can everything else.

NVML's process ids are those of the machine. In a container with processes of its own they may be
somebody else's here, or nobody's: there only those count that have a GPU open.
"""

from __future__ import annotations

import os
import pwd
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..plaintext import stripped
from ..specs import Gpu, GpuProcess, GpuReport, Holder

__all__ = ("Processes",)

_MARK, _ROLE, _REPLICA = b"DLLAB_LEASE", b"DLLAB_ROLE", b"DLLAB_REPLICA"
#: With dashes, or, in the names of systemd, underscores.
_POD = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})")
#: Generations of parents that are asked.
_DEPTH = 64
#: What the kernel calls the namespace of the processes of the machine itself.
_MACHINE = "pid:[4026531836]"
_DEVICES = ("/dev/nvidia", "/dev/dxg")
_WORD = re.compile(r"[a-z0-9-]{1,63}")
#: Mark of a replica: the id of its deployment, and its name.
_SERVER = re.compile(r"([0-9a-f]{16})-(replica-[0-9]{1,9})", re.ASCII)


@dataclass(frozen=True)
class _Process:
    """What is known of a process as long as it has this start and this program.

    Attributes:
        ticks: When it started, in clock ticks since boot: tells it from a later one with its id.
        name: Of its program.
        parent: Process id.
        uid: Whose it is; None when that cannot be read.
        mark: Id of the lab, job or deployment it says it belongs to; or empty.
        replica: Such as ``worker-0``; or empty.
        pod: Uid of its pod; or empty.
        has_gpu: Whether it is one that has a GPU open here.
    """

    ticks: int
    name: str
    parent: int
    uid: int | None
    mark: str
    replica: str
    pod: str
    has_gpu: bool


class Processes:
    """Looks at ``/proc``, so it blocks for moments; from any thread.

    What it has read of a process is kept for as long as that lives. An id that is used again is
    seen by its start, which is read each time.

    Args:
        proc: Where the processes are.
        machine: Whether the ids here are those of the machine; by default as the kernel says.
    """

    def __init__(self, proc: Path = Path("/proc"), *, machine: bool | None = None) -> None:
        self._proc = proc
        self._machine = machine
        self._known: dict[int, _Process] = {}
        self._lock = threading.Lock()

    def with_owners(self, report: GpuReport, holders: Mapping[str, Holder]) -> GpuReport:
        """The report, with what is known here of each process that uses a GPU.

        Args:
            report: As the driver says, with process ids only.
            holders: Who holds which GPU, with all names, by UUID.
        """
        if not any(gpu.processes for gpu in report.gpus):
            return report
        by_id: dict[str, Holder] = {}
        for each in holders.values():
            for holder in (each, each.lent_to):
                if holder is not None and holder.id:
                    by_id[holder.id] = holder.model_copy(update={"lent_to": None})
        with self._lock:
            before, self._known = self._known, {}
            gpus = tuple(self._gpu(gpu, by_id, before) for gpu in report.gpus)
        return report.model_copy(update={"gpus": gpus})

    def _gpu(self, gpu: Gpu, holders: Mapping[str, Holder], before: Mapping[int, _Process]) -> Gpu:
        if not gpu.processes:
            return gpu
        found = tuple(self._process(process, holders, before) for process in gpu.processes)
        return gpu.model_copy(update={"processes": found})

    def _process(
        self, of: GpuProcess, holders: Mapping[str, Holder], before: Mapping[int, _Process]
    ) -> GpuProcess:
        process = None if of.pid is None else self._look(of.pid, before)
        if process is None or not (self._is_machine() or process.has_gpu):
            return of.model_copy(update={"pid": None})
        known = {"name": process.name}
        for each in self._line(process, before):
            holder = _holder(each, holders)
            if holder is not None:
                return of.model_copy(update={**known, "holder": holder, "replica": each.replica})
        return of.model_copy(update=known)

    def _line(self, process: _Process, before: Mapping[int, _Process]) -> Iterator[_Process]:
        """The process, its parent, the parent of that; to the first that says whose it is."""
        for _ in range(_DEPTH):
            yield process
            parent = None if process.mark or process.parent < 1 else process.parent
            # Who started later is no parent: the id was used again meanwhile.
            above = None if parent is None else self._look(parent, before)
            if above is None or above.ticks > process.ticks:
                return
            process = above

    def _look(self, pid: int, before: Mapping[int, _Process]) -> _Process | None:
        """None when there is none, or it ended while it was looked at."""
        if pid in self._known:
            return self._known[pid]
        stat = self._stat(pid)
        if stat is None:
            return None
        process = before.get(pid)
        # The program as well: a process may become another one, with another environment.
        if process is None or stat != (process.ticks, process.name, process.parent):
            process = self._read(pid, *stat)
            if stat != self._stat(pid):
                return None  # It became another one meanwhile: the next look tells.
        self._known[pid] = process
        return process

    def _read(self, pid: int, ticks: int, name: str, parent: int) -> _Process:
        words = self._bytes(pid, "environ").split(b"\0")
        said = dict(word.split(b"=", 1) for word in words if b"=" in word)
        role, number = (said.get(key, b"").decode(errors="replace") for key in (_ROLE, _REPLICA))
        pod = _POD.search(self._bytes(pid, "cgroup").decode(errors="replace"))
        # A lab's is followed by where its hub is.
        mark = said.get(_MARK, b"").decode(errors="replace").partition("@")[0]
        replica = f"{role}-{number}" if _WORD.fullmatch(role) and number.isdigit() else ""
        if server := _SERVER.fullmatch(mark):
            mark, replica = server.groups()
        return _Process(
            ticks=ticks,
            name=name,
            parent=parent,
            uid=_uid(self._bytes(pid, "status")),
            mark=mark,
            replica=replica,
            pod=pod[1].replace("_", "-") if pod else "",
            has_gpu=self._is_machine() or self._has_gpu(pid),
        )

    def _stat(self, pid: int) -> tuple[int, str, int] | None:
        """Start, program and parent; None for one that is dead, if nobody has fetched it yet."""
        data = self._bytes(pid, "stat")
        # The second field is the program in parentheses and may contain anything, also ")".
        name, _, rest = data.partition(b"(")[2].rpartition(b") ")
        fields = rest.split()
        if len(fields) < 20 or fields[0] in (b"Z", b"X"):
            return None
        # A program names itself as it likes.
        named = " ".join(stripped(name.decode(errors="replace")).split())
        return int(fields[19]), named, int(fields[1])

    def _has_gpu(self, pid: int) -> bool:
        folder = self._proc / str(pid) / "fd"
        try:
            return any(os.readlink(fd).startswith(_DEVICES) for fd in folder.iterdir())
        except OSError:
            return False  # It has ended, or this account may not look: unknown.

    def _is_machine(self) -> bool:
        if self._machine is None:
            try:
                self._machine = os.readlink(self._proc / "self" / "ns" / "pid") == _MACHINE
            except OSError:
                self._machine = False
        return self._machine

    def _bytes(self, pid: int, name: str) -> bytes:
        try:
            with open(f"{self._proc}/{pid}/{name}", "rb") as file:
                return file.read()
        except OSError:
            return b""  # It has ended, or is somebody else's.


def _holder(process: _Process, holders: Mapping[str, Holder]) -> Holder | None:
    """Whose it is by what it says, as far as it may say so."""
    if process.pod in holders:  # The kernel's word.
        return holders[process.pod]
    holder = holders.get(process.mark)
    if holder is None or process.uid is None:
        return None
    if process.uid == os.getuid():
        return holder
    try:
        account = pwd.getpwnam(holder.owner)
    except KeyError:
        return None
    return holder if account.pw_uid == process.uid else None


def _uid(status: bytes) -> int | None:
    """Whose process it is: not the owner of its files in ``/proc``, which may be root."""
    for line in status.splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[1])
    return None
