"""What is done by itself about an alert, to real jobs on this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.backends.local.capacity import holders
from dllab_hub.errors import NoCapacity
from dllab_hub.leases import LeaseDir
from dllab_hub.metrics.sampler import Sampler
from dllab_hub.server.alerting import Alerting
from dllab_hub.server.lab import Lab
from dllab_hub.specs import Gpu, GpuCondition, GpuReport, GpuState, JobState

#: Counts to where it was, saves each step, and goes on until a file appears.
COUNTING = """
import os, pathlib, time
from dllab_hub.runtime.checkpoint import Checkpointer

step = 0
def load(path):
    global step
    step = int(pathlib.Path(path).read_text())
saver = Checkpointer(every=1, save=lambda path: pathlib.Path(path).write_text(str(step)), load=load)
saver.restore()
with open("starts", "a") as file:
    file.write(f"{step} {os.environ['CUDA_VISIBLE_DEVICES']}\\n")
while not os.path.exists("go"):
    step += 1
    saver.step(step)
    time.sleep(0.02)
"""


class Machine:
    """Two GPUs that do what a test says, and a real backend that is watched.

    Attributes:
        gpus: As they are read next.
        now: What has to be added to the time of day.
    """

    def __init__(self, state, backend) -> None:
        self.state, self.backend = state, backend
        self.gpus = {f"GPU-{n}": Gpu(index=n, uuid=f"GPU-{n}", name="H100") for n in range(2)}
        self.now = 0.0
        self.leases = LeaseDir(state.leases)
        self.sampler = Sampler(self._read, interval=0.1)
        self.alerting = Alerting(
            state, backend, self.sampler, leases=self.leases, every=0.1, clock=self._clock
        )
        self.lab = Lab(
            backend, self.sampler, holders=partial(holders, self.leases), alerts=self.alerting
        )

    def change(self, uuid: str, **changes: Any) -> None:
        self.gpus[uuid] = self.gpus[uuid].model_copy(update=changes)

    def act(self) -> Any:
        """What was done about the first alert."""
        return next((alert.act for alert in self.alerting.of(None) if alert.act), None)

    def _clock(self) -> float:
        return time.time() + self.now

    def _read(self) -> GpuReport:
        return GpuReport(state=GpuState.OK, time=time.time(), gpus=tuple(self.gpus.values()))


@pytest.fixture
async def machine(local, a_state) -> AsyncIterator[Machine]:
    """Its alerts are watched; what is to be done is in its settings."""
    made = Machine(a_state, local.backend)
    a_state.root.mkdir(exist_ok=True)
    await made.alerting.start()
    made.alerting.known = made.lab._known
    yield made
    await made.alerting.close()
    made.sampler.close()


def actions(a_state, **said: list[str]) -> None:
    lines = "".join(f"{rule} = {what!r}\n" for rule, what in said.items())
    (a_state.root / "catalog.toml").write_text(f"[alerts.actions]\n{lines}")


def starts(job) -> list[list[str]]:
    path = Path(job.workspace) / "starts"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def soon(until) -> Callable[..., Any]:
    """Waits until something is so."""

    async def wait(condition: Callable[[], Any], seconds: float = 20) -> Any:
        async def is_so():
            return condition()

        return await until(is_so, seconds)

    return wait


async def test_a_lost_gpu_is_withdrawn_and_its_job_goes_on_elsewhere(
    machine, local, a_state, make_spec, soon
):
    """Its job is relaunched on the other GPU, from its checkpoint; nobody gets the lost one until
    it has been well for some minutes."""
    actions(a_state, GPULost=["relaunch", "withdraw"])
    job = await local.backend.submit("ada", make_spec(source=COUNTING, gpus=1))
    await soon(lambda: starts(job))
    assert ["0", "GPU-0"] == starts(job)[0]
    await asyncio.sleep(0.3)

    machine.change("GPU-0", condition=GpuCondition.LOST, error="It is lost.")
    await soon(lambda: len(starts(job)) == 2)

    step, uuid = starts(job)[1]
    assert ("GPU-1", True) == (uuid, int(step) > 0)
    await soon(lambda: machine.act() and machine.act().action == "relaunch")
    assert ("done", True) == (machine.act().outcome, job.id in machine.act().message)
    said = [event.message for event in await local.backend.events("ada", job.id)]
    assert any("the alert GPULost resumed it." in message for message in said)
    report = await machine.lab.report(None)
    assert report.gpus[0].withdrawn.startswith("GPULost: ")
    with pytest.raises(NoCapacity, match="1 GPU is out of use"):
        machine.leases.take(["GPU-0", "GPU-1"], 1, {"kind": "lab", "owner": "grace"})
    capacity = await local.backend.capacity("ada", 1)
    assert (1, 0) == (capacity.total, capacity.free)

    (Path(job.workspace) / "go").touch()
    assert JobState.SUCCEEDED is (await local.over(job)).state
    machine.change("GPU-0", condition=GpuCondition.OK, error="")
    await asyncio.sleep(0.5)
    assert {"GPU-0"} == set(machine.leases.withdrawn())
    machine.now += 301
    await soon(lambda: not machine.leases.withdrawn())
    with machine.leases.take(["GPU-0", "GPU-1"], 1, {"kind": "lab", "owner": "ada"}) as lease:
        assert ("GPU-0",) == lease.uuids


async def test_nothing_is_done_by_itself(machine, local, make_spec, soon):
    """Without a word of the administrator an alert is told, and no more."""
    job = await local.backend.submit("ada", make_spec(source=COUNTING, gpus=1))
    await soon(lambda: starts(job))

    machine.change("GPU-0", condition=GpuCondition.LOST, error="It is lost.")
    await soon(lambda: machine.alerting.of("ada"))
    await asyncio.sleep(0.5)

    assert (1, None, {}) == (len(starts(job)), machine.act(), machine.leases.withdrawn())


async def test_the_same_is_not_done_again_soon(machine, local, a_state, make_spec, soon):
    """What begins anew within half an hour is left alone, also by a service that was restarted."""
    actions(a_state, GPULost=["relaunch"])
    job = await local.backend.submit("ada", make_spec(source=COUNTING, gpus=1))
    await soon(lambda: starts(job))
    machine.change("GPU-0", condition=GpuCondition.LOST, error="It is lost.")
    await soon(lambda: len(starts(job)) == 2)  # On the same GPU: nothing keeps it away.
    await soon(lambda: machine.act())

    machine.change("GPU-0", condition=GpuCondition.OK, error="")
    await soon(lambda: machine.alerting.of(None)[0].state == "resolved")
    await machine.alerting.close()
    after = Machine(a_state, local.backend)
    after.gpus = machine.gpus
    after.alerting.known = after.lab._known
    after.change("GPU-0", condition=GpuCondition.LOST, error="It is lost.")
    await after.alerting.start()
    await soon(lambda: any(a.state == "firing" for a in after.alerting.of(None)))
    await asyncio.sleep(0.5)
    assert 2 == len(starts(job))
    after.now += 1801
    await soon(lambda: len(starts(job)) == 3)
    await after.alerting.close()
    after.sampler.close()


async def test_a_stalled_job_is_relaunched(machine, local, a_state, make_spec, soon):
    """One that makes no steps goes on from its checkpoint."""
    actions(a_state, TrainingStalled="relaunch")
    source = COUNTING.replace("    saver.step(step)\n", "    saver.step(step)\n    told(step)\n")
    source = "from dllab_hub.runtime.report import report\n" + source
    source = source.replace(
        "while not",
        "def told(step):\n"
        "    if not os.path.exists('stall') or len(open('starts').readlines()) > 1:\n"
        "        report(step=step)\n    else:\n        time.sleep(600)\nwhile not",
    )
    job = await local.backend.submit("ada", make_spec(source=source))
    await soon(lambda: starts(job))

    async def interval():
        now = await local.backend.get("ada", job.id)
        return now.progress and now.progress.interval

    give_up = time.monotonic() + 20
    while not await interval():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.05)
    assert not machine.alerting.of("ada")
    (Path(job.workspace) / "stall").touch()
    machine.now += 700
    await soon(lambda: len(starts(job)) == 2)
    await soon(machine.act)

    assert int(starts(job)[1][0]) > 0
    assert "done" == machine.act().outcome
