"""What is true of one job now: decided from its lock and its files, and from nothing remembered.

An end that was recorded wins. Else the lock on ``shim.lock`` says whether the shim lives. A shim
that died without a record leaves the job `LOST`, or what was asked for: `CANCELLED` or `PAUSED`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ...shim.process import is_alive, uid_of
from ...specs import JobState, ReplicaStatus, TrainingJob
from ..pausing import pause_reason
from . import readings
from .asked import Asked
from .checkpoints import newest_checkpoint
from .jobdir import JobDir
from .readings import Status
from .rundir import Unreadable
from .shimdir import ShimDir
from .shims import is_locked

__all__ = ("has_shim", "last_words", "look", "shim_of", "was_rebooted")

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NOTHING = Asked()


def look(folder: JobDir, job: TrainingJob, asked: Asked = _NOTHING) -> TrainingJob:
    """The job as its directory shows it; ``job`` is what was known before.

    Args:
        folder: Of the job.
        job: As last seen.
        asked: What people asked of it.
    """
    if not folder.path.is_dir():
        return _ended(job, JobState.LOST, "its directory is gone.", time.time())
    # In this order: a shim that is gone when the lock is looked at has written what it ever will.
    alive = has_shim(folder)
    end = readings.end(folder.run)
    started = job.state is not JobState.PENDING or readings.identity(folder.run) is not None
    if end is None and not alive and not started:
        return _not_started(job, asked)
    status = Status.of(folder.run)
    seen = job.model_copy(
        update={
            "attempt": max(status.attempt, job.attempt, 1),
            "replicas": status.replicas or job.replicas,
            "started": status.started or job.started or time.time(),
            "progress": readings.progress(folder.run, job.spec) or job.progress,
            "checkpoint": newest_checkpoint(folder.run),
            "position": None,
            "silent_since": None,
        }
    )
    if end is None and alive:
        return _running(seen, status, asked)
    ran = max(status.ran, (end.ran if end else None) or 0.0, job.ran)
    seen = seen.model_copy(update={"ran": ran})
    if end is None:
        return _ended(seen, *_unrecorded(folder, seen, asked), time.time())
    return _ended(seen, *_recorded(end, seen, asked), end.ended or time.time())


def has_shim(folder: ShimDir) -> bool:
    """Whether the shim lives. The kernel says so; a pid alone could be anybody's."""
    if not is_locked(folder.lock):
        return False
    # Somebody may have got hold of the lock's descriptor from the shim.
    known = shim_of(folder)
    return known is None or is_alive(known)


def shim_of(folder: ShimDir) -> dict[str, Any] | None:
    """Pid, start time and boot of the shim; None until it is known.

    The service's own note counts first. What the shim wrote itself lies in the person's directory,
    so it counts only while the process is the person's.
    """
    noted = folder.noted("launch.json")
    if noted and "pid" in noted:
        return noted
    said = readings.identity(folder.run)
    pid = said.get("pid") if said else None
    if type(pid) is not int or pid <= 1:
        return None
    owner = uid_of(pid)
    # None: it is dead, and so it will be judged.
    return said if owner is None or owner == folder.account.uid else None


def was_rebooted(folder: JobDir) -> bool:
    """Whether the machine was started again since the job was launched."""
    noted = folder.noted("launch.json") or readings.identity(folder.run) or {}
    boot = noted.get("boot_id")
    return bool(boot) and boot != _BOOT_ID.read_text().strip()


def _not_started(job: TrainingJob, asked: Asked) -> TrainingJob:
    """It waits, unless somebody does not want that any more."""
    when = "before it started" if not job.attempt else "while it waited"
    if asked.cancelled_by:
        reason = f"cancelled by {asked.cancelled_by} {when}."
        return _ended(job, JobState.CANCELLED, reason, time.time())
    if asked.paused_by:
        return _ended(job, JobState.PAUSED, f"paused by {asked.paused_by} {when}.", time.time())
    return job


def _running(job: TrainingJob, status: Status, asked: Asked) -> TrainingJob:
    state = JobState.RESTARTING if status.state is JobState.RESTARTING else JobState.RUNNING
    if asked:
        reason = asked.doing
    elif status.state is None and not job.replicas:
        reason = "starting."
    else:
        reason = status.reason
    update = {"state": state, "reason": reason, "silent_since": status.silent_since}
    return job.model_copy(update=update)


def _recorded(end: readings.End, job: TrainingJob, asked: Asked) -> tuple[JobState, str]:
    """State and sentence for a job whose shim has written down its end."""
    # A shim that knows no pauses was told to cancel it instead: see `Live.press`.
    only_paused = asked.paused_by and not asked.cancelled_by
    if end.state is not JobState.PAUSED and not (end.state is JobState.CANCELLED and only_paused):
        return end.state, end.reason
    if asked.cancelled_by:  # It came while the job was saving.
        return JobState.CANCELLED, f"cancelled by {asked.cancelled_by} while it was being paused."
    killed = end.reason.endswith("was killed.")  # So the shim says it.
    by = asked.paused_by
    return JobState.PAUSED, pause_reason(by, job.progress, job.checkpoint, killed=killed)


def _unrecorded(folder: JobDir, job: TrainingJob, asked: Asked) -> tuple[JobState, str]:
    """State and sentence for a job whose shim died without a word."""
    if asked.cancelled_by:
        return (
            JobState.CANCELLED,
            f"cancelled by {asked.cancelled_by}; it did not stop by itself and was killed.",
        )
    if asked.paused_by:
        by = asked.paused_by
        return JobState.PAUSED, pause_reason(by, job.progress, job.checkpoint, killed=True)
    if was_rebooted(folder):
        return JobState.LOST, "the machine was restarted while the job ran."
    if readings.identity(folder.run) is None:
        return JobState.FAILED, f"the supervisor could not start: {last_words(folder)}"
    return (
        JobState.LOST,
        "its supervisor was killed, so how the job ended is not known. "
        "All its processes were ended too.",
    )


def last_words(folder: ShimDir) -> str:
    """The last line that a shim said for itself."""
    try:
        with folder.run.opened("shim.log") as (fd, size):
            text = os.pread(fd, 4096, max(size - 4096, 0)).decode("utf-8", "replace")
    except Unreadable as exc:
        return str(exc)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it said nothing."


def _ended(job: TrainingJob, state: JobState, reason: str, when: float) -> TrainingJob:
    reason = reason or {JobState.SUCCEEDED: "every replica returned 0."}.get(
        state, "no reason given."
    )
    replicas = tuple(_over(replica, state, when) for replica in job.replicas)
    update = {"state": state, "reason": reason, "replicas": replicas, "ended": when}
    return job.model_copy(update={**update, "position": None})


def _over(replica: ReplicaStatus, state: JobState, when: float) -> ReplicaStatus:
    """A replica nobody saw the end of shares the job's; one of a paused job was ended."""
    state = JobState.CANCELLED if state is JobState.PAUSED else state
    if replica.state.is_terminal:
        return replica.model_copy(update={"pid": None})
    return replica.model_copy(update={"state": state, "pid": None, "ended": when})
