"""What the code of a job reports. Its files may be anything, as all that the code writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import REPORT, REPORTS
from .record import read_json
from .replica import Replica

__all__ = ("Reported", "furthest_behind", "reported")

_LONGEST = 64 * 1024
#: No step and no moment is beyond.
_MOST = 2**62


@dataclass(frozen=True)
class Reported:
    """How far a process is.

    Attributes:
        step: Steps done.
        time: When it said so, seconds since the epoch; 0 when it does not say when.
    """

    step: int
    time: float


def reported(run: Path, name: str) -> Reported | None:
    """What a process last told.

    Args:
        run: The job's run directory.
        name: Of the process. Empty: what there was of a job when only one process had a say.
    """
    path = run / REPORTS / f"{name}.json" if name else run / REPORT
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST:
            return None
        data = read_json(path) or {}
    except (OSError, RecursionError):
        return None
    step, when = data.get("step"), data.get("time")
    if type(step) is not int or abs(step) > _MOST:
        return None
    # A number of hundreds of digits is JSON too.
    known = isinstance(when, int | float) and abs(when) <= _MOST
    return Reported(step, float(when or 0.0) if known else 0.0)


def furthest_behind(run: Path, gang: Sequence[Replica]) -> tuple[Replica, int] | None:
    """Who of a role has reported the lowest step since it was started, and that step.

    None unless two of them have reported, and one is behind.
    """
    found = [
        (one, told.step)
        for one in gang
        if (told := reported(run, one.name)) and told.time >= (one.started or 0.0)
    ]
    if len({step for _, step in found}) < 2:
        return None
    return min(found, key=lambda pair: pair[1])
