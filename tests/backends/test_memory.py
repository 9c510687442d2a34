"""The public fake does what a test tells it."""

from __future__ import annotations

import pytest
from served import ONNX

from dllab_hub.backends.calls import Call
from dllab_hub.errors import InvalidRequest, Unavailable
from dllab_hub.specs import (
    Autoscale,
    Canary,
    DeploymentSpec,
    DeploymentState,
    Holder,
    JobState,
)
from dllab_hub.testing import MemoryBackend, MemoryServing


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


class TestVersions:
    """Its canaries, and deployments that sleep."""

    #: What is drawn for each request: with a canary of 30 percent, one of two requests is its.
    LOTS = (0.29, 0.3)

    @pytest.fixture
    async def serving(self, tmp_path):
        """With the version 2 of ``digits`` beside version 1."""
        file = tmp_path / "net.onnx"
        drawn = iter(self.LOTS * 500)
        serving = MemoryServing(draw=lambda: next(drawn))
        for _ in range(2):
            file.write_bytes(ONNX)
            await serving.publish("ada", "digits", file)
        await serving.deploy("ada", DeploymentSpec(name="mine", model="digits", version=1))
        return serving

    @staticmethod
    async def ask(serving, count, version=None):
        """Versions that answered, and with what status."""
        call = Call("POST", "v1/models/mine:predict", b'{"instances": [1]}', version=version)
        replies = [await serving.call("ada", "mine", call) for _ in range(count)]
        return [(int(reply.headers["x-model-version"]), reply.status) for reply in replies]

    async def test_the_lot_decides(self, serving):
        """A request is the canary's when less is drawn than its part."""
        await serving.canary("ada", "mine", Canary(version=2, percent=30))

        assert [(2, 200), (1, 200)] * 2 == await self.ask(serving, 4)

    async def test_a_canary_that_errs(self, serving):
        """It is rolled back once it has answered enough, and an event says why."""
        serving.misbehave("ada", "mine", 2, fails=True)
        await serving.canary("ada", "mine", Canary(version=2, percent=30, max_errors=0.5))
        assert [(2, 500), (1, 200)] * 19 == await self.ask(serving, 38)
        assert 2 == (await serving.get("ada", "mine")).canary.version
        await self.ask(serving, 1)

        now = await serving.get("ada", "mine")
        assert (None, 1, [1]) == (now.canary, now.version, [one.version for one in now.replicas])
        said = [each.message for each in await serving.events("ada", "mine")]
        assert "version 2 was rolled back: 20 of its 20 answers failed, over 50%." in said
        assert [(1, 200)] * 3 == await self.ask(serving, 3)

    async def test_errors_that_are_allowed(self, serving):
        """Without a bound, or below it, the canary goes on; another try begins from nothing."""
        serving.misbehave("ada", "mine", 2, fails=True)
        await serving.canary("ada", "mine", Canary(version=2, max_errors=None))
        await self.ask(serving, 25, version=2)
        assert (await serving.get("ada", "mine")).canary
        await serving.rollback("ada", "mine")
        serving.misbehave("ada", "mine", 2)
        await serving.canary("ada", "mine", Canary(version=2, max_errors=0.0))
        assert [(2, 200)] * 25 == await self.ask(serving, 25, version=2)

        (_, canary) = (await serving.get("ada", "mine")).versions
        assert (25, 0) == (canary.requests, canary.failed)

    async def test_a_canary_that_is_slow(self, serving):
        """It is rolled back when it takes so many times as long as the other version."""
        serving.misbehave("ada", "mine", 2, seconds=0.02)
        await serving.canary("ada", "mine", Canary(version=2, percent=0, max_slowdown=2))
        await self.ask(serving, 25, version=2)
        told = (await serving.get("ada", "mine")).versions
        assert told[1].p50 > 0.02 > told[1].p50 / 20
        await self.ask(serving, 20, version=1)

        assert None is (await serving.get("ada", "mine")).canary
        last = [
            each for each in await serving.events("ada", "mine") if "rolled back" in each.message
        ]
        assert "times as long as version 1, over 2 times." in last[0].message

    async def test_sleeping(self, serving):
        """Without replicas the state says so, and a request starts one; scaling does as well."""
        bounds = Autoscale(min=0, max=3)
        await serving.deploy("ada", DeploymentSpec(name="mine", model="digits", autoscale=bounds))
        asleep = serving.idle("ada", "mine")
        assert (DeploymentState.IDLE, 0, 0, ()) == (
            asleep.state, asleep.wished, asleep.ready, asleep.replicas,
        )  # fmt: skip
        assert "no replica: the next request starts one." == asleep.reason
        assert "replica-2" == (await serving.logs("ada", "mine")).replica
        assert [(2, 200)] == await self.ask(serving, 1)
        awake = await serving.get("ada", "mine")
        assert (DeploymentState.READY, 1, "") == (awake.state, awake.wished, awake.reason)
        serving.idle("ada", "mine")

        assert 2 == (await serving.scale("ada", "mine", 2)).ready
