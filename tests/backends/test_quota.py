"""What one person's jobs may hold at once, from what is known and nothing else."""

from __future__ import annotations

import pytest

from dllab_hub.backends.quota import check_quota, holding, refusal, room_left
from dllab_hub.errors import AccessDenied
from dllab_hub.specs import (
    NO_LIMITS,
    Code,
    JobLimits,
    JobState,
    Role,
    TrainingJob,
    TrainingSpec,
)


def wish(gpus: int = 0) -> TrainingSpec:
    return TrainingSpec(
        name="digits", image="here", code=Code(source="x"), roles=(Role(gpus=gpus),)
    )


def jobs(*gpus: int, state: JobState = JobState.RUNNING) -> list[TrainingJob]:
    return [
        TrainingJob(
            id=f"digits-{number:b>7}", owner="ada", spec=wish(n), state=state, created=number
        )
        for number, n in enumerate(gpus)
    ]


@pytest.mark.parametrize(
    ("gpus", "there", "limits", "refused"),
    [
        (8, jobs(8, 8), NO_LIMITS, ""),
        (0, jobs(0, 0), JobLimits(jobs=3), ""),
        (0, jobs(0, 0, 0), JobLimits(jobs=3), "3 jobs that wait or run, and may have 3: digits-b"),
        (0, jobs(0, 0, 0, 0), JobLimits(jobs=3), "4 jobs that wait or run, and may have 3"),
        (0, jobs(0), JobLimits(jobs=1), "you have 1 job that wait"),
        (0, [], JobLimits(jobs=0), "you may run no jobs"),
        (2, jobs(2, 4), JobLimits(gpus=8), ""),
        (3, jobs(2, 4), JobLimits(gpus=8), "hold or wait for 6 of the 8 GPUs"),
        (0, jobs(8), JobLimits(gpus=8), ""),  # Without GPUs there is nothing to refuse.
        (0, jobs(9), JobLimits(gpus=8), ""),
        (9, [], JobLimits(gpus=8), "this job needs 9 GPUs, and your jobs may hold 8 at most."),
        (1, [], JobLimits(gpus=0), "needs 1 GPU, and your jobs may hold 0"),
    ],
)
def test_one_more_job(gpus, there, limits, refused) -> None:
    """It is refused exactly when with it there would be more than the limit, and told why."""
    found = refusal(wish(gpus), there, limits)

    assert refused in (found.message if found else "")
    assert bool(refused) is (found is not None)
    assert found is None or found.hint
    if found is None:
        check_quota(wish(gpus), there, limits)
    else:
        with pytest.raises(AccessDenied):
            check_quota(wish(gpus), there, limits)


@pytest.mark.parametrize("state", JobState)
def test_which_jobs_count(state: JobState) -> None:
    """Those that wait or run, and none that has ended or is paused."""
    counts = state in (JobState.PENDING, JobState.RUNNING, JobState.RESTARTING)

    assert counts is bool(holding(jobs(1, state=state)))
    assert counts is (refusal(wish(), jobs(1, state=state), JobLimits(jobs=1)) is not None)


def test_the_jobs_are_named() -> None:
    """The oldest first, with their GPUs where these are short, and not a thousand of them."""
    found = refusal(wish(1), [*jobs(0, 2, 3)], JobLimits(gpus=5))
    assert found is not None
    assert found.message.endswith(": digits-bbbbbb1 (2), digits-bbbbbb2 (3).")

    found = refusal(wish(), jobs(*[0] * 900), JobLimits(jobs=900))
    assert found is not None
    assert found.message.endswith("digits-bbbbbb4 and 895 more.")


def test_what_a_price_says() -> None:
    """What is taken of each limit there is; nothing without one."""
    assert "" == room_left(jobs(1), NO_LIMITS)
    assert "You have 2 of 3 jobs now." == room_left(jobs(1, 2), JobLimits(jobs=3))
    assert "You have 1 of 1 job and 2 of 8 GPUs for jobs now." == room_left(
        jobs(2), JobLimits(jobs=1, gpus=8)
    )
