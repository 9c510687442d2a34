"""What a wish would cost and when it would start, `Quote`; and what jobs may hold, `JobLimits`."""

from __future__ import annotations

from pydantic import Field

from .wire import Value

__all__ = ("NO_LIMITS", "QUOTA_DAYS", "JobLimits", "Quote")

#: Days over which GPU-hours are counted for a quota.
QUOTA_DAYS = 30


class JobLimits(Value):
    """What the jobs of one person may use and hold; None: as much as there is.

    Attributes:
        gpu_hours: GPU-hours in `QUOTA_DAYS` days.
        jobs: Jobs that wait or run at once. One that is paused counts for nothing.
        gpus: GPUs that these jobs hold or wait for together.
    """

    gpu_hours: float | None = Field(default=None, ge=0)
    jobs: int | None = Field(default=None, ge=0)
    gpus: int | None = Field(default=None, ge=0)


NO_LIMITS = JobLimits()


class Quote(Value):
    """The price tag of a wish. Nothing is reserved.

    Attributes:
        gpus: GPUs that it would hold.
        cpus: CPUs that the queue would count.
        gpu_hours: Most GPU-hours it can use: GPUs times its time limit; None without a limit.
        used: GPU-hours the person has used in the last `QUOTA_DAYS` days, what runs included.
        quota: GPU-hours the person may use in that time; None for no limit.
        position: Place in the queue it would have; 0: it would start at once.
        start: Earliest start that is known, seconds since the epoch; None when nobody can say.
        message: One sentence for people: cost, place and start, and why a start is not known.
        refused: Why a submit would be refused; empty when it would not.
    """

    gpus: int
    cpus: float
    gpu_hours: float | None = None
    used: float = 0.0
    quota: float | None = None
    position: int = 0
    start: float | None = None
    message: str
    refused: str = ""
