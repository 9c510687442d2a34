"""The public fake does what a test tells it."""

from __future__ import annotations

import pytest
from served import ONNX

from dllab_hub.backends.serving import Call
from dllab_hub.errors import InvalidRequest, Unavailable
from dllab_hub.specs import DeploymentSpec, DeploymentState, Holder, JobState
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


class TestServing:
    """Its models and deployments."""

    @pytest.fixture
    async def serving(self, memory, tmp_path):
        """With one model, ``digits``."""
        file = tmp_path / "net.onnx"
        file.write_bytes(ONNX)
        await memory.serving.publish("ada", "digits", file)
        return memory.serving

    async def test_a_model_gives_back_what_it_was_given(self, serving):
        """Both protocols answer, and the traffic is counted."""
        await serving.deploy("ada", DeploymentSpec(name="mine", model="digits"))
        row = b'{"instances": [[1.0]]}'
        v1 = await serving.call("ada", "mine", Call("POST", "v1/models/mine:predict", row))
        bad = await serving.call("ada", "mine", Call("POST", "v1/models/mine:predict", b"{}"))
        v2 = await serving.call(
            "ada", "mine", Call("POST", "v2/models/mine/infer", b'{"inputs": [{"name": "x"}]}')
        )

        assert (200, b'{"predictions": [[1.0]]}') == (v1.status, v1.body)
        assert (400, b'"outputs": [{"name": "x"}]' in v2.body) == (bad.status, True)
        traffic = (await serving.get("ada", "mine")).traffic
        assert (3, 1, 0) == (traffic.requests, traffic.rejected, traffic.failed)

    async def test_failing_and_recovering(self, serving):
        """Nothing answers while a test says so; then the replicas have been started again."""
        await serving.deploy("ada", DeploymentSpec(name="mine", model="digits", replicas=2))
        failed = serving.fail("ada", "mine", "it broke.")
        assert (DeploymentState.FAILED, 0) == (failed.state, failed.ready)
        with pytest.raises(Unavailable, match="it broke"):
            await serving.call("ada", "mine", Call("GET", "v2/models/mine/ready"))

        now = serving.recover("ada", "mine")
        assert (DeploymentState.READY, 2, [1, 1]) == (
            now.state, now.ready, [replica.restarts for replica in now.replicas],
        )  # fmt: skip

    async def test_numbers_of_replicas_are_not_used_again(self, serving):
        """Scaling down keeps the newest; scaling up and replacing make new ones."""
        spec = DeploymentSpec(name="mine", model="digits", replicas=2)
        await serving.deploy("ada", spec)

        def names(deployment):
            return [replica.name for replica in deployment.replicas]

        assert ["replica-2"] == names(await serving.scale("ada", "mine", 1))
        assert ["replica-2", "replica-3"] == names(await serving.scale("ada", "mine", 2))
        assert ["replica-4", "replica-5"] == names(await serving.deploy("ada", spec))
        assert ["replica-1", "balancer"] == [
            (await serving.logs("ada", "mine", replica=name)).replica
            for name in ("replica-1", "balancer")
        ]
