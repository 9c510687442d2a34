"""`Usage`: what each replica of a job uses of CPUs and memory, measured now and then."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import USAGE
from .memory import memory_kills
from .replica import Replica
from .signals import signal
from .tree import adopted, cpu_seconds, resident, tree
from .writing import write_all

__all__ = ("Usage",)

#: Seconds from the start of an attempt to its first sample.
_FIRST = 1.0
#: Seconds between two samples, and until when that is so, in seconds from the start.
_PACES = ((5.0, 3600.0), (15.0, 86400.0))
_SLOWEST = 60.0
#: A sample may cost this part of a core, on average.
_SHARE = 1 / 1000
#: Codes of who was killed; the second is a shell's word for its last child.
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
#: What a data loader says in the last characters of a log when one of its workers was killed.
_CHILD_KILLED, _END = "is killed by signal: Killed", 8192
#: Seconds between two times that the samples are shown in ``state.json``.
_SHOWN = 30.0
#: Seconds that a process may take to end once the kernel has counted it as killed: its memory is
#: given back first, and we hear of it only then.
_LATE = 10.0


@dataclass
class _Meter:
    """Of one process of an attempt, with all it has started.

    Attributes:
        time: When it was read, seconds since the epoch; at first when the process was started.
        seconds: Of a core, used until then.
        cpu: CPUs in use between the last two readings.
        memory: Bytes.
        peak: Most bytes.
    """

    time: float
    seconds: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    peak: int = 0


class Usage:
    """Samples, as lines of ``usage.jsonl`` and in what is told of each process.

    A line is ``{"time", "attempt", "replicas": {"worker-0": {"cpu", "memory"}}}``: CPUs in use
    since the sample before, and bytes in memory, where pages that processes share count for each.
    A replica's processes are added up. Samples become rarer when the job runs long, or when one
    takes long. A full disk loses them.

    Args:
        run: The job's run directory.
        plan: A server, which may run for ever, is not measured.
        append: Takes each line, and writes it instead.

    Attributes:
        due: When to take the next sample, as of `time.monotonic`; None: never.
    """

    def __init__(
        self,
        run: Path,
        plan: Mapping[str, Any],
        *,
        append: Callable[[bytes], object] | None = None,
    ) -> None:
        self.due: float | None = None
        self._path = run / USAGE
        self._append = append or self._append_here
        self._measures = "command" not in plan
        self._began = time.monotonic()
        self._meters: dict[int, _Meter] = {}  # By rank.
        self._shown = 0.0
        self._kills: list[tuple[float, int | None]] = []  # When they were counted, oldest first.

    def begin(self) -> None:
        """An attempt begins."""
        self._meters.clear()
        self._kills = [(time.monotonic(), memory_kills())]
        if self._measures:
            self.due = time.monotonic() + _FIRST

    def look(self, gang: Sequence[Replica]) -> None:
        """Take a sample."""
        began = time.thread_time()
        self._count()
        left: dict[int, list[int]] = {}
        for one, pid in adopted(gang):
            left.setdefault(one.rank, []).append(pid)
        first = not self._meters
        now = time.time()
        replicas: dict[str, dict[str, float]] = {}
        for one in gang:
            if one.process:
                meter = self._read(one, left.get(one.rank, []), now)
                sums = replicas.setdefault(one.replica, {"cpu": 0.0, "memory": 0})
                sums["cpu"] = round(sums["cpu"] + meter.cpu, 3)
                sums["memory"] += meter.memory
        if replicas:
            attempt = gang[0].attempt
            line = {"time": round(now, 3), "attempt": attempt, "replicas": replicas}
            self._append((json.dumps(line) + "\n").encode())
        if first or time.monotonic() - self._shown >= _SHOWN:
            self._shown = time.monotonic()
            for one in gang:
                if one.process:
                    self._show(one)
        pace = self._pace(time.monotonic() - self._began)
        self.due = time.monotonic() + max(pace, (time.thread_time() - began) / _SHARE)

    def settle(self, replica: Replica, code: int, tail: str, *, told: bool) -> None:
        """A process has ended: what was last measured of it stands.

        Args:
            replica: The process.
            code: As in `subprocess`: minus the number when a signal ended it.
            tail: End of its log.
            told: Whether it had been told to end.
        """
        self._show(replica)
        killed = code in _KILLED or (code != 0 and _CHILD_KILLED in tail[-_END:])
        if killed and not told and not replica.blame:
            self._count()
            now, before = self._kills[-1][1], self._kills[0][1]
            replica.oom = None if now is None or before is None else now > before

    def _count(self) -> None:
        """Count the kernel's kills; all counts stay that are needed to know those of late."""
        now = time.monotonic()
        self._kills.append((now, memory_kills()))
        while now - self._kills[1][0] >= _LATE:
            del self._kills[0]

    def _read(self, one: Replica, left: Sequence[int], now: float) -> _Meter:
        pids = tree([one.process, *left] if one.process else left)
        meter = self._meters.setdefault(one.rank, _Meter(one.started or now))
        seconds = sum(map(cpu_seconds, pids))
        # What ended unseen takes its seconds along, and clocks are set: neither is less than 0.
        used, passed = max(0.0, seconds - meter.seconds), now - meter.time
        meter.cpu = round(used / passed, 3) if passed > 0 else 0.0
        meter.time, meter.seconds = now, seconds
        meter.memory = sum(map(resident, pids))
        meter.peak = max(meter.peak, meter.memory)
        return meter

    def _show(self, one: Replica) -> None:
        if meter := self._meters.get(one.rank):
            one.cpu, one.memory = meter.cpu, meter.memory
            one.peak_memory = max(meter.peak, one.peak_memory or 0)

    @staticmethod
    def _pace(ran: float) -> float:
        return next((pace for pace, until in _PACES if ran < until), _SLOWEST)

    def _append_here(self, line: bytes) -> None:
        # A FIFO that somebody planted must not make us wait for its reader.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
        with suppress(OSError):  # Full, over quota, or the directory was taken away.
            fd = os.open(self._path, flags, 0o600)
            try:
                write_all(fd, line)
            finally:
                os.close(fd)
