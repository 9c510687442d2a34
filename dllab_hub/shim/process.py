"""Linux processes of this machine: who is who, and nothing left behind."""

from __future__ import annotations

import os
import time

from . import MARKER
from .children import reap
from .signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = (
    "catches",
    "identity",
    "is_alive",
    "is_stopped",
    "send",
    "strays",
    "sweep",
    "uid_of",
)

#: So many looks in a row that find nothing count as nothing there.
_EMPTY_LOOKS = 3


def identity(pid: int) -> dict[str, Any] | None:
    """What tells this process from a later one with the same number, or None when it is dead.

    Returns:
        ``{"pid": int, "ticks": int, "boot_id": str}``: ticks is the start time in clock ticks
        since boot (field 22 of ``/proc/<pid>/stat``), which no clock change moves.
    """
    stat = _stat(pid)
    if stat is None or stat[0] in ("Z", "X"):  # A zombie answers kill(pid, 0) but is dead.
        return None
    return {"pid": pid, "ticks": int(stat[19]), "boot_id": _boot_id()}


def is_alive(of: Mapping[str, Any]) -> bool:
    """Whether the process that `identity` described still runs; more keys do not matter."""
    pid = of.get("pid")
    now = identity(pid) if isinstance(pid, int) and pid > 0 else None
    return now is not None and all(now[key] == of.get(key) for key in now)


def send(of: Mapping[str, Any], number: int) -> bool:
    """Send a signal to the process that `identity` described, and never to another.

    Returns:
        Whether it was alive to receive it.

    Raises:
        PermissionError: it belongs to somebody else.
    """
    pid = of.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # The descriptor is fixed to one process; checked after it is open, it is the right one.
        if not is_alive(of):
            return False
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def strays(lease: str, *, uid: int | None = None) -> list[int]:
    """Processes that belong to a lab or job: marked with it, or started by one that is.

    Args:
        lease: Its id; a process with exactly this mark in its environment is found wherever it
            hangs, and so is whatever it started.
        uid: Whose processes may be found by the mark; the caller's own by default.

    Returns:
        Their numbers, never this process's own, zombies left out.
    """
    return _strays(lease, uid, lambda pid: None)


def sweep(
    lease: str, *, uid: int | None = None, children: bool = False, seconds: float = 5.0
) -> list[int]:
    """Kill all `strays` until there are none, also those that fork meanwhile.

    Args:
        lease: As for `strays`.
        uid: As for `strays`.
        children: Kill and reap all descendants of the calling process too, which is a subreaper and
            does not want to know any more how they end.
        seconds: Give up after so long.

    Returns:
        Those that are still there then; normally none.
    """
    give_up = time.monotonic() + seconds
    # Whatever a child leaves behind becomes a child: when there is none, there is nothing at all.
    while children and not _childless():
        left = _children()
        if time.monotonic() > give_up:
            return left
        for pid in left:
            _kill(pid)
        time.sleep(0.001)
    # All are stopped before any is killed: whose parent is gone is found by descent no more.
    stopped: set[int] = set()
    empty = 0
    while True:
        left = _strays(lease, uid, _stop)
        # A look takes milliseconds and can miss who is born during it.
        empty = 0 if left else empty + 1
        if empty == (1 if children else _EMPTY_LOOKS):
            return []
        late = time.monotonic() > give_up
        if (new := set(left) - stopped) and not late:
            for pid in new:
                _stop(pid)
            stopped |= new
            continue
        for pid in left:
            _kill(pid)
        if late:
            return left
        stopped.clear()
        time.sleep(0.005 if left else 0)


def _strays(lease: str, uid: int | None, seen: Callable[[int], None]) -> list[int]:
    """`strays`; ``seen`` is called for a marked process at once, before it can fork again."""
    uid = os.getuid() if uid is None else uid
    mark = f"{MARKER}={lease}".encode()
    own = os.getpid()
    offspring: dict[int, list[int]] = {}
    found: set[int] = set()
    for pid in _pids():
        if pid == own:
            continue
        if mark in _environ(pid) and uid_of(pid) == uid:
            seen(pid)
            found.add(pid)
        stat = _stat(pid)
        if stat is None or stat[0] in ("Z", "X"):
            found.discard(pid)
            continue
        offspring.setdefault(int(stat[1]), []).append(pid)
    waiting = list(found)
    while waiting:
        for child in offspring.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return sorted(found)


def _childless() -> bool:
    """Reap what has ended; whether there is no child left, adopted ones included."""
    reap()
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _children() -> list[int]:
    """Own children, adopted ones included."""
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children", encoding="utf-8") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:  # A kernel without CONFIG_PROC_CHILDREN.
        stats = [(pid, _stat(pid)) for pid in _pids()]
        return [pid for pid, stat in stats if stat is not None and int(stat[1]) == own]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stop(pid: int) -> None:
    _send(pid, signal.SIGSTOP)


def _kill(pid: int) -> None:
    _send(pid, signal.SIGKILL)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):  # Gone, or a setuid program's.
        return


def _stat(pid: int) -> list[str] | None:
    """Fields of ``/proc/<pid>/stat`` from the third on: state, parent, ... start ticks at 19."""
    data = _proc(pid, "stat")
    # The second field is the command in parentheses and may contain anything, also ")".
    return data[data.rindex(b")") + 2 :].decode().split() if data else None


def _environ(pid: int) -> list[bytes]:
    return _proc(pid, "environ").split(b"\0")


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal; False when it is gone."""
    for line in _proc(pid, "status").splitlines():
        if line.startswith(b"SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def is_stopped(pid: int | None) -> bool:
    """Whether SIGSTOP or the like keeps a process from running; not while a debugger does."""
    return pid is not None and (_stat(pid) or [""])[0] == "T"


def uid_of(pid: int) -> int | None:
    """Whose process it is, or None when it is gone.

    Not the owner of ``/proc/<pid>``: that is root where a process keeps its files private.
    """
    for line in _proc(pid, "status").splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[1])
    return None


def _proc(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        return file.read().strip()
