"""Real trainings on four ranks of which the last one fails: what is said is what happened."""

from __future__ import annotations

import pytest
from killed_training import OWNER, Trainings

from dllab_hub.specs import Cause, JobState, TrainingJob

pytestmark = pytest.mark.timeout(300)

ROLES = {"worker": 4}


async def failed(ranks: Trainings, how: str) -> TrainingJob:
    job = await ranks.submit("fails.py", how, roles=ROLES, max_restarts=0)
    return await ranks.ended(job, JobState.FAILED)


@pytest.mark.parametrize(
    ("how", "cause", "words"),
    [
        ("shape", Cause.SHAPE, ("3x7", "8x4")),
        ("memory", Cause.OUT_OF_MEMORY, ("memory",)),
        ("disk", Cause.DISK_FULL, ("disk",)),
        ("kill", Cause.KILLED, ("SIGKILL",)),
    ],
)
async def test_the_first_failure_is_the_cause(
    ranks: Trainings, how: str, cause: Cause, words: tuple[str, ...]
) -> None:
    """Rank 3 is named with what was wrong there, whatever the other three have said since."""
    job = await failed(ranks, how)

    found = job.diagnosis
    assert found is not None
    assert (cause, "worker-3", 1) == (found.cause, found.replica, found.attempt), found
    assert all(word in found.message + found.traceback for word in words), found
    assert "worker-3" in found.message
    assert found.hint
    assert ("train.py" in found.traceback) == (how != "kill")


async def test_a_hang_names_who_is_waited_for(ranks: Trainings) -> None:
    """A silent job is stalled: who waits for whom, and at which line, is said while it runs."""
    job = await ranks.submit("fails.py", "hang", roles=ROLES, max_restarts=0, stall_after=10)

    # That it is silent is said at once; where everybody is, when they have been looked at. On a
    # busy machine the imports alone may be silent for that long.
    stalled = await ranks.until(
        job, lambda seen: bool((d := seen.diagnosis) and d.replica == "worker-3"), seconds=120
    )

    found = stalled.diagnosis
    assert found is not None
    assert (Cause.STALLED, "worker-3") == (found.cause, found.replica), found
    assert "all_reduce" in found.message
    assert "train.py" in found.message
    assert stalled.silent_since is not None
    reasons = [event.reason for event in await ranks.backend.events(OWNER, job.id)]
    assert "Stalled" in reasons
    await ranks.backend.cancel(OWNER, job.id)


async def test_a_hang_is_relaunched_when_that_is_wished(ranks: Trainings) -> None:
    """With ``on_stall=relaunch`` the gang is launched again, and the silence is named."""
    job = await ranks.submit(
        "fails.py", "hang", roles=ROLES, max_restarts=1, stall_after=10, on_stall="relaunch"
    )

    again = await ranks.until(job, lambda seen: seen.attempt == 2, seconds=120)

    assert "10 s" in again.reason
    await ranks.backend.cancel(OWNER, job.id)
