"""`Reports`: what each process of a job reports with `dllab_hub.runtime.report`."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Collection, Iterator
from typing import Any

from ..readings import moment, report
from ..rundir import RunDir, Unreadable
from .lines import Lines
from .pace import Pace
from .series import Series, Snapshot, new_series, shown

__all__ = ("Reports",)

_FOLDER = "reports"
#: Names of one job's curves; more than that are no metrics.
_MOST = 500
_MAX_STEP = 2**62


class Reports:
    """Of one job, read as its files grow. To be used under a lock.

    Attributes:
        paces: How fast each process goes, by its name.

    Args:
        run: Of the job.
        names: Of its processes.
    """

    def __init__(self, run: RunDir, names: Collection[str]) -> None:
        self.paces: dict[str, Pace] = {}
        self._run = run
        self._names = frozenset(names)
        self._lines: dict[str, Lines] = {}
        self._series: dict[tuple[str, str], Series] = {}  # By metric and replica.
        self._waiting: deque[str] = deque()  # Names of files that this round has not read yet.
        self._left_out = False

    @property
    def notes(self) -> Iterator[str]:
        """What could not be read."""
        for replica, lines in self._lines.items():
            if lines.wrong:
                what = "a line is" if lines.wrong == 1 else f"{lines.wrong} lines are"
                yield f"Of the reports of {replica} {what} not readable."
        if self._left_out:
            yield f"Only the first {_MOST} metrics that were reported are kept."

    def read(self, deadline: float) -> bool:
        """Read what is new; whether that was all.

        Args:
            deadline: On the monotonic clock.
        """
        if not self._waiting:
            self._waiting.extend(self._run.names(_FOLDER))
        while self._waiting:  # Of many processes it takes several times to hear all.
            stem, _, kind = self._waiting[0].rpartition(".")
            if stem in self._names:
                if kind == "json":
                    self.hear(stem)
                elif kind == "jsonl" and not self._series_of(stem, deadline):
                    return False
            self._waiting.popleft()
            if time.monotonic() > deadline:
                return not self._waiting
        return True

    def hear(self, replica: str) -> None:
        """Read the last report of one process."""
        said = report(self._run, _FOLDER, f"{replica}.json")
        if said is not None:
            self.paces.setdefault(replica, Pace()).add(said.time, said.step)

    def snapshots(self) -> list[tuple[str, str, Snapshot]]:
        """Metric, replica and points of each curve."""
        return [
            (name, replica, series.snapshot())
            for (name, replica), series in sorted(self._series.items())
        ]

    def _series_of(self, replica: str, deadline: float) -> bool:
        lines = self._lines.setdefault(replica, Lines())
        try:
            with self._run.opened(_FOLDER, f"{replica}.jsonl") as (fd, _):
                for piece in lines.read(fd):
                    for line in piece:
                        self._take(replica, line)
                    if time.monotonic() > deadline:
                        return False
        except Unreadable:
            return True
        return True

    def _take(self, replica: str, line: dict[str, Any]) -> None:
        step, when, metrics = line.get("step"), moment(line.get("time")), line.get("metrics")
        if type(step) is not int or not 0 <= step < _MAX_STEP or when is None:
            self._lines[replica].wrong += 1
            return
        self.paces.setdefault(replica, Pace()).add(when, step)
        for name, value in metrics.items() if isinstance(metrics, dict) else ():
            name = shown(name)
            if not name:
                continue
            found = self._series.get((name, replica))
            if found is None:
                if len(self._series) >= _MOST:
                    self._left_out = True
                    continue
                found = self._series[name, replica] = new_series(len(self._series))
            number = moment(value)
            found.add(step, when, math.nan if number is None else number)
