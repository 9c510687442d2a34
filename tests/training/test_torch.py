"""Real trainings of PyTorch, killed in the middle and resumed."""

from __future__ import annotations

import pytest
from killed_training import OWNER, Trainings

from dllab_hub.specs import JobState

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

STEPS, EVERY = 60, 10


@pytest.mark.parametrize("victim", ["worker-0", "worker-1"])
async def test_ddp(torch: Trainings, victim: str) -> None:
    """A DDP training whose worker is killed ends with exactly the loss of one left in peace.

    Exactly, because weights, moments, schedule and the generator of the data are all restored, and
    gloo adds up two ranks in one order only.
    """
    wish = {"roles": {"worker": 2}, "checkpoint_every": EVERY}
    peace = await torch.finish(await torch.submit("ddp.py", STEPS, **wish))
    job = await torch.submit("ddp.py", STEPS, **wish)
    await torch.saved(job, 2 * EVERY)
    await torch.kill(job, victim)
    ended = await torch.finish(job)

    assert (1, 2) == (peace.attempt, ended.attempt)
    begun, resumed = map(int, await torch.said(job, "FROM"))
    assert 0 == begun
    assert 2 * EVERY <= resumed < STEPS
    assert await torch.final(peace) == await torch.final(job)


async def test_sharded(torch: Trainings) -> None:
    """A sharded training is killed, paused, resumed, and goes on with three workers instead of two.

    On the same number of ranks the loss is exactly that of one left in peace. On three, gradients
    are added up in another order: 1e-5 of it.
    """
    wish = {"checkpoint_every": EVERY}
    peace = await torch.finish(await torch.submit("fsdp.py", STEPS, roles={"worker": 2}, **wish))
    job = await torch.submit("fsdp.py", STEPS, roles={"worker": 2}, **wish)
    await torch.saved(job, EVERY)
    await torch.kill(job, "worker-1")
    await torch.saved(job, 3 * EVERY)
    await torch.backend.pause(OWNER, job.id)
    paused = await torch.state(job, JobState.PAUSED)
    # All ranks saved at the step at which they were asked to end.
    saved = paused.checkpoint
    assert ("torch-distributed", 0) != (saved.format, saved.step % EVERY)
    other = await torch.submit(
        "fsdp.py", STEPS, roles={"worker": 3}, checkpoint_from=job.id, **wish
    )
    other = await torch.finish(other)
    await torch.backend.resume(OWNER, job.id)
    await torch.finish(job)

    begun, killed, resumed = map(int, await torch.said(job, "FROM"))
    assert 0 == begun
    assert EVERY <= killed
    assert saved.step == resumed
    assert [str(saved.step)] == await torch.said(other, "FROM")
    whole = await torch.final(peace)
    assert whole == await torch.final(job)
    assert pytest.approx(whole, rel=1e-5) == await torch.final(other)
