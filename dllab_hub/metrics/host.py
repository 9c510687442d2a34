"""`HostReader`: CPU, memory and disks of this machine, or of the container that this runs in."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ..specs import Disk, Host
from .cgroups import Group, lines

__all__ = ("HostReader",)

#: Seconds between two looks from which the CPU's use is told. A longer time is not "now".
_LEAST, _MOST = 1.0, 60.0
#: Seconds for which disks are not looked at again, and that a look may take.
_KEEP, _PATIENCE = 10.0, 1.0


class HostReader:
    """Looks when it is asked, from any thread; nothing of it runs meanwhile.

    Args:
        places: Names and directories of the disks, asked for at each look at them; whatever it
            raises `read` raises.
        root: Where ``proc`` and ``sys`` are.
        cpus: Of the machine, that this process may run on.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        places: Callable[[], Mapping[str, Path]],
        *,
        root: Path = Path("/"),
        cpus: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._cpus = len(os.sched_getaffinity(0)) if cpus is None else cpus
        self._clock = clock
        self._disks = _Disks(places, clock)
        self._lock = threading.Lock()
        self._last: tuple[float, float] | None = None  # When, and CPU seconds up to then.
        self._busy: float | None = None

    def read(self) -> Host:
        """What there is now. Blocks for moments, and at most a second if a disk does not answer."""
        group = Group.here(self._root)
        container = group.cpus is not None or group.memory_limit is not None
        memory = self._memory()
        total = memory.get("MemTotal")
        if container:
            limits = [limit for limit in (group.memory_limit, total) if limit is not None]
            used, limit, seconds = group.memory, min(limits, default=None), group.seconds
        else:
            left = memory.get("MemAvailable")
            used = None if total is None or left is None else total - left
            limit, seconds = total, self._seconds()
        return Host(
            time=time.time(),
            container=container,
            cpu=self._use(seconds),
            cpus=float(self._cpus) if group.cpus is None else min(group.cpus, self._cpus),
            memory=used,
            memory_limit=limit,
            disks=self._disks.read(),
        )

    def _use(self, seconds: float | None) -> float | None:
        """CPUs in use since the look before; None at the first one, or when that was long ago."""
        now = self._clock()
        with self._lock:
            if seconds is None:
                self._last = self._busy = None
            elif self._last is None or not 0 <= now - self._last[0] <= _MOST:
                self._last, self._busy = (now, seconds), None
            elif now - self._last[0] >= _LEAST:
                # A group that is new counts from nothing.
                self._busy = max(seconds - self._last[1], 0.0) / (now - self._last[0])
                self._last = (now, seconds)
            return self._busy

    def _memory(self) -> dict[str, int]:
        """Bytes, by the names of ``/proc/meminfo``, which has them in KiB."""
        rows = (line.split() for line in lines(self._root / "proc/meminfo"))
        return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) == 3}

    def _seconds(self) -> float | None:
        """Of all CPUs of the machine, not idle and not waiting for a disk, since it started."""
        for line in lines(self._root / "proc/stat"):
            name, *ticks = line.split()
            if name == "cpu":
                # user nice system idle iowait irq softirq steal; guests are in user already.
                busy = sum(map(int, ticks[:8])) - int(ticks[3]) - int(ticks[4])
                return busy / os.sysconf("SC_CLK_TCK")
        return None


class _Disks:
    """File systems, each once; what was last known while one of them does not answer."""

    def __init__(
        self, places: Callable[[], Mapping[str, Path]], clock: Callable[[], float]
    ) -> None:
        self._places = places
        self._clock = clock
        self._lock = threading.Lock()
        self._disks: tuple[Disk, ...] = ()
        self._taken: float | None = None
        self._thread: threading.Thread | None = None
        self._began = 0.0

    def read(self) -> tuple[Disk, ...]:
        with self._lock:
            now = self._clock()
            if self._taken is not None and now - self._taken < _KEEP:
                return self._disks
            if self._thread is None or not self._thread.is_alive():
                # In a thread of its own: a file server that is gone must not take others with it.
                self._thread = threading.Thread(
                    target=self._look, args=(self._places(),), name="dllab-disks", daemon=True
                )
                self._began = now
                self._thread.start()
            thread, left = self._thread, self._began + _PATIENCE - now
        thread.join(max(left, 0.0))
        return self._disks

    def _look(self, places: Mapping[str, Path]) -> None:
        found: dict[int, Disk] = {}
        for name, path in places.items():
            try:
                where, room = path.stat().st_dev, os.statvfs(path)
            except OSError:
                continue  # Not there, or not for us.
            size = room.f_frsize
            used = (room.f_blocks - room.f_bfree) * size
            if room.f_blocks:  # Those that are no disks have none.
                found.setdefault(where, Disk(name=name, used=used, total=room.f_blocks * size))
        with self._lock:
            self._disks, self._taken = tuple(found.values()), self._clock()
