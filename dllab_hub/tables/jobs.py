"""Training jobs as plain text, one after the other and one alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from ..plaintext import inert
from ..specs import Cause, JobState, Preflight, ReplicaStatus, TrainingJob
from .amounts import age, columns, cut, size, speed

__all__ = (
    "attempt",
    "cause",
    "job_text",
    "jobs_text",
    "pace",
    "place",
    "preflight_text",
    "progress",
    "replica_facts",
    "saved",
    "time_left",
    "where",
    "why",
)

#: Characters of a reason in a list.
_REASON = 72


def progress(job: TrainingJob) -> str:
    """``step 120 of 300``, or an empty string when the code has not said."""
    if job.progress is None:
        return ""
    total = f" of {job.progress.total}" if job.progress.total else ""
    return f"step {job.progress.step}{total}"


def pace(job: TrainingJob) -> str:
    """``2.54 steps/s, 4 min left``, as far as it is known and it runs; else an empty string."""
    done = job.progress
    if done is None or not job.state.is_running:
        return ""
    left = "" if done.eta is None else f"{age(done.eta)} left"
    return ", ".join(part for part in (speed(done.rate or 0), left) if part)


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


def where(job: TrainingJob) -> str:
    """``on farm``, or an empty string at the usual place."""
    return f"on {job.spec.target}" if job.spec.target else ""


def time_left(job: TrainingJob, now: float) -> str:
    """``1 h 20 min of 2 h left``, or an empty string without a limit or after the end."""
    limit = job.spec.time_limit
    if limit is None or job.state.is_terminal:
        return ""
    ran = job.ran
    if job.state.is_running and job.started is not None:
        ran += max(0.0, now - job.started)
    return f"{age(limit - ran)} of {age(limit)} left"


def cause(job: TrainingJob, now: float | None = None) -> list[str]:
    """What is wrong with it, and what to do, a sentence each; nothing where nothing is."""
    found = job.diagnosis
    said = [found.message, found.hint] if found is not None else []
    if job.silent_since is not None and (found is None or found.cause is not Cause.STALLED):
        now = time.time() if now is None else now
        said.append(f"Nothing was heard of it for {age(now - job.silent_since)}.")
    slow = [replica.name for replica in job.replicas if replica.straggler]
    if slow:
        said.append(f"Slower than the others: {', '.join(slow)}.")
    return [sentence for sentence in said if sentence]


def why(job: TrainingJob) -> str:
    """The cause of its state in few words; of a success nothing."""
    if job.state is JobState.SUCCEEDED:
        return ""
    return cut(job.diagnosis.message if job.diagnosis else job.reason, _REASON)


def replica_facts(replica: ReplicaStatus) -> tuple[str, str, str, str]:
    """Of one replica: how it ended, its step, its CPUs and its memory; empty when not known."""
    end = replica.signal or ("" if replica.exit_code is None else f"exit {replica.exit_code}")
    end = "stopped, not dead" if replica.stopped else "slow" if replica.straggler else end
    step = "" if replica.step is None else f"step {replica.step}"
    pace = speed(replica.rate or 0) if replica.state is JobState.RUNNING else ""
    memory = "" if replica.memory is None else size(replica.memory)
    if replica.peak_memory is not None:
        memory = f"{memory} (peak {size(replica.peak_memory)})".strip()
    cpu = "" if replica.cpu is None else f"{replica.cpu:.2g} CPUs"
    return end, ", ".join(part for part in (step, pace) if part), cpu, memory


def job_text(job: TrainingJob, now: float | None = None) -> str:
    """Several lines about one job; why it failed, or what is wrong with it, first."""
    now = time.time() if now is None else now
    wrong = cause(job, now)
    # Who knows the cause need not read the symptom first.
    reason = wrong.pop(0) if job.diagnosis is not None and job.diagnosis.message else job.reason
    lines = [f"{job.id}  {job.state.value}" + (f": {reason}" if reason else "")]
    lines += [f"  {sentence}" for sentence in wrong]
    lines += _traceback(job)
    facts = [attempt(job), place(job), where(job), progress(job), pace(job)]
    if job.progress is not None:
        facts += [f"{name} {value:.4g}" for name, value in job.progress.metrics.items()]
    if job.started is not None:
        facts.append(age((job.ended or now) - job.started))
    facts.append(time_left(job, now))
    if job.gpu_seconds:
        facts.append(f"{job.gpu_seconds / 3600:.3g} GPU-hours")
    if any(facts):
        lines.append("  " + ", ".join(fact for fact in facts if fact))
    lines.append(f"  checkpoint: {saved(job, now)}")
    lines += _noted(job)
    rows = [(f"  {r.name}", r.state.value, *replica_facts(r)) for r in job.replicas]
    used = [n for n in range(6) if any(row[n] for row in rows)]
    if rows:
        lines.append(columns([[row[n] for n in used] for row in rows]))
    return inert("\n".join(lines))


def _traceback(job: TrainingJob) -> list[str]:
    """Who failed first with its traceback; without a diagnosis all that have one."""
    found = job.diagnosis
    if found is not None and found.traceback:
        who = f"{found.replica}:" if found.replica else "traceback:"
        return ["", who, found.traceback.rstrip(), ""]
    lines = []
    for replica in job.replicas:
        if replica.state is JobState.FAILED and replica.traceback:
            lines += ["", f"{replica.name}:", replica.traceback.rstrip()]
    return [*lines, ""] if lines else []


def _noted(job: TrainingJob) -> Iterator[str]:
    if job.favourite:
        yield "  favourite"
    if job.tags:
        yield f"  tags: {', '.join(job.tags)}"
    if job.notes:
        yield from (
            f"  {'notes: ' if n == 0 else '       '}{line}"
            for n, line in enumerate(job.notes.splitlines())
        )
    if not job.files:
        yield "  its files were removed"


def jobs_text(jobs: Sequence[TrainingJob], now: float | None = None) -> str:
    """One line for each job."""
    if not jobs:
        return "no jobs yet"
    now = time.time() if now is None else now
    rows = [("ID", "STATE", "WORKERS", "GPUS", "ATTEMPT", "STEP", "AGE", "WHERE", "TAGS", "REASON")]
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
                job.spec.target or "",
                ",".join(job.tags),
                why(job),
            )
        )
    # A column that nobody needs is left out.
    used = [n for n in range(10) if n < 7 or any(row[n] for row in rows[1:])]
    return inert(columns([[row[n] for n in used] for row in rows]))


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
