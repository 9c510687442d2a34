"""`Group`: the control groups of this process, version 1 and 2: what it may use, what it uses.

Where a group is, the kernel says itself: ``/proc/self/cgroup`` names it from the top of its tree,
and ``/proc/self/mountinfo`` which part of that tree is mounted where.
https://docs.kernel.org/admin-guide/cgroup-v2.html and ``cgroup-v1/`` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = ("Group", "lines", "number")

#: Where a limit of memory is really none: version 1 says the largest multiple of a page.
_NO_LIMIT = 2**60


@dataclass(frozen=True)
class Group:
    """What the control groups of this process say.

    Attributes:
        cpus: CPUs that may be used; None for no limit.
        seconds: Of CPU used so far, of all in the group; None when it cannot be read.
        memory_limit: Bytes; None for no limit.
        memory: Bytes in use without what the kernel keeps of files and can give back at once, as
            Kubernetes counts them; None when it cannot be read.
    """

    cpus: float | None
    seconds: float | None
    memory_limit: int | None
    memory: int | None

    @classmethod
    def here(cls, root: Path = Path("/")) -> Group:
        """Of this process. Reads a dozen small files.

        A group above may allow less; then its limit counts, and what all below it use.

        Args:
            root: Where ``proc`` and ``sys`` are.
        """
        cpus: list[tuple[float, Path]] = []
        limits: list[tuple[int, Path]] = []
        for folder in _line(root, "cpu"):
            allowed = _cpus(folder)
            if allowed is not None:
                cpus.append((allowed, folder))
        for folder in _line(root, "memory"):
            limit = number(folder / "memory.max") or number(folder / "memory.limit_in_bytes")
            if limit is not None and limit < _NO_LIMIT:
                limits.append((limit, folder))
        fewest, least = min(cpus, default=None), min(limits, default=None)
        return cls(
            cpus=fewest and fewest[0],
            seconds=_seconds(root, fewest and fewest[1]),
            memory_limit=least and least[0],
            memory=_memory(least[1] if least else next(_line(root, "memory"), None)),
        )


def _line(root: Path, controller: str) -> Iterator[Path]:
    """Directories of the own group for a controller and of those above it, the nearest first."""
    found = _place(root, controller)
    if found is None:
        return
    top, folder = found
    while True:
        yield folder
        if folder == top or top not in folder.parents:
            return
        folder = folder.parent


def _place(root: Path, controller: str) -> tuple[Path, Path] | None:
    """Where the tree of a controller is mounted, and the own group in it."""
    groups = dict(_groups(root))
    for kind in (controller, ""):  # Where a controller has a tree of version 1, it is not in 2.
        mounted = _mounted(root, kind)
        if kind not in groups or mounted is None:
            continue
        part, where = mounted
        group = PurePosixPath(groups[kind])
        top = root / where.lstrip("/")
        inside = top / group.relative_to(part) if group.is_relative_to(part) else top
        # In a container its own group may be all that is mounted, whatever it is called outside.
        return top, inside if inside.is_dir() else top
    return None


def _groups(root: Path) -> Iterator[tuple[str, str]]:
    """Controller, or an empty string for version 2, and the path of the own group."""
    for line in lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _mounted(root: Path, controller: str) -> tuple[str, str] | None:
    """Which part of the tree of a controller is mounted, and where."""
    for line in lines(root / "proc/self/mountinfo"):
        first, _, last = line.partition(" - ")
        kind, options = last.split()[0], last.split()[-1].split(",")
        if kind == "cgroup2" if not controller else kind == "cgroup" and controller in options:
            part, where = first.split()[3:5]
            return _plain(part), _plain(where)
    return None


def _plain(path: str) -> str:
    """Spaces and the like are octal there."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), path)


def _cpus(folder: Path) -> float | None:
    for line in lines(folder / "cpu.max"):
        limit, interval = line.split()
        return int(limit) / int(interval) if limit.isdigit() else None  # Else it is "max".
    quota, period = (number(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return quota / period if quota and period else None  # No limit is -1.


def _seconds(root: Path, limited: Path | None) -> float | None:
    """Of CPU; in the group that is limited, else the own one."""
    for folder in [limited] if limited else list(_line(root, "cpu"))[:1]:
        for line in lines(folder / "cpu.stat"):
            if line.startswith("usage_usec "):
                return int(line.split()[1]) / 1e6
    # Version 1 counts in a tree of its own, which has the same groups.
    top, own = _place(root, "cpuacct") or (None, None)
    if top is None or own is None:
        return None
    tree = _place(root, "cpu")
    if limited is not None and tree is not None and limited.is_relative_to(tree[0]):
        same = top / limited.relative_to(tree[0])
        own = same if same.is_dir() else own
    used = number(own / "cpuacct.usage")
    return None if used is None else used / 1e9


def _memory(folder: Path | None) -> int | None:
    if folder is None:
        return None
    used = number(folder / "memory.current")
    if used is None:
        used = number(folder / "memory.usage_in_bytes")
    if used is None:
        return None
    said = dict(line.split(" ", 1) for line in lines(folder / "memory.stat") if " " in line)
    # Version 1 has the first of them with those below, the second without.
    cache = said.get("total_inactive_file") or said.get("inactive_file") or "0"
    return max(used - int(cache), 0)


def number(path: Path) -> int | None:
    """The number in a file; None when there is another word, or no such file."""
    words = lines(path)
    return int(words[0]) if len(words) == 1 and words[0].strip().isdigit() else None


def lines(path: Path) -> list[str]:
    """Of a file of the kernel; none when it cannot be read: another version, or not for us."""
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
