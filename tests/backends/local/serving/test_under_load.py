"""Deployments that change, or lose a part, while people ask them without a pause."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from serving_place import Load, until

from dllab_hub.errors import Unavailable
from dllab_hub.shim.process import send
from dllab_hub.specs import DeploymentState, ReplicaState


def units(state, name: str = "digits", owner: str = "ada") -> Path:
    return state.deployments / owner / name / "units"


def shim(state, unit: str) -> dict:
    return json.loads((units(state) / unit / "launch.json").read_text())


def child(state, unit: str) -> psutil.Process:
    """The process below the shim of a unit."""
    (process,) = psutil.Process(shim(state, unit)["pid"]).children()
    return process


async def test_a_replica_that_is_killed(local, a_state):
    """A replica dies under load: it comes back, and no caller notices."""
    before = await local.served(2)
    async with Load(local) as load:
        os.kill(before.replicas[0].pid, signal.SIGKILL)

        async def back():
            now = await local.get()
            return now.state is DeploymentState.READY and now.replicas[0].restarts and now

        now = await until(back)
        await load.more()

    assert {} == load.wrong
    assert [1, 0] == [one.restarts for one in now.replicas]
    assert before.replicas[1].pid == now.replicas[1].pid
    events = [event.reason for event in await local.serving.events("ada", "digits")]
    assert "ReplicaRestarted" in events


async def test_a_replica_that_is_stopped(local, a_state):
    """A replica that hangs under load is ended and comes back; who waited for it gets an answer. It
    was not its own fault: the next time it comes back as soon."""
    before = await local.served(2)
    async with Load(local) as load:
        os.kill(before.replicas[0].pid, signal.SIGSTOP)

        async def back():
            now = await local.get()
            others = [one.pid for one in now.replicas if one.pid != before.replicas[0].pid]
            return now.state is DeploymentState.READY and len(others) == 2

        await until(back, 20)
        await load.more()
    unit = a_state.deployments / "ada" / "digits" / "units" / "replica-1" / "unit.json"

    assert {} == load.wrong
    assert 0 == json.loads(unit.read_text())["failures"]


async def test_a_shim_that_is_killed(local, a_state):
    """A replica whose shim dies dies too, the service starts it again, and nobody notices."""
    await local.served(2)
    async with Load(local) as load:
        send(shim(a_state, "replica-2"), signal.SIGKILL)

        async def back():
            now = await local.get()
            return now.state is DeploymentState.READY and now.replicas[1].restarts and now

        await until(back)
        await load.more()

    assert {} == load.wrong
    events = await local.serving.events("ada", "digits")
    said = [event.message for event in events if event.reason == "ReplicaFailed"]
    assert ["replica-2: the supervisor of replica-2 was killed."] == said


async def test_a_balancer_that_is_killed(local, a_state):
    """The balancer dies under load: it is back at once with its replicas, and no caller notices."""
    await local.served(2)
    before = child(a_state, "balancer")
    async with Load(local) as load:
        before.kill()
        await load.more(200)
        now = await local.ready()

    assert {} == load.wrong
    assert before.pid != child(a_state, "balancer").pid
    assert [0, 0] == [one.restarts for one in now.replicas]


async def test_a_model_that_crashes(local, a_state):
    """A model server that cannot start ends in FAILED with the reason; pauses grow; it can be
    repaired by the next version."""
    await local.publish()
    file = a_state.models / "ada" / "digits" / "1" / "model.onnx"
    file.chmod(0o600)
    file.write_bytes(b"\x08no model any more")
    await local.deploy()
    failed = await local.state(DeploymentState.FAILED)
    with pytest.raises(Unavailable, match="digits does not answer"):
        await local.ask()
    due = []

    async def third():
        known = json.loads((units(a_state) / "replica-1" / "unit.json").read_text())
        if known["due"] and (not due or due[-1][0] != known["failures"]):
            due.append((known["failures"], known["due"]))
        return known["failures"] >= 3

    await until(third, 60)
    still = await local.get()
    await local.publish()
    await local.deploy()
    repaired = await local.ready()

    assert failed.reason
    assert 1 == failed.reason.count("replica-1")
    assert ReplicaState.FAILED is failed.replicas[0].state
    assert 3 <= failed.replicas[0].restarts
    assert DeploymentState.FAILED is still.state
    assert [1, 2, 3] == [failures for failures, _ in due]
    assert (2, 1) == (repaired.version, repaired.ready)


async def test_a_roll_to_the_next_version(local):
    """A new version takes over under load, replica by replica; no caller notices."""
    await local.served(2)
    await local.publish()
    async with Load(local) as load:
        rolling = await local.deploy(2)
        now = await local.ready()
        await load.more()
    last = await local.ask()

    assert {} == load.wrong
    assert DeploymentState.DEGRADED is rolling.state
    assert {(200, "1"), (200, "2")} == set(load.answers)
    assert [2, 2] == [one.version for one in now.replicas if one.state is ReplicaState.READY]
    assert "2" == last.headers["x-model-version"]


async def test_a_roll_to_a_version_that_crashes(local, a_state):
    """What runs goes on answering while the new version cannot start."""
    await local.served(1)
    await local.publish()
    file = a_state.models / "ada" / "digits" / "2" / "model.onnx"
    file.chmod(0o600)
    file.write_bytes(b"no model any more")
    await local.deploy()

    async def crashed():
        now = await local.get()
        return any(one.state is ReplicaState.FAILED for one in now.replicas) and now

    now = await until(crashed)
    reply = await local.ask()

    assert DeploymentState.DEGRADED is now.state
    assert "replica-2" in now.reason
    assert "1" == reply.headers["x-model-version"]


async def test_the_same_wish_again(local):
    """Deploying what runs already changes nothing."""
    before = await local.served(2)
    await local.deploy(2)
    after = await local.ready()

    assert [one.name for one in before.replicas] == [one.name for one in after.replicas]


async def test_scaling_under_load(local):
    """Replicas come and go while people ask; numbers are never used again; no caller notices."""
    await local.served(1)
    async with Load(local) as load:
        await local.serving.scale("ada", "digits", 3)
        three = await local.ready()
        await load.more()
        await local.serving.scale("ada", "digits", 1)

        async def one_left():
            now = await local.get()
            return len(now.replicas) == 1 and now

        one = await until(one_left)
        await load.more()
        await local.serving.scale("ada", "digits", 2)
        two = await local.ready()
        await load.more()

    assert {} == load.wrong
    assert ["replica-1", "replica-2", "replica-3"] == [r.name for r in three.replicas]
    assert ["replica-1"] == [r.name for r in one.replicas]
    assert ["replica-1", "replica-4"] == [r.name for r in two.replicas]
