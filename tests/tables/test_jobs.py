"""Sentences about jobs, at a time that the test chooses."""

from __future__ import annotations

from typing import Any

import pytest

from dllab_hub.specs import (
    Checkpoint,
    Code,
    Finding,
    JobState,
    Preflight,
    ReplicaStatus,
    TrainingJob,
    TrainingSpec,
)
from dllab_hub.tables import attempt, job_text, jobs_text, loss, place, preflight_text, time_left

NOW = 1_000_000.0


def job(state: JobState = JobState.RUNNING, *, began: float = 0, **fields: Any) -> TrainingJob:
    """A job whose attempt began so many seconds ago; fields of the wish come as ``spec_...``."""
    wish = {k.removeprefix("spec_"): fields.pop(k) for k in list(fields) if k.startswith("spec_")}
    replica = ReplicaStatus(
        role="worker", index=0, attempt=1, state=JobState.RUNNING, started=NOW - began
    )
    return TrainingJob(
        id="digits-bcdfghj",
        owner="ada",
        spec=TrainingSpec(name="digits", image="here", code=Code(source="x"), **wish),
        state=state,
        replicas=(replica,),
        created=NOW - 5000,
        **{"started": NOW - began, "attempt": 1, **fields},
    )


def saved(step: int, ago: float) -> Checkpoint:
    """A checkpoint that was finished so many seconds ago."""
    return Checkpoint(step=step, path="/x", size=1, time=NOW - ago)


@pytest.mark.parametrize(
    ("seen", "lost", "said"),
    [
        (
            job(began=3600, checkpoint=saved(12400, 420)),
            420,
            "last checkpoint: step 12 400, 7 min ago: pausing now loses up to 7 min, unless the "
            "code saves on SIGTERM.",
        ),
        (
            job(began=90),
            90,
            "nothing was saved yet: after a pause it starts over, unless the code saves on "
            "SIGTERM.",
        ),
        # What was lost before this attempt is not lost by a pause.
        (
            job(began=60, checkpoint=saved(5, 200_000)),
            60,
            "last checkpoint: step 5, 2 d 7 h ago: pausing now loses up to 1 min, unless the code "
            "saves on SIGTERM.",
        ),
        (job(JobState.PENDING), 0, "it does not run now: nothing is lost."),
        (job(JobState.PAUSED, began=60), 0, "it does not run now: nothing is lost."),
        (job(JobState.FAILED, began=60), 0, "it does not run now: nothing is lost."),
        (
            job(JobState.RESTARTING, began=70, checkpoint=saved(1, -5)),
            0,
            "last checkpoint: step 1, 0 s ago: pausing now loses up to 0 s, unless the code saves "
            "on SIGTERM.",
        ),
    ],
)
def test_what_a_pause_loses(seen: TrainingJob, lost: float, said: str) -> None:
    """Not more than was done since the last checkpoint that was seen, and never a promise."""
    assert (lost, said) == loss(seen, NOW)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (job(JobState.PENDING, attempt=0), ""),
        (job(), "attempt 1 of at most 4"),
        (job(JobState.FAILED, attempt=4), "attempt 4 of at most 4"),
        (job(attempt=2, ran=50.0), "attempt 2"),
        (job(JobState.FAILED, attempt=7, ran=50.0), "attempt 7"),
    ],
)
def test_attempts(seen: TrainingJob, said: str) -> None:
    """How many there may be is said as long as it is known: a resumed job has its restarts anew."""
    assert said == attempt(seen)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (job(began=600), ""),
        (job(began=600, spec_time_limit=7200), "1 h 50 min of 2 h 0 min left"),
        (job(began=600, ran=600.0, spec_time_limit=7200), "1 h 40 min of 2 h 0 min left"),
        (
            job(JobState.PAUSED, began=9000, ran=3600.0, spec_time_limit=7200),
            "1 h 0 min of 2 h 0 min left",
        ),
        (job(JobState.FAILED, ran=7200.0, spec_time_limit=7200), ""),
        (job(began=9000, spec_time_limit=7200), "0 s of 2 h 0 min left"),
    ],
)
def test_time_that_is_left(seen: TrainingJob, said: str) -> None:
    """Pauses do not count, what ran before them does."""
    assert said == time_left(seen, NOW)


def test_the_place_in_the_queue() -> None:
    """Place and priority are told while a job waits, in its text and in the list."""
    waiting = job(JobState.PENDING, attempt=0, position=2, spec_priority=-3, started=None)

    assert "place 2 in the queue, priority -3" == place(waiting)
    assert "  place 2 in the queue, priority -3" == job_text(waiting, NOW).splitlines()[1]
    assert "PENDING #2" in jobs_text([waiting], NOW)
    assert "" == place(job(position=None))


def test_findings() -> None:
    """One line each, with file, line and hint where there are any."""
    found = (
        Finding(check="syntax", severity="error", message="no.", hint="Do.", file="a.py", line=3),
        Finding(check="limits", severity="warning", message="it took too long."),
    )
    assert "error: a.py, line 3: no. Do.\nwarning: it took too long." == preflight_text(
        Preflight(findings=found, seconds=1.0)
    )
    assert "nothing was found that would make it fail (1.0 s)." == preflight_text(
        Preflight(seconds=1.0)
    )
