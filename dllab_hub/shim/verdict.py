"""What is said of a job: how far it came when it is paused or its time is up, and who it is."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from . import CHECKPOINTS
from .limits import duration
from .memory import memory_limit
from .replica import Replica
from .reports import reported
from .signals import signal_name

__all__ = ("crew", "out_of_memory", "out_of_time", "paused", "stopped", "times")

_STEP = re.compile(r"step-(\d{1,18})")
#: What makes such a directory a checkpoint; it is written before the directory gets its name.
_MANIFEST = "MANIFEST.json"
_GIB = 2**30


def paused(run: Path, leader: str, *, killed: bool) -> str:
    """``paused at step 480; last checkpoint: step 460.``, as far as it is known.

    Args:
        run: The job's run directory.
        leader: Name of the process whose reports are those of the job.
        killed: Whether it had to be killed before it ended.
    """
    told = reported(run, leader) or reported(run, "")
    return _sentence(f"paused at step {told.step}" if told else "paused", run, killed)


def out_of_time(run: Path, limit: float, *, killed: bool) -> str:
    """``it reached its time limit of 2 h; last checkpoint: step 460.``

    Args:
        run: The job's run directory.
        limit: Seconds.
        killed: Whether it had to be killed before it ended.
    """
    return _sentence(f"it reached its time limit of {duration(limit)}", run, killed)


def out_of_memory(replica: Replica) -> str:
    """``worker-1 was killed by SIGKILL, likely out of memory: peak 23.4 of 24 GiB.``"""
    words = f"{replica.name} was killed by SIGKILL, likely out of memory"
    if not replica.peak_memory:
        return f"{words}."
    limit = memory_limit()
    peak = min(replica.peak_memory, limit or replica.peak_memory)  # Shared pages may be others'.
    of = f" of {limit / _GIB:.3g}" if limit else ""
    return f"{words}: peak {peak / _GIB:.3g}{of} GiB."


def stopped(replicas: Sequence[Replica]) -> str:
    """``worker-1 is stopped (SIGSTOP), not dead; the job waits for it.``, or nothing."""
    if not replicas:
        return ""
    names = ", ".join(replica.name for replica in replicas)
    are, them = ("is", "it") if len(replicas) == 1 else ("are", "them")
    why = signal_name(replicas[0].stopped)
    return f"{names} {are} stopped ({why}), not dead; the job waits for {them}."


def crew(gang: Sequence[Replica]) -> str:
    """``2 replicas``, ``1 replica of 4 processes``."""
    count = len({replica.replica for replica in gang})
    what = f"{count} replicas" if count > 1 else "1 replica"
    return what if len(gang) == count else f"{what}, {len(gang)} processes"


def times(count: int) -> str:
    """``once``, ``3 times``."""
    return "once" if count == 1 else f"{count} times"


def _sentence(words: str, run: Path, killed: bool) -> str:
    if (checkpoint := _checkpoint(run)) is not None:
        words += f"; last checkpoint: step {checkpoint}"
    return f"{words}.{' It did not end by itself and was killed.' if killed else ''}"


def _checkpoint(run: Path) -> int | None:
    """Step of the newest checkpoint that says so itself; other formats the service knows."""
    folder = run / CHECKPOINTS
    try:
        names = os.listdir(folder)
    except OSError:  # The code may have done anything with it.
        return None
    steps = [
        int(match[1])
        for name in names
        if (match := _STEP.fullmatch(name)) and (folder / name / _MANIFEST).is_file()
    ]
    return max(steps, default=None)
