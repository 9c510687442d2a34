"""The memory that this process may use with all it has started: how much, and whom it has cost.

A lab's shim imports this file: see ``signals.py``.
"""

from __future__ import annotations

import os

__all__ = ("memory_kills", "memory_limit")

#: Where control groups are, version 2 and 1; the first part of a line of ``/proc/self/cgroup``.
_ROOTS = (("0::", "/sys/fs/cgroup"), (":memory:", "/sys/fs/cgroup/memory"))


def memory_kills() -> int | None:
    """How many processes the kernel has killed because memory ran out, up to now.

    In the caller's own control group where that says so, else on the whole machine; None where
    neither can be read.
    """
    for folder in _groups():
        for name in ("memory.events", "memory.oom_control"):
            if (found := _field(f"{folder}/{name}", "oom_kill")) is not None:
                return found
    return _field("/proc/vmstat", "oom_kill")


def memory_limit() -> int | None:
    """Bytes that there are: of the machine, or what the caller's control groups leave of them."""
    total = _field("/proc/meminfo", "MemTotal:")
    limits = [] if total is None else [total * 1024]
    for folder in _groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            words = _read(f"{folder}/{name}").split()
            if words and words[0].isdigit():  # Else there is none: "max".
                limits.append(int(words[0]))
    return min(limits, default=None)


def _groups() -> list[str]:
    """Directories of the own control groups and of those above, the nearest first."""
    found = []
    for line in _read("/proc/self/cgroup").splitlines():
        for mark, root in _ROOTS:
            if mark not in line:
                continue
            group = line.partition(mark)[2].rstrip("/")
            while group:
                found.append(root + group)
                group = os.path.dirname(group).rstrip("/")
            # In a container its own group is the root of what it sees.
            found.append(root)
    return found


def _field(path: str, name: str) -> int | None:
    """The number behind a name in a file of such lines."""
    for line in _read(path).splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == name and words[1].isdigit():
            return int(words[1])
    return None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:  # Another version of control groups, or none.
        return ""
