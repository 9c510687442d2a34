"""`Usage`: what the replicas of a job use over time: CPU and memory, and their GPUs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Literal

from ..readings import moment
from ..rundir import RunDir, Unreadable
from .lines import Lines
from .series import Series, Snapshot, new_series

__all__ = ("GPU_LOG", "USAGE", "Usage")

#: Written by the supervisor, one sample a line:
#: ``{"time", "attempt", "replicas": {"worker-0": {"cpu": CPUs, "memory": bytes}}}``.
USAGE = "usage.jsonl"
#: Written by the service, beside ``run/``:
#: ``{"time", "gpus": {UUID: {"utilization": ratio, "memory": bytes, "replica"}}}``.
GPU_LOG = "gpu.jsonl"
_Source = Literal["usage", "gpu"]


class Usage:
    """Of one job, read as its files grow. To be used under a lock.

    Args:
        run: Of the job.
        names: Of its replicas.
    """

    def __init__(self, run: RunDir, names: Collection[str]) -> None:
        self._peaks: dict[str, tuple[int, int]] = {}  # Attempt and bytes.
        self._names = frozenset(names)
        self._run = run
        self._lines, self._gpu_lines = Lines(), Lines()
        self._series: dict[tuple[_Source, str, str], Series] = {}  # Source, name, replica.

    def read(self, deadline: float) -> bool:
        """Read what is new; whether that was all.

        Args:
            deadline: On the monotonic clock.
        """
        done = True
        with suppress(Unreadable), self._run.opened(USAGE) as (fd, _):
            done = _each(self._lines, fd, self._take, deadline)
        path = self._run.path.parent / GPU_LOG
        with suppress(FileNotFoundError):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                done = _each(self._gpu_lines, fd, self._take_gpus, deadline) and done
            finally:
                os.close(fd)
        return done

    def last(self, replica: str, since: float) -> tuple[float | None, int | None]:
        """CPUs and bytes that a replica used when it was last measured, not before ``since``."""
        found: list[float | None] = []
        for name in ("cpu", "memory"):
            series = self._series.get(("usage", name, replica))
            last = series.last if series else None
            found.append(last[2] if last and last[1] >= since else None)
        return found[0], None if found[1] is None else int(found[1])

    def peak(self, replica: str, attempt: int) -> int | None:
        """Most bytes that were measured of a replica in its newest attempt, if it is that."""
        found = self._peaks.get(replica)
        return found[1] if found and found[0] == attempt else None

    def snapshots(self) -> list[tuple[_Source, str, str, Snapshot]]:
        """Source, name, replica and points of each curve."""
        return [(*key, series.snapshot()) for key, series in sorted(self._series.items())]

    def _take(self, line: dict[str, Any]) -> None:
        when, attempt = moment(line.get("time")), line.get("attempt")
        replicas = line.get("replicas")
        if when is None or not isinstance(replicas, dict):
            return
        for replica, use in replicas.items():
            if replica not in self._names or not isinstance(use, dict):
                continue
            for name in ("cpu", "memory"):
                self._add("usage", name, replica, when, moment(use.get(name)))
            memory = moment(use.get("memory"))
            if memory is not None and type(attempt) is int:
                before = self._peaks.get(replica, (attempt, 0))
                most = max(int(memory), before[1] if before[0] == attempt else 0)
                self._peaks[replica] = (attempt, most)

    def _take_gpus(self, line: dict[str, Any]) -> None:
        when, gpus = moment(line.get("time")), line.get("gpus")
        if when is None or not isinstance(gpus, dict):
            return
        shares: dict[str, list[dict[str, Any]]] = {}
        for gpu in gpus.values():
            if isinstance(gpu, dict) and gpu.get("replica") in self._names:
                shares.setdefault(gpu["replica"], []).append(gpu)
        for replica, own in shares.items():
            busy = [n for gpu in own if (n := moment(gpu.get("utilization"))) is not None]
            used = [n for gpu in own if (n := moment(gpu.get("memory"))) is not None]
            self._add("gpu", "gpu", replica, when, sum(busy) / len(busy) if busy else None)
            self._add("gpu", "gpu_memory", replica, when, sum(used) if used else None)

    def _add(
        self, source: _Source, name: str, replica: str, when: float, value: float | None
    ) -> None:
        if value is None:
            return
        found = self._series.get((source, name, replica))
        if found is None:
            found = self._series[source, name, replica] = new_series(len(self._series))
        found.add(0, when, value)


def _each(lines: Lines, fd: int, take: Callable[[dict[str, Any]], None], deadline: float) -> bool:
    for piece in lines.read(fd):
        for line in piece:
            take(line)
        if time.monotonic() > deadline:
            return False
    return True
