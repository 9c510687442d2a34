"""What a job may use: `TimeLimit` and `MemoryWatch`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .replica import Replica
from .tree import adopted, proportional, resident, tree

__all__ = ("MemoryWatch", "TimeLimit", "duration")

#: Seconds between two looks at memory, and the most when one look takes long.
_INTERVAL, _LONGEST = 1.0, 10.0
#: A look may cost this part of a core, on average.
_SHARE = 1 / 500
_MIB, _GIB = 2**20, 2**30


class TimeLimit:
    """How long a job has run, on a clock that nobody sets.

    Args:
        plan: ``time_limit`` seconds from now at most; ``ran`` seconds before this launch.
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._before = float(plan.get("ran") or 0.0)
        self._left: float | None = plan.get("time_limit")
        self._began = time.monotonic()

    @property
    def ran(self) -> float:
        """Seconds in all."""
        return self._before + time.monotonic() - self._began

    @property
    def due(self) -> float | None:
        """When it is over, as of `time.monotonic`; None without a limit."""
        return None if self._left is None else self._began + self._left

    @property
    def is_over(self) -> bool:
        """Whether the job has run as long as it may."""
        return self.due is not None and time.monotonic() >= self.due

    @property
    def total(self) -> float:
        """Seconds that the job may run in all, over its launches."""
        return self._before + (self._left or 0.0)


class MemoryWatch:
    """Looks about once a second whether a replica uses more memory than it may.

    What counts is all its processes with all they have started. Their resident memory is added up
    first, which is cheap and counts shared pages several times; only when that is too much is each
    page looked at once. A look that takes long is followed by a longer pause.

    Args:
        roles: Of the plan.

    Attributes:
        due: When to look next, as of `time.monotonic`; None when no role has a limit.
    """

    def __init__(self, roles: Iterable[Mapping[str, Any]]) -> None:
        self._limits = {role["name"]: int(role["memory"]) for role in roles if role.get("memory")}
        self.due = time.monotonic() + _INTERVAL if self._limits else None

    def look(self, gang: Sequence[Replica]) -> list[Replica]:
        """Processes of replicas that use too much; each has its ``blame`` then."""
        began = time.thread_time()
        replicas: dict[str, list[Replica]] = {}
        for one in gang:
            if one.process and one.role in self._limits:
                replicas.setdefault(one.replica, []).append(one)
        left: dict[str, list[int]] = {}
        for one, pid in adopted(gang) if replicas else ():
            left.setdefault(one.replica, []).append(pid)
        over = [
            group for name, group in replicas.items() if self._is_over(group, left.get(name, []))
        ]
        took = time.thread_time() - began
        self.due = time.monotonic() + min(max(_INTERVAL, took / _SHARE), _LONGEST)
        return [one for group in over for one in group]

    def _is_over(self, group: Sequence[Replica], left: Sequence[int]) -> bool:
        limit = self._limits[group[0].role]
        pids = tree([*(one.process for one in group if one.process), *left])
        if sum(map(resident, pids)) <= limit:
            return False
        used = sum(map(proportional, pids))
        if used <= limit:
            return False
        for one in group:
            one.blame = f"{one.replica} used {_more_than(used, limit)} it may use."
        return True


def duration(seconds: float) -> str:
    """``2 h``, ``1 h 30 min``, ``45 s``: the two largest units."""
    left = max(0, round(seconds))
    words = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words[:2]) or "0 s"


def _more_than(used: int, limit: int) -> str:
    """``5.1 GiB, more than the 4 GiB``: rounded so that the first number is the larger."""
    name, unit = ("GiB", _GIB) if limit >= _GIB else ("MiB", _MIB)
    up, down = math.ceil(used * 10 / unit) / 10, math.floor(limit * 10 / unit) / 10
    return f"{up:g} {name}, more than the {down:g} {name}"
