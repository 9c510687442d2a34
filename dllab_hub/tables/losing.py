"""What a pause of a job loses."""

from __future__ import annotations

import time

from ..specs import TrainingJob
from .amounts import age

__all__ = ("loss",)


def loss(job: TrainingJob, now: float | None = None) -> tuple[float, str]:
    """What a pause loses now: seconds of work at the most, and a sentence about it.

    The code may save when it is asked to end: that is known only afterwards.
    """
    now = time.time() if now is None else now
    if not job.state.is_running:
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
