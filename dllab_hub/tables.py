"""Jobs, deployments and GPUs as plain text, for terminals, ``nbconvert`` and screen readers."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .specs import Deployment, GpuReport, GpuState, Holder, JobState, Traffic, TrainingJob

__all__ = (
    "age",
    "columns",
    "deployment_text",
    "deployments_text",
    "duration",
    "gpus_text",
    "held_by",
    "job_text",
    "jobs_text",
    "progress",
    "saved",
    "size",
    "traffic",
)


def age(seconds: float) -> str:
    """A duration as people say it.

    >>> age(5), age(75), age(7260), age(200000)
    ('5 s', '1 min', '2 h 1 min', '2 d 7 h')
    """
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 1 else f"{days} d {hours % 24} h"


def size(count: int) -> str:
    """Bytes with a unit.

    >>> size(512), size(80 * 2**30)
    ('512 B', '80.0 GiB')
    """
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.1f} {unit}" if unit != "B" else f"{count} B"
        amount /= 1024
    return f"{amount:.1f} TiB"


def duration(seconds: float) -> str:
    """A short time with a unit.

    >>> duration(0.00042), duration(0.0312), duration(2.5)
    ('0.42 ms', '31 ms', '2.5 s')
    """
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.2g} ms" if seconds < 0.01 else f"{seconds * 1e3:.0f} ms"


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


def job_text(job: TrainingJob, now: float | None = None) -> str:
    """Several lines about one job."""
    now = time.time() if now is None else now
    reason = f": {job.reason}" if job.reason else ""
    lines = [f"{job.id}  {job.state.value}{reason}"]
    facts = []
    if job.attempt:
        facts.append(f"attempt {job.attempt} of at most {job.spec.max_restarts + 1}")
    if steps := progress(job):
        facts.append(steps)
    if job.progress is not None:
        facts += [f"{name} {value:.4g}" for name, value in job.progress.metrics.items()]
    if job.started is not None:
        facts.append(f"{age((job.ended or now) - job.started)}")
    if facts:
        lines.append("  " + ", ".join(facts))
    lines.append(f"  checkpoint: {saved(job, now)}")
    for replica in job.replicas:
        end = replica.signal or ("" if replica.exit_code is None else f"exit {replica.exit_code}")
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
                job.state.value,
                str(job.spec.replicas),
                str(job.spec.gpus),
                str(job.attempt),
                progress(job).removeprefix("step "),
                age(now - job.created),
            )
        )
    return columns(rows)


def traffic(seen: Traffic | None) -> str:
    """``1204 requests, 12.5/s, 3.1 ms each, 2 failed``, or an empty string without a balancer."""
    if seen is None:
        return ""
    facts = [f"{seen.requests} request{'' if seen.requests == 1 else 's'}"]
    if seen.requests:
        facts.append(f"{seen.rate:.1f}/s")
    if seen.latency is not None:
        facts.append(f"{duration(seen.latency)} each")
    facts += [
        f"{count} {word}"
        for count, word in (
            (seen.rejected, "rejected"),
            (seen.failed, "failed"),
            (seen.waiting, "waiting"),
        )
        if count
    ]
    return ", ".join(facts)


def deployment_text(deployment: Deployment, now: float | None = None) -> str:
    """Several lines about one deployment."""
    now = time.time() if now is None else now
    reason = f": {deployment.reason}" if deployment.reason else ""
    lines = [
        f"{deployment.name}  {deployment.state.value}{reason}",
        f"  version {deployment.version} of {deployment.spec.model}, "
        f"{deployment.ready} of {deployment.spec.replicas} ready, {age(now - deployment.created)}",
    ]
    if seen := traffic(deployment.traffic):
        lines.append(f"  {seen}")
    if deployment.url:
        lines.append(f"  at {deployment.url}")
    for replica in deployment.replicas:
        facts = [f"version {replica.version}"]
        if replica.restarts:
            facts.append(f"{replica.restarts} restart{'' if replica.restarts == 1 else 's'}")
        if replica.reason:
            facts.append(replica.reason)
        lines.append(f"  {replica.name}  {replica.state.value}  {', '.join(facts)}")
    return "\n".join(lines)


def deployments_text(deployments: Sequence[Deployment], now: float | None = None) -> str:
    """One line for each deployment."""
    if not deployments:
        return "no deployments yet"
    now = time.time() if now is None else now
    rows = [("NAME", "STATE", "MODEL", "READY", "REQUESTS", "RATE", "AGE")]
    for each in deployments:
        seen = each.traffic
        rows.append(
            (
                each.name,
                each.state.value,
                f"{each.spec.model}:{each.version}",
                f"{each.ready}/{each.spec.replicas}",
                "-" if seen is None else str(seen.requests),
                "-" if seen is None else f"{seen.rate:.1f}/s",
                age(now - each.created),
            )
        )
    return columns(rows)


def held_by(holder: Holder | None) -> str:
    """Who has a GPU; other people's names are not told.

    >>> job = Holder(kind="job", owner="ada", name="digits")
    >>> held_by(Holder(kind="lab", owner="ada", name="mine", lend=True, lent_to=job))
    'lab mine, lent to job digits'
    """
    if holder is None:
        return "free"
    said = f"{holder.kind} {holder.name or 'of another person'}"
    if holder.lent_to is not None:
        return f"{said}, lent to job {holder.lent_to.name}"
    return f"{said}, which lends it" if holder.lend else said


def gpus_text(report: GpuReport) -> str:
    """One line for each GPU, or why there is none to show."""
    lines = []
    if report.state is not GpuState.OK:
        lines.append(f"{report.message} {report.hint}".strip() or report.state.value)
    if report.gpus:
        rows = [("GPU", "NAME", "LOAD", "MEMORY", "TEMP", "POWER", "HELD BY")]
        for gpu in report.gpus:
            used, total = gpu.memory_used, gpu.memory_total
            memory = f"{size(used)} of {size(total)}" if used is not None and total else "-"
            rows.append(
                (
                    str(gpu.index),
                    gpu.name,
                    "-" if gpu.utilization is None else f"{gpu.utilization:.0%}",
                    memory,
                    "-" if gpu.temperature is None else f"{gpu.temperature} C",
                    "-" if gpu.power is None else f"{gpu.power:.0f} W",
                    gpu.error or held_by(gpu.holder),
                )
            )
        lines.append(columns(rows))
    return "\n".join(lines) or "no GPU"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of the same length as left-aligned columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
