"""`quote`: the price tag of a wish. Pure: from what is known, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..specs import QUOTA_DAYS, Capacity, Quote, TrainingJob, TrainingSpec

__all__ = ("Ahead", "Busy", "ahead_of", "ends_in", "first_start", "limited", "quote", "refusal")


@dataclass(frozen=True)
class Busy:
    """What a job that runs holds.

    Attributes:
        gpus: How many.
        cpus: As the queue counts them.
        left: Seconds after which it ends at the latest, as far as anybody knows; None: nobody does.
    """

    gpus: int
    cpus: float
    left: float | None


@dataclass(frozen=True)
class Ahead:
    """What a job that waits, and comes first, will hold.

    Attributes:
        gpus: How many.
        cpus: As the queue counts them.
        lasts: Seconds that it may run; None for no limit.
    """

    gpus: int
    cpus: float
    lasts: float | None


def quote(
    spec: TrainingSpec,
    *,
    capacity: Capacity,
    ahead: int,
    used: float = 0.0,
    at_once: bool | None = None,
    wait: float | None = None,
    now: float | None = None,
) -> Quote:
    """What a wish would cost, and its place in the queue.

    Args:
        spec: The wish.
        capacity: GPUs now, asked for its GPUs.
        ahead: Jobs that wait already and come before it.
        used: GPU-hours of the person in the last `QUOTA_DAYS` days.
        at_once: Whether it starts at once; None: when nobody is ahead and its GPUs are free.
        wait: Seconds after which it starts, as of `first_start`; None when nobody knows.
        now: Seconds since the epoch; None: no start is told.
    """
    hours = spec.gpus * spec.time_limit / 3600 if spec.time_limit else None
    if at_once is None:
        at_once = ahead == 0 and capacity.free >= spec.gpus
    wait = 0.0 if at_once else wait
    position = 0 if at_once else ahead + 1
    cost = "no GPU" if not spec.gpus else f"{_count(spec.gpus, 'GPU-hour')} an hour"
    if hours is not None and spec.gpus:
        cost = f"at most {_count(hours, 'GPU-hour')}"
    place = "starts at once" if at_once else f"place {position} in the queue"
    if not at_once and wait is not None:
        place += f", expected to start within {_time(wait)}"
    elif not at_once:
        place += "; nobody knows when it starts: what it waits for has no time limit"
    return Quote(
        gpus=spec.gpus,
        cpus=spec.cpus,
        gpu_hours=hours,
        used=used,
        position=position,
        start=None if now is None or wait is None else now + wait,
        message=f"{cost}; {place}.",
    )


def limited(quote: Quote, quota: float | None) -> Quote:
    """The same for somebody who may use so many GPU-hours in `QUOTA_DAYS` days; None: as many as
    they like. What somebody else has limited already is left as it is.
    """
    if quota is None or quote.quota is not None:
        return quote
    left = max(quota - quote.used, 0.0)
    said = f"{left:.3g} of {_count(quota, 'GPU-hour')} are left to you for {QUOTA_DAYS} days."
    message = f"{quote.message} {said}" if quote.gpus else quote.message
    refused = refusal(quote.gpus, quote.used, quota)
    return quote.model_copy(update={"quota": quota, "message": message, "refused": refused})


def refusal(gpus: int, used: float, quota: float) -> str:
    """Why a submit is refused; empty when it is not. What runs already goes on.

    Args:
        gpus: Of the wish.
        used: GPU-hours so far.
        quota: GPU-hours that may be used.
    """
    if not gpus or used < quota:
        return ""
    return (
        f"you have used {used:.3g} of the {_count(quota, 'GPU-hour')} that you may use in "
        f"{QUOTA_DAYS} days."
    )


def ahead_of(owner: str, priority: int, waiting: Iterable[TrainingJob]) -> list[TrainingJob]:
    """Jobs that wait and come before a new one, by the rule of `order.line`: among their own jobs
    a person's higher priority comes first, and takes the place of the one that it passes.

    Args:
        owner: Whose the new one is.
        priority: Of the new one.
        waiting: With their places in the queue.
    """
    last = float("inf")
    line = sorted(waiting, key=lambda job: (job.position or last, job.created, job.id))
    mine = [n for n, job in enumerate(line) if job.owner == owner]
    first = [n for n in mine if line[n].spec.priority >= priority]
    place = [*mine, len(line)][len(first)]
    theirs = [job for job in line[:place] if job.owner != owner]
    own = [line[n] for n in first]
    return sorted([*theirs, *own], key=line.index)


def ends_in(job: TrainingJob, now: float) -> float | None:
    """Seconds after which a job that runs ends at the latest; None when nobody knows.

    By its time limit, or by what is left at the speed that it reports.
    """
    known = []
    if job.spec.time_limit is not None:
        ran = job.ran + max(now - (job.started or now), 0.0)
        known.append(job.spec.time_limit - ran)
    if job.progress is not None and job.progress.eta is not None:
        known.append(job.progress.eta - max(now - job.progress.time, 0.0))
    return max(min(known), 0.0) if known else None


def first_start(
    wish: Ahead, free: tuple[int, float], running: Sequence[Busy], ahead: Sequence[Ahead]
) -> float | None:
    """Seconds after which a wish starts, when everybody before it starts first; None when that
    waits for something whose end nobody knows.

    Args:
        wish: What is wanted.
        free: GPUs and CPUs now.
        running: What is held.
        ahead: Who comes first, in order.
    """
    gpus, cpus = free
    ends = sorted((b.left, b.gpus, b.cpus) for b in running if b.left is not None)
    now = 0.0
    for each in (*ahead, wish):
        # A thousandth: sums of parts of a CPU are not exact.
        while each.gpus > gpus or each.cpus > cpus + 1e-3:
            if not ends:
                return None
            end, more_gpus, more_cpus = ends.pop(0)
            now, gpus, cpus = max(now, end), gpus + more_gpus, cpus + more_cpus
        gpus, cpus = gpus - each.gpus, cpus - each.cpus
        if each.lasts is not None:
            ends = sorted([*ends, (now + each.lasts, each.gpus, each.cpus)])
    return now


def _count(number: float, one: str) -> str:
    return f"{number:.6g} {one}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"
