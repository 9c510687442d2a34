"""What the replicas of a job have written down of themselves: `told`.

Each pod has a file of its own, ``attempts/<n>/<role>-<index>.status.json``, which outlives it. See
`dllab_hub.runtime.launcher`. A file that lies is no file.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass

from ...errors import InvalidRequest
from ...specs import JobState, ReplicaStatus, TrainingSpec
from ..local.rundir import RunDir, Unreadable

__all__ = ("Told", "newest_attempt", "told")

_ATTEMPTS = "attempts"
#: Bytes of such a file, and characters of a traceback in it.
_LARGEST, _LONGEST = 256 * 1024, 8192
_NUMBER = re.compile(r"[1-9][0-9]{0,6}")
_MEASURED = ("started", "ended", "cpu", "rate")


@dataclass(frozen=True)
class Told:
    """Of one replica in one attempt.

    Attributes:
        over: Whether all its processes have ended.
        code: What its container ended with, or None.
        processes: As they were last seen.
    """

    over: bool
    code: int | None
    processes: tuple[ReplicaStatus, ...]


def told(run: RunDir, spec: TrainingSpec, attempt: int) -> dict[tuple[str, int], Told]:
    """What each replica of an attempt has said, by role and index; nothing of those that have not.

    Args:
        run: Of the job.
        spec: The wish.
        attempt: From 1.
    """
    found = {}
    for role in spec.roles:
        for index in range(role.replicas):
            name = f"{role.name}-{index}.status.json"
            with suppress(
                Unreadable, InvalidRequest, ValueError, TypeError, AttributeError, RecursionError
            ):
                data = json.loads(run.read(_ATTEMPTS, str(attempt), name, limit=_LARGEST))
                processes = data.get("processes")
                code = data.get("code")
                found[role.name, index] = Told(
                    over=data.get("over") is True,
                    code=code if type(code) is int else None,
                    processes=tuple(
                        _mine(ReplicaStatus.from_wire(one), role.name, index, attempt)
                        for one in (processes if isinstance(processes, list) else [])[
                            : spec.processes_of(role)
                        ]
                    ),
                )
    return found


def newest_attempt(run: RunDir, since: int) -> int | None:
    """The newest attempt, from ``since`` on, of which a replica has said something."""
    numbers = [int(name) for name in run.names(_ATTEMPTS) if _NUMBER.fullmatch(name)]
    for number in sorted((n for n in numbers if n >= since), reverse=True):
        if any(name.endswith(".status.json") for name in run.names(_ATTEMPTS, str(number))):
            return number
    return None


def _mine(one: ReplicaStatus, role: str, index: int, attempt: int) -> ReplicaStatus:
    # Its number is one of its pod, and means somebody else here.
    sure: dict[str, object] = {"role": role, "index": index, "attempt": attempt, "pid": None}
    sure |= {"traceback": one.traceback[-_LONGEST:], "gpus": ()}
    if one.state not in (
        JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED
    ):  # fmt: skip
        raise ValueError(f"{one.state} is no state of a replica.")
    # What is not finite has no place in JSON, where it goes from here.
    for name in _MEASURED:
        value = getattr(one, name)
        if value is not None and not math.isfinite(value):
            sure[name] = None
    return one.model_copy(update=sure)
