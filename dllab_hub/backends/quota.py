"""What the jobs of one person may hold at once: one rule for a price, a submit and a resume. Pure.

GPU-hours, which are counted over days, are in `quoting`.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import AccessDenied
from ..specs import JobLimits, JobState, TrainingJob, TrainingSpec

__all__ = ("HOLDING", "check_quota", "holding", "refusal", "room_left")

#: States in which a job counts.
HOLDING = (JobState.PENDING, JobState.RUNNING, JobState.RESTARTING)
#: Jobs that a refusal names at most.
_NAMED = 5


def check_quota(spec: TrainingSpec, jobs: Iterable[TrainingJob], limits: JobLimits) -> None:
    """Refuse one more job of a person whose others leave no room for it.

    Whoever accepts jobs calls it where jobs are accepted one at a time: between this and the moment
    at which the new one is among ``jobs`` nothing else may be accepted.

    Args:
        spec: The wish.
        jobs: Of the same person, without the one that is asked for; those that have ended or are
            paused do not count.
        limits: Of the person.

    Raises:
        AccessDenied: naming the limit, what is used of it, and by which jobs.
    """
    if (refused := refusal(spec, jobs, limits)) is not None:
        raise refused


def refusal(
    spec: TrainingSpec, jobs: Iterable[TrainingJob], limits: JobLimits
) -> AccessDenied | None:
    """Why one more job is refused; None when it is not. Arguments as of `check_quota`."""
    mine = holding(jobs)
    if limits.jobs is not None and len(mine) >= limits.jobs:
        if not limits.jobs:
            return AccessDenied("you may run no jobs.", hint="Ask the administrator.")
        return AccessDenied(
            f"you have {_count(len(mine), 'job')} that wait or run, and may have {limits.jobs}: "
            f"{_named(mine)}.",
            hint="Wait until one has ended, or pause or cancel one.",
        )
    held = sum(job.spec.gpus for job in mine)
    if limits.gpus is None or not spec.gpus or held + spec.gpus <= limits.gpus:
        return None
    if spec.gpus > limits.gpus:
        return AccessDenied(
            f"this job needs {_count(spec.gpus, 'GPU')}, and your jobs may hold {limits.gpus} at "
            "most.",
            hint="Ask for fewer, or ask the administrator for more.",
        )
    return AccessDenied(
        f"your jobs hold or wait for {held} of the {_count(limits.gpus, 'GPU')} that they may "
        f"have at once, and this one needs {spec.gpus}: {_named(mine, gpus=True)}.",
        hint="Ask for fewer, wait until one has ended, or pause or cancel one.",
    )


def room_left(jobs: Iterable[TrainingJob], limits: JobLimits) -> str:
    """What is used of the limits now, as a sentence for a price; empty when nothing is limited."""
    mine = holding(jobs)
    held = sum(job.spec.gpus for job in mine)
    said = []
    if limits.jobs is not None:
        said.append(f"{len(mine)} of {_count(limits.jobs, 'job')}")
    if limits.gpus is not None:
        said.append(f"{held} of {_count(limits.gpus, 'GPU')} for jobs")
    return f"You have {' and '.join(said)} now." if said else ""


def holding(jobs: Iterable[TrainingJob]) -> list[TrainingJob]:
    """Those that count, oldest first."""
    return sorted((job for job in jobs if job.state in HOLDING), key=lambda job: job.created)


def _named(jobs: Iterable[TrainingJob], *, gpus: bool = False) -> str:
    """Which they are: a few by name, the rest by number."""
    found = [job for job in jobs if job.spec.gpus or not gpus]
    names = [f"{job.id} ({job.spec.gpus})" if gpus else job.id for job in found[:_NAMED]]
    more = len(found) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _count(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"
