"""What a job's own files say of it: state, end, progress. A file that lies is no file.

Every function takes the `RunDir`, blocks for a millisecond and raises nothing for bad content.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ...specs import JobState, Progress, ReplicaStatus, TrainingSpec
from ..replicas import replica_names
from .rundir import RunDir, Unreadable

__all__ = ("End", "Status", "end", "identity", "leader", "moment", "progress", "report")

#: Metrics of one report that are kept, and steps that there can be.
_MOST_METRICS = 200
_MAX_STEP = 2**62


@dataclass(frozen=True)
class Status:
    """``state.json``: what the shim last said of a job that runs.

    Attributes:
        state: ``RUNNING`` or ``RESTARTING``, or None when the file is unreadable.
        reason: A sentence, may be empty.
        attempt: From 1.
        replicas: Of this attempt.
        started: When the first attempt of this launch began, seconds since the epoch.
        ran: Seconds that the job ran in all launches, as of this file.
        silent_since: Since when nothing was heard of the job, seconds since the epoch, or None.
    """

    state: JobState | None = None
    reason: str = ""
    attempt: int = 0
    replicas: tuple[ReplicaStatus, ...] = ()
    started: float | None = None
    ran: float = 0.0
    silent_since: float | None = None

    @classmethod
    def of(cls, run: RunDir) -> Status:
        """Read it; what is missing or wrong keeps its default."""
        try:
            data = run.read_json("state.json")
        except Unreadable:
            return cls()
        state = _state(data)
        replicas: list[ReplicaStatus] = []
        found = data.get("replicas")
        with suppress(ValueError):
            replicas += [
                ReplicaStatus.from_wire(one)
                for one in (found if isinstance(found, list) else [])[:1024]
            ]
        return cls(
            state=state,
            reason=_text(data.get("reason")),
            attempt=_attempt(data),
            replicas=tuple(replicas),
            started=moment(data.get("started")),
            ran=moment(data.get("ran")) or 0.0,
            silent_since=moment(data.get("silent_since")),
        )


@dataclass(frozen=True)
class End:
    """``exit.rec``: how a job ended, for good or as PAUSED.

    Attributes:
        ran: Seconds that it ran in all launches, or None when it does not say.
    """

    state: JobState
    reason: str
    attempt: int
    ended: float | None
    ran: float | None = None


def end(run: RunDir) -> End | None:
    """How the job ended; None while it has not, or when the record is unreadable."""
    try:
        raw = run.read("exit.rec", limit=65536).strip(b"\0 \n")
        data = json.loads(raw) if raw else None
    except (Unreadable, ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    state = _state(data)
    if state is None or not (state.is_terminal or state is JobState.PAUSED):
        return None
    reason = _text(data.get("reason"))
    return End(state, reason, _attempt(data), moment(data.get("ended")), moment(data.get("ran")))


def identity(run: RunDir) -> dict[str, Any] | None:
    """``shim.json``: who the shim is, once it has said so."""
    try:
        return run.read_json("shim.json")
    except Unreadable:
        return None


def progress(run: RunDir, spec: TrainingSpec) -> Progress | None:
    """What the process that leads the job last reported."""
    # The second is what all processes of jobs had before each had a file of its own.
    return report(run, "reports", f"{leader(spec)}.json") or report(run, "report.json")


def leader(spec: TrainingSpec) -> str:
    """Name of the process whose progress is the job's."""
    names = replica_names(spec)
    return "chief-0" if spec.strategy == "ps" else names[0]


def report(run: RunDir, *parts: str) -> Progress | None:
    """What one process last reported. A metric that is not finite is left out: JSON has no word."""
    try:
        data = run.read_json(*parts)
        metrics = data.get("metrics")
        if isinstance(metrics, dict):
            data["metrics"] = {
                key: float(value)
                for key, value in islice(metrics.items(), _MOST_METRICS)
                if isinstance(value, int | float) and math.isfinite(value) and key.isprintable()
            }
        told = {key: data.get(key) for key in ("step", "total", "metrics", "time")}
        if type(total := told["total"]) is int and not 0 < total < _MAX_STEP:
            told["total"] = None  # Somebody's word for not knowing it.
        found = Progress.from_wire({key: v for key, v in told.items() if v is not None})
    except (Unreadable, ValueError, OverflowError, RecursionError):
        return None
    return found if moment(found.time) is not None and 0 <= found.step < _MAX_STEP else None


def moment(value: object) -> float | None:
    """A finite number, such as a moment in seconds since the epoch; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # An integer of hundreds of digits.
        return None
    return number if math.isfinite(number) else None


def _state(data: dict[str, Any]) -> JobState | None:
    try:
        return JobState(str(data.get("state")))
    except ValueError:
        return None


def _text(value: object) -> str:
    return value[:2000] if isinstance(value, str) else ""


def _attempt(data: dict[str, Any]) -> int:
    value = data.get("attempt")
    return value if type(value) is int and 0 <= value < 10**6 else 0
