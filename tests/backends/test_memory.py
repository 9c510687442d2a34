"""The public fake does what a test tells it."""

from __future__ import annotations

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import Holder, JobState
from dllab_hub.testing import MemoryBackend


@pytest.fixture
def memory():
    """A fake with one GPU whose clock stands still."""
    return MemoryBackend(gpus=("GPU-0",), clock=lambda: 100.0)


async def test_a_restart_begins_new_logs(memory, make_spec):
    """The next attempt has logs of its own; those of the first stay."""
    job = await memory.submit("ada", make_spec(gpus=1))
    memory.write_log(job.id, "worker-0", "one\n")
    again = memory.restart(job.id)
    memory.write_log(job.id, "worker-0", "two\n")

    assert (2, 2, ("GPU-0",)) == (
        again.attempt,
        again.replicas[0].attempt,
        again.replicas[0].gpus,
    )
    assert "[worker-0] two\n" == (await memory.logs("ada", job.id)).text
    first = await memory.logs("ada", job.id, attempt=1)
    assert ("[worker-0] one\n", True) == (first.text, first.complete)


async def test_progress_and_checkpoints(memory, make_spec):
    """What was reported and saved shows in the job."""
    job = await memory.submit("ada", make_spec())
    memory.report(job.id, 7, 10, loss=0.5)
    memory.save_checkpoint(job.id, 3)
    newest = memory.save_checkpoint(job.id, 6)
    now = await memory.get("ada", job.id)

    assert (7, {"loss": 0.5}) == (now.progress.step, now.progress.metrics)
    assert newest == now.checkpoint == (await memory.checkpoints("ada", job.id))[0]


async def test_a_gpu_that_is_held(memory, make_spec):
    """A job waits while the test says that somebody holds the GPU."""
    memory.hold("GPU-0", Holder(kind="lab", owner="grace", name="hers"))
    job = await memory.submit("ada", make_spec(gpus=1))
    memory.hold("GPU-0", None)

    assert "waiting for 1 GPU: none of 1 is free; held by 1 other person." == job.reason
    assert JobState.RUNNING is (await memory.get("ada", job.id)).state


async def test_only_an_end_is_an_end(memory, make_spec):
    """A job cannot be finished as something that goes on."""
    job = await memory.submit("ada", make_spec())

    with pytest.raises(InvalidRequest):
        memory.finish(job.id, JobState.RUNNING)
