"""`quote`: the price tag of a wish. Pure: from what is known, and from nothing else."""

from __future__ import annotations

from ..specs import Capacity, Quote, TrainingSpec

__all__ = ("quote",)


def quote(
    spec: TrainingSpec,
    *,
    capacity: Capacity,
    ahead: int,
    used: float = 0.0,
    quota: float | None = None,
) -> Quote:
    """What a wish would cost, and its place in the queue.

    Args:
        spec: The wish.
        capacity: GPUs now, asked for its GPUs.
        ahead: Jobs that wait already and come before it.
        used: GPU-hours of the person in the last `QUOTA_DAYS` days.
        quota: GPU-hours the person may use in that time; None for no limit.
    """
    hours = spec.gpus * spec.time_limit / 3600 if spec.time_limit else None
    now = ahead == 0 and capacity.free >= spec.gpus
    position = 0 if now else ahead + 1
    cost = "no GPU" if not spec.gpus else f"{spec.gpus} GPU-hours an hour"
    if hours is not None and spec.gpus:
        cost = f"at most {hours:g} GPU-hours"
    place = "starts at once" if now else f"place {position} in the queue"
    return Quote(
        gpus=spec.gpus,
        cpus=spec.cpus,
        gpu_hours=hours,
        used=used,
        quota=quota,
        position=position,
        message=f"{cost}; {place}.",
    )
