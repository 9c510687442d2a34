"""How far a job came, in words: what is said when it is paused or its time is up."""

from __future__ import annotations

import os
import re
from pathlib import Path

from . import CHECKPOINTS, REPORT
from .limits import duration
from .record import read_json

__all__ = ("out_of_time", "paused")

_STEP = re.compile(r"step-(\d{1,18})")
_LONGEST_REPORT = 64 * 1024
#: What makes such a directory a checkpoint; it is written before the directory gets its name.
_MANIFEST = "MANIFEST.json"


def paused(run: Path, *, killed: bool) -> str:
    """``paused at step 480; last checkpoint: step 460.``, as far as it is known.

    Args:
        run: The job's run directory.
        killed: Whether it had to be killed before it ended.
    """
    step = _reported(run)
    return _sentence("paused" if step is None else f"paused at step {step}", run, killed)


def out_of_time(run: Path, limit: float, *, killed: bool) -> str:
    """``it reached its time limit of 2 h; last checkpoint: step 460.``

    Args:
        run: The job's run directory.
        limit: Seconds.
        killed: Whether it had to be killed before it ended.
    """
    return _sentence(f"it reached its time limit of {duration(limit)}", run, killed)


def _sentence(words: str, run: Path, killed: bool) -> str:
    if (checkpoint := _checkpoint(run)) is not None:
        words += f"; last checkpoint: step {checkpoint}"
    return f"{words}.{' It did not end by itself and was killed.' if killed else ''}"


def _reported(run: Path) -> int | None:
    """The step that the code last told. Its file may be anything, as all that the code writes."""
    path = run / REPORT
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST_REPORT:
            return None
        step = (read_json(path) or {}).get("step")
    except (OSError, RecursionError):
        return None
    return step if type(step) is int else None


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
