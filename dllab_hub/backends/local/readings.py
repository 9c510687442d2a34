"""What a job's own files say of it: state, end, progress, checkpoints. A file that lies is no file.

Every function takes the `RunDir`, blocks for a millisecond and raises nothing for bad content.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...specs import Checkpoint, JobState, Progress, ReplicaStatus
from .rundir import RunDir, Unreadable

__all__ = ("End", "Status", "checkpoints", "end", "identity", "newest_checkpoint", "progress")

_STEP = re.compile(r"step-(\d{1,18})")
#: More checkpoints than anybody keeps; a folder with more shows its newest.
_MAX_CHECKPOINTS = 1000


@dataclass(frozen=True)
class Status:
    """``state.json``: what the shim last said of a job that runs.

    Attributes:
        state: ``RUNNING`` or ``RESTARTING``, or None when the file is unreadable.
        reason: A sentence, may be empty.
        attempt: From 1.
        replicas: Of this attempt.
        started: When the first attempt began, seconds since the epoch.
    """

    state: JobState | None = None
    reason: str = ""
    attempt: int = 0
    replicas: tuple[ReplicaStatus, ...] = ()
    started: float | None = None

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
            started=_time(data.get("started")),
        )


@dataclass(frozen=True)
class End:
    """``exit.rec``: how a job ended."""

    state: JobState
    reason: str
    attempt: int
    ended: float | None


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
    if state is None or not state.is_terminal:
        return None
    return End(state, _text(data.get("reason")), _attempt(data), _time(data.get("ended")))


def identity(run: RunDir) -> dict[str, Any] | None:
    """``shim.json``: who the shim is, once it has said so."""
    try:
        return run.read_json("shim.json")
    except Unreadable:
        return None


def progress(run: RunDir) -> Progress | None:
    """What the code last reported. A metric that is not finite is left out: JSON has no word."""
    try:
        data = run.read_json("report.json")
        metrics = data.get("metrics")
        if isinstance(metrics, dict):
            data["metrics"] = {
                key: float(value)
                for key, value in metrics.items()
                if isinstance(value, int | float) and math.isfinite(value)
            }
        return Progress.from_wire(data)
    except (Unreadable, ValueError, OverflowError, RecursionError):
        return None


def checkpoints(run: RunDir) -> tuple[Checkpoint, ...]:
    """The whole ones, newest first."""
    found = [_checkpoint(run, name) for name in _steps(run)]
    return tuple(one for one in found if one is not None)


def newest_checkpoint(run: RunDir) -> Checkpoint | None:
    """The newest whole one, or None."""
    return next((one for name in _steps(run) if (one := _checkpoint(run, name))), None)


def _steps(run: RunDir) -> list[str]:
    """Names of the checkpoints' folders, newest first."""
    names = [name for name in run.names("checkpoints") if _STEP.fullmatch(name)]
    return sorted(names, key=lambda name: int(name[5:]), reverse=True)[:_MAX_CHECKPOINTS]


def _checkpoint(run: RunDir, name: str) -> Checkpoint | None:
    """The checkpoint in this folder when every file of its manifest is there in full size."""
    try:
        data = run.read_json("checkpoints", name, "MANIFEST.json")
        sizes = {file: about["size"] for file, about in data["files"].items()}
        paths = {file: file.split("/") for file in sizes}
        if any(part in {"", ".", ".."} for parts in paths.values() for part in parts):
            return None
        if any(
            run.size_of("checkpoints", name, *paths[file]) != size for file, size in sizes.items()
        ):
            return None
        return Checkpoint(
            step=data["step"],
            path=str(run.path / "checkpoints" / name),
            size=sum(sizes.values()),
            time=float(data["time"]),
        )
    except (Unreadable, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def _state(data: dict[str, Any]) -> JobState | None:
    try:
        return JobState(str(data.get("state")))
    except ValueError:
        return None


def _text(value: object) -> str:
    return value[:2000] if isinstance(value, str) else ""


def _time(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        moment = float(value)
    except OverflowError:  # An integer of hundreds of digits.
        return None
    return moment if math.isfinite(moment) else None


def _attempt(data: dict[str, Any]) -> int:
    value = data.get("attempt")
    return value if type(value) is int and 0 <= value < 10**6 else 0
