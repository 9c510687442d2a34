"""What a pause loses and what a resume has left: pure functions, the same for every backend."""

from __future__ import annotations

from ..errors import Conflict
from ..specs import Checkpoint, JobState, Progress, TrainingJob, TrainingSpec

__all__ = (
    "check_pausable",
    "check_resumable",
    "next_start",
    "pause_reason",
    "time_left",
    "waiting_again",
)


def check_pausable(job: TrainingJob) -> None:
    """Nothing when there is something to pause; `Conflict` when the job has ended."""
    if job.state.is_terminal:
        said = f"the job has ended: {job.state.value}."
        raise Conflict(said, hint="There is nothing to pause.")


def check_resumable(job: TrainingJob) -> None:
    """Nothing when the job can go on; `Conflict` when it is done, or there is nothing to go on."""
    if job.state is JobState.SUCCEEDED:
        raise Conflict("the job has succeeded.", hint="Run it again with rerun.")
    if not job.files:
        raise Conflict("the job's files are gone.", hint="Run it again with rerun.")


def pause_reason(
    by: str, progress: Progress | None, checkpoint: Checkpoint | None, *, killed: bool = False
) -> str:
    """The sentence that explains PAUSED: what is known to be saved, and never more than that.

    Args:
        by: Who paused it; empty when nobody is known to have.
        progress: What the code last reported.
        checkpoint: Its newest whole one.
        killed: Whether it did not stop by itself in time.

    >>> pause_reason("ada", Progress(step=480, time=0.0), None)
    'paused by ada at step 480. It has saved no checkpoint: a resume starts from the beginning.'
    """
    said = f"paused by {by}" if by else "paused"
    if killed:
        said += "; it did not stop by itself and was killed"
    at = progress.step if progress else None
    if checkpoint is None:
        reached = "" if at is None else f" at step {at}"
        if killed:
            return f"{said}{reached}. It has saved no checkpoint: all it did is lost."
        return f"{said}{reached}. It has saved no checkpoint: a resume starts from the beginning."
    saved = checkpoint.step
    if at is None or killed:
        return f"{said}; what came after its last checkpoint, of step {saved}, is lost."
    if at > saved:
        lost = "1 step is lost" if at - saved == 1 else f"{at - saved} steps are lost"
        return f"{said} at step {at}; last checkpoint: step {saved}, so {lost}."
    return f"{said} at step {at}; its checkpoint of step {saved} has all of it."


def waiting_again(job: TrainingJob, reason: str) -> TrainingJob:
    """A job that waits for its next launch: nothing of its last run is left but what it saved."""
    update = {"state": JobState.PENDING, "reason": reason, "replicas": (), "diagnosis": None}
    return job.model_copy(update={**update, "started": None, "ended": None, "position": None})


def next_start(attempt: int, checkpoint: Checkpoint | None) -> str:
    """Where the next attempt can start from, as a sentence.

    Args:
        attempt: Its number.
        checkpoint: The newest whole one.
    """
    start = "the beginning" if checkpoint is None else f"the checkpoint of step {checkpoint.step}"
    return f"Attempt {attempt} can start from {start}."


def time_left(spec: TrainingSpec, ran: float) -> float | None:
    """Seconds that a job may still run; None without a limit.

    Args:
        spec: Its wish.
        ran: Seconds that it ran before.

    Raises:
        Conflict: nothing is left.
    """
    if spec.time_limit is None:
        return None
    left = spec.time_limit - ran
    if left < 1:
        raise Conflict(
            "the job has used up its time limit.",
            hint="Run it again with a longer one, or with none: rerun.",
            field="time_limit",
        )
    return left
