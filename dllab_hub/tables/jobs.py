"""Training jobs as plain text, and what a pause of one loses."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..specs import JobState, Preflight, TrainingJob
from .amounts import age, columns

__all__ = (
    "attempt",
    "job_text",
    "jobs_text",
    "loss",
    "place",
    "preflight_text",
    "progress",
    "saved",
    "time_left",
)

_AT_WORK = (JobState.RUNNING, JobState.RESTARTING)


def progress(job: TrainingJob) -> str:
    """``step 120 of 300``, or an empty string when the code has not said."""
    if job.progress is None:
        return ""
    total = f" of {job.progress.total}" if job.progress.total else ""
    return f"step {job.progress.step}{total}"


def saved(job: TrainingJob, now: float | None = None) -> str:
    """``step 100, 7 s ago``: the newest checkpoint that was seen whole; or that there is none."""
    if job.checkpoint is None:
        return "none yet"
    ago = age((time.time() if now is None else now) - job.checkpoint.time)
    return f"step {job.checkpoint.step}, {ago} ago"


def attempt(job: TrainingJob) -> str:
    """``attempt 2 of at most 4``, or an empty string before the first."""
    if not job.attempt:
        return ""
    most = job.spec.max_restarts + 1
    # A job that was resumed has its restarts anew, and goes on counting.
    resumed = job.attempt > most or (job.ran > 0 and not job.state.is_terminal)
    return f"attempt {job.attempt}" + ("" if resumed else f" of at most {most}")


def place(job: TrainingJob) -> str:
    """``place 2 in the queue, priority 5``, while it waits; else an empty string."""
    if job.state is not JobState.PENDING:
        return ""
    said = "" if job.position is None else f"place {job.position} in the queue"
    return ", ".join(
        part
        for part in (said, f"priority {job.spec.priority}" if job.spec.priority else "")
        if part
    )


def time_left(job: TrainingJob, now: float) -> str:
    """``1 h 20 min of 2 h left``, or an empty string without a limit or after the end."""
    limit = job.spec.time_limit
    if limit is None or job.state.is_terminal:
        return ""
    ran = job.ran
    if job.state in _AT_WORK and job.started is not None:
        ran += max(0.0, now - job.started)
    return f"{age(limit - ran)} of {age(limit)} left"


def loss(job: TrainingJob, now: float | None = None) -> tuple[float, str]:
    """What a pause loses now: seconds of work at the most, and a sentence about it.

    The code may save when it is asked to end: that is known only afterwards.
    """
    now = time.time() if now is None else now
    if job.state not in _AT_WORK:
        return 0.0, "it does not run now: nothing is lost."
    started = min((r.started for r in job.replicas if r.started is not None), default=job.started)
    lost = max(0.0, now - (now if started is None else started))
    unless = "unless the code saves on SIGTERM"
    if job.checkpoint is None:
        return lost, f"nothing was saved yet: after a pause it starts over, {unless}."
    lost = min(lost, max(0.0, now - job.checkpoint.time))
    step = f"{job.checkpoint.step:,}".replace(",", " ")
    ago = age(now - job.checkpoint.time)
    return lost, (
        f"last checkpoint: step {step}, {ago} ago: pausing now loses up to {age(lost)}, {unless}."
    )


def job_text(job: TrainingJob, now: float | None = None) -> str:
    """Several lines about one job."""
    now = time.time() if now is None else now
    reason = f": {job.reason}" if job.reason else ""
    lines = [f"{job.id}  {job.state.value}{reason}"]
    facts = [attempt(job), place(job), progress(job)]
    if job.progress is not None:
        facts += [f"{name} {value:.4g}" for name, value in job.progress.metrics.items()]
    if job.started is not None:
        facts.append(age((job.ended or now) - job.started))
    facts.append(time_left(job, now))
    if any(facts):
        lines.append("  " + ", ".join(fact for fact in facts if fact))
    lines.append(f"  checkpoint: {saved(job, now)}")
    for replica in job.replicas:
        end = replica.signal or ("" if replica.exit_code is None else f"exit {replica.exit_code}")
        end = "stopped, not dead" if replica.stopped else end
        lines.append(f"  {replica.name}  {replica.state.value}" + (f"  {end}" if end else ""))
    for replica in job.replicas:
        if replica.state is JobState.FAILED and replica.traceback:
            lines += ["", f"{replica.name}:", replica.traceback.rstrip()]
    return "\n".join(lines)


def jobs_text(jobs: Sequence[TrainingJob], now: float | None = None) -> str:
    """One line for each job."""
    if not jobs:
        return "no jobs yet"
    now = time.time() if now is None else now
    rows = [("ID", "STATE", "WORKERS", "GPUS", "ATTEMPT", "STEP", "AGE")]
    for job in jobs:
        rows.append(
            (
                job.id,
                job.state.value + (f" #{job.position}" if job.position is not None else ""),
                str(job.spec.replicas),
                str(job.spec.gpus),
                str(job.attempt),
                progress(job).removeprefix("step "),
                age(now - job.created),
            )
        )
    return columns(rows)


def preflight_text(seen: Preflight) -> str:
    """One line for each finding, errors first; or that there is none."""
    if not seen.findings:
        return f"nothing was found that would make it fail ({seen.seconds:.1f} s)."
    lines = []
    for finding in seen.findings:
        place = ", ".join(
            part
            for part in (finding.file, f"line {finding.line}" if finding.line is not None else "")
            if part
        )
        said = f"{finding.severity}: " + (f"{place}: " if place else "") + finding.message
        lines.append(f"{said} {finding.hint}".strip())
    return "\n".join(lines)
