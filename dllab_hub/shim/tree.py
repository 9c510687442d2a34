"""A process with all that it has started: who they are, their memory and their time.

What cannot be read counts as nothing: the process has ended, or is not ours to look at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from .replica import Replica

__all__ = ("adopted", "cpu_seconds", "proportional", "resident", "tree", "tree_memory")

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
#: Bytes that are read at once.
_PIECE = 16 * 1024
#: Where in /proc/<pid>/stat, behind the command, its times are: own and of the children it reaped.
_TIMES = slice(11, 15)


def tree(roots: Iterable[int]) -> list[int]:
    """Processes and whatever descends from them."""
    found = dict.fromkeys(roots)
    waiting = list(found)
    while waiting:
        for child in _children(waiting.pop()):
            if child not in found:
                found[child] = None
                waiting.append(child)
    return list(found)


def tree_memory(pid: int) -> int:
    """Bytes in memory of a process and of all it has started; 0 when it is gone.

    Pages that several of them share count for each.
    """
    return sum(map(resident, tree([pid])))


def adopted(gang: Iterable[Replica]) -> list[tuple[Replica, int]]:
    """What processes of a gang have started and left behind, and who it was.

    It is this process's own child then; its environment says where it comes from.
    """
    own = {one.process for one in gang}
    orphans = [pid for pid in _children(os.getpid()) if pid not in own]
    marks = [(one, _mark(one)) for one in gang] if orphans else []
    found = []
    for pid in orphans:
        environ = _read(f"/proc/{pid}/environ").split(b"\0")
        found += [(one, pid) for one, mark in marks if mark.issubset(environ)]
    return found


def resident(pid: int) -> int:
    """Bytes in memory, pages shared with others included."""
    words = _read(f"/proc/{pid}/statm").split()
    return int(words[1]) * _PAGE if words else 0


def proportional(pid: int) -> int:
    """Bytes in memory, of shared pages its part; what cannot be looked into counts in full."""
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return resident(pid)


def cpu_seconds(pid: int) -> float:
    """Seconds of a core that a process has used, with the children that it has reaped."""
    data = _read(f"/proc/{pid}/stat")
    # The second field is the command in parentheses and may contain anything, also ")".
    fields = data[data.rindex(b")") + 2 :].split() if data else []
    return sum(map(int, fields[_TIMES])) / _TICKS


def _mark(one: Replica) -> frozenset[bytes]:
    words = (
        f"DLLAB_ROLE={one.role}",
        f"DLLAB_REPLICA={one.index}",
        f"DLLAB_PROCESS={one.place}",
    )
    return frozenset(word.encode() for word in words)


def _children(pid: int) -> list[int]:
    """Children of all threads of a process."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []
    words = b"".join(_read(f"/proc/{pid}/task/{thread}/children") for thread in threads)
    return [int(word) for word in words.split()]


def _read(path: str) -> bytes:
    """Content of a file of /proc. A file object would take twice the time, and there are many."""
    data = b""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return data
    try:
        while piece := os.read(fd, _PIECE):
            data += piece
    except (ProcessLookupError, PermissionError):
        pass  # It ends just now: what there is of it is all.
    finally:
        os.close(fd)
    return data
