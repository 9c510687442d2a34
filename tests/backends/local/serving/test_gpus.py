"""Replicas that hold GPUs of this machine. The locks are real and the GPUs are none: the model
servers are told of no GPU, as the image for tests computes on CPUs only. One test tells them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving_place import Load, ServingPlace, local_serving, until

from dllab_hub.backends.local.capacity import holders
from dllab_hub.errors import InvalidRequest, Unavailable
from dllab_hub.leases import LeaseDir
from dllab_hub.metrics.processes import Processes
from dllab_hub.specs import (
    Autoscale,
    Batch,
    Deployment,
    DeploymentState,
    Gpu,
    GpuProcess,
    GpuReport,
    GpuState,
    ReplicaState,
)
from dllab_hub.state import StateDir

GPUS = ("GPU-0", "GPU-1")


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """Of a machine with two GPUs."""
    blind = tmp_path / "blind"
    blind.write_text(f'#!/bin/sh\nunset DLLAB_GPUS\nexec {os.environ["DLLAB_TEST_SERVER"]} "$@"\n')
    blind.chmod(0o755)
    return {"gpus": lambda: GPUS, "interpreter": lambda *_: blind}


@pytest.fixture
async def local(
    a_state: StateDir, onnx_models: Path, options: dict[str, Any]
) -> AsyncIterator[ServingPlace]:
    """Serving on such a machine; nothing runs when the test is over."""
    async with local_serving(a_state, **options) as serving:
        place = ServingPlace(serving, onnx_models)
        yield place
        await place.clear()


@pytest.fixture
def held(a_state: StateDir) -> Callable[[], dict[str, str]]:
    """Who holds which GPU: kind and name."""
    leases = LeaseDir(a_state.leases)
    return lambda: {
        uuid: f"{holder.kind} {holder.name}" for uuid, holder in holders(leases, GPUS).items()
    }


async def waits(place: ServingPlace, name: str = "digits") -> Deployment:
    """The deployment once a replica of it waits for GPUs."""

    async def found() -> Deployment | None:
        now = await place.get(name)
        return now if any("waiting for" in one.reason for one in now.replicas) else None

    return await until(found)


async def served(place: ServingPlace, version: int, count: int = 1) -> Deployment:
    """``digits`` once so many replicas of a version answer, and no others are there."""

    async def there() -> Deployment | None:
        now = await place.get()
        done = now.ready == count == len(now.replicas)
        return now if done and {one.version for one in now.replicas} == {version} else None

    return await until(there, 60)


async def test_they_are_leased(local, a_state, held) -> None:
    """Each replica holds its own, sees no other, and its processes are known by them; the next
    deployment waits and says for whom; it starts when they are given back."""
    await local.publish()
    await local.deploy(2, gpus=1)
    ready = await local.ready()
    pids = [one.pid for one in ready.replicas]
    seen = [psutil.Process(pid).environ()["CUDA_VISIBLE_DEVICES"] for pid in pids]
    using = tuple(
        Gpu(index=n, uuid=uuid, name="H100", processes=(GpuProcess(pid=pid, memory=1),))
        for n, (uuid, pid) in enumerate(zip(seen, pids, strict=True))
    )
    known = Processes(machine=True).with_owners(
        GpuReport(state=GpuState.OK, time=1.0, gpus=using),
        holders(LeaseDir(a_state.leases), GPUS),
    )
    whose = [gpu.processes[0] for gpu in known.gpus if gpu.processes]

    assert sorted(GPUS) == sorted(seen)
    assert dict.fromkeys(GPUS, "deployment digits") == held()
    assert [("deployment", "ada", "digits")] * 2 == [
        (one.holder.kind, one.holder.owner, one.holder.name) for one in whose
    ]
    assert ["replica-1", "replica-2"] == [one.replica for one in whose]

    await local.deploy(name="other", gpus=1)
    other = await waits(local, "other")
    assert (DeploymentState.STARTING, ReplicaState.STARTING) == (
        other.state,
        other.replicas[0].state,
    )
    assert (
        "replica-1: waiting for 1 GPU: none of 2 is free; held by your deployment 'digits'."
    ) == other.reason
    with pytest.raises(Unavailable) as caught:  # Whoever may ask it: names are for its owner.
        await local.ask(name="other")
    assert "other does not answer: it waits for a free GPU." == caught.value.message
    await local.serving.delete("ada", "digits")
    started = await local.ready("other")
    events = [event.reason for event in await local.serving.events("ada", "other")]

    assert ["deployment other"] == list(held().values())
    assert 0 == started.replicas[0].restarts
    assert (1, 0) == (events.count("ReplicaWaits"), events.count("ReplicaFailed"))
    await local.serving.delete("ada", "other")
    await local.gone("other")
    assert {} == held()


async def test_without_gpus(local, held) -> None:
    """A replica that was given none holds none and sees none."""
    ready = await local.served()
    environ = psutil.Process(ready.replicas[0].pid).environ()

    assert ("", {}) == (environ["CUDA_VISIBLE_DEVICES"], held())


async def test_they_outlive_the_service(a_state, onnx_models, options, held) -> None:
    """The GPUs stay with the replica while no service is there; the next one knows of them, and
    what it had to wait for waits on."""
    async with local_serving(a_state, **options) as serving:
        place = ServingPlace(serving, onnx_models)
        await place.publish()
        await place.deploy(gpus=2)
        before = await place.ready()
        await place.deploy(name="other", gpus=1)
        await waits(place, "other")
    between = held()
    async with local_serving(a_state, **options) as serving:
        place = ServingPlace(serving, onnx_models)
        after = await place.ready()
        known = serving._live["ada", "digits"].controller.gpus
        await waits(place, "other")
        await place.clear()

    assert dict.fromkeys(GPUS, "deployment digits") == between
    assert before.replicas[0].pid == after.replicas[0].pid
    assert (GPUS,) == known
    assert {} == held()


async def test_more_than_there_are(local) -> None:
    """What the machine will never have is refused at once, and nothing is made of it."""
    await local.publish()
    with pytest.raises(InvalidRequest, match="to have 3 GPUs and there are 2") as caught:
        await local.deploy(gpus=3)

    assert "gpus" == caught.value.field
    assert () == (await local.serving.list("ada")).deployments


async def test_nobody_measures(local) -> None:
    """Where the GPUs are not measured nothing can follow them, and that is said."""
    await local.publish()
    with pytest.raises(InvalidRequest, match="nobody measures") as caught:
        await local.deploy(gpus=1, autoscale=Autoscale(max=2, signal="gpu", target=0.5))

    assert "autoscale.signal" == caught.value.field


async def test_a_roll_on_a_full_machine(local, held) -> None:
    """All GPUs are in use: the old replicas go first, one by one, and no request fails."""
    for _ in range(2):
        await local.publish()
    await local.deploy(2, version=1, gpus=1)
    await local.ready()
    least = []
    async with Load(local) as load:
        await local.deploy(2, version=2, gpus=1)

        async def rolled() -> bool:
            now = await local.get()
            least.append(now.ready)
            return now.ready == 2 and {one.version for one in now.replicas} == {2}

        await until(rolled, 60)
        await load.more()

    assert {} == load.wrong
    assert min(least) >= 1
    assert dict.fromkeys(GPUS, "deployment digits") == held()


async def test_the_last_one_keeps_its_gpus(local, a_state) -> None:
    """A single replica with all GPUs answers on, and it is said what its successor waits for;
    where requests may wait it goes first, and none fails."""
    for _ in range(2):
        await local.publish()
    await local.deploy(version=1, gpus=2)
    await local.ready()
    await local.deploy(version=2, gpus=2)
    stuck = await waits(local)
    status = (await local.ask()).status

    assert (DeploymentState.DEGRADED, 1, 200) == (stuck.state, stuck.ready, status)
    for said in (
        "version 2 answers with 0 of 1 replicas. replica-2: waiting for 2 GPUs: none of 2 is free; "
        "held by your deployment 'digits'.",
        "replica-1 is the last that answers, and keeps its GPUs until others are free.",
    ):
        assert said in stuck.reason
    async with Load(local) as load:
        await local.deploy(version=2, gpus=2, autoscale=Autoscale(min=0, max=1))
        await served(local, 2)
        await load.more()

    assert {} == load.wrong
    assert {"1", "2"} == {version for _, version in load.answers}


async def test_what_a_lab_lends(local, a_state) -> None:
    """A replica takes the GPU that a lab of the same person lends; of another's lab it does not."""
    await local.publish()
    lab = {"kind": "lab", "owner": "ada", "name": "mine", "id": "mine-1"}
    leases = LeaseDir(a_state.leases)
    with leases.take(GPUS, 2, lab):
        await local.deploy(gpus=1)
        first = await waits(local)
        leases.lend("ada", "mine-1", True)
        await local.ready()
        seen = holders(leases, GPUS)
        await local.serving.delete("ada", "digits")
        await local.gone()

    assert (
        "replica-1: waiting for 1 GPU: none of 2 is free; held by your lab 'mine'. "
        "Lend your lab's GPUs to start it now."
    ) == first.reason
    assert [("mine", "digits"), ("mine", None)] == [
        (one.name, one.lent_to and one.lent_to.name) for one in seen.values()
    ]


async def test_never_on_the_cpu_instead(a_state, onnx_models, options) -> None:
    """With GPUs and an image that cannot use them the replica ends and says what to do."""
    async with local_serving(a_state, gpus=options["gpus"]) as serving:
        place = ServingPlace(serving, onnx_models)
        await place.publish()
        await place.deploy(gpus=1)

        async def said() -> str:
            reason = (await place.get()).reason
            return reason if "cannot be served" in reason else ""

        reason = await until(said)
        ready = (await place.get()).ready
        await place.clear()

    assert 0 == ready
    assert "the model cannot be served: this image's ONNX Runtime has no CUDA build" in reason
    assert "onnxruntime-gpu" in reason


async def test_another_kit_rolls(local, a_state) -> None:
    """Threads and batches arrive; another wish rolls without a failed request, the same one does
    nothing; nor does what an older release has written down."""
    await local.served()
    unit = a_state.deployments / "ada" / "digits" / "units" / "replica-1" / "unit.json"
    old = json.loads(unit.read_text())
    assert {"gpus": 0, "cpus": None, "batch": 0, "wait": 0.0} == old.pop("kit")
    unit.write_text(json.dumps(old))
    async with Load(local) as load:
        await local.deploy(cpus=2, batch=Batch(size=16, wait=0.00025))
        now = await served_by(local, "replica-2")
        await local.deploy(cpus=2, batch=Batch(size=16, wait=0.00025))
        await load.more()
    environ = psutil.Process(now.replicas[0].pid).environ()

    assert {} == load.wrong
    assert ["replica-2"] == [one.name for one in (await local.get()).replicas]
    assert ("2", "16", 0.25) == (
        environ["DLLAB_CPUS"],
        environ["DLLAB_BATCH_MAX"],
        float(environ["DLLAB_BATCH_WAIT_MS"]),
    )
    assert "DLLAB_GPUS" not in environ


async def test_requests_are_computed_together(local) -> None:
    """Of many that come at once some share a run where that was wished for, and none elsewhere."""
    await local.publish(file="company")
    await local.deploy(batch=Batch(size=8, wait=0.2))
    await local.deploy(name="alone")

    async def together(name: str) -> set[float]:
        replies = await asyncio.gather(*(local.ask([[1.0]], name) for _ in range(16)))
        return {json.loads(each.body)["predictions"][0][0] for each in replies}

    for name in ("digits", "alone"):
        await local.ready(name)

    assert {1.0} == await together("alone")
    assert 1.0 < max(await together("digits")) <= 8.0


async def served_by(place: ServingPlace, name: str) -> Deployment:
    """``digits`` once this one replica answers, and no other is there."""

    async def there() -> Deployment | None:
        now = await place.get()
        return now if now.ready and [one.name for one in now.replicas] == [name] else None

    return await until(there)


async def test_as_an_older_release_left_it(a_state, onnx_models, options) -> None:
    """What was written without a word of kits is taken over, and nothing of it is replaced."""
    async with local_serving(a_state, **options) as serving:
        before = await ServingPlace(serving, onnx_models).served()
    home = a_state.deployments / "ada" / "digits"
    for path in (home / "units").glob("*/unit.json"):
        noted = json.loads(path.read_text())
        del noted["kit"]
        path.write_text(json.dumps(noted))
    wish = json.loads((home / "deployment.json").read_text())
    for key in ("gpus", "cpus", "batch"):
        del wish["spec"][key]
    (home / "deployment.json").write_text(json.dumps(wish))
    async with local_serving(a_state, **options) as serving:
        place = ServingPlace(serving, onnx_models)
        after = await place.ready()
        await place.deploy()
        again = await place.ready()
        await place.clear()

    assert before.replicas[0].pid == after.replicas[0].pid == again.replicas[0].pid


async def test_as_many_as_the_gpus_need(a_state, onnx_models, options) -> None:
    """While its GPU has more to do than was wished for there is another replica; when it cannot be
    read nothing changes."""
    loads: dict[str, float | None] = dict.fromkeys(GPUS, 0.9)

    async def measure() -> GpuReport:
        gpus = (
            Gpu(index=n, uuid=uuid, name="H100", utilization=loads[uuid])
            for n, uuid in enumerate(GPUS)
        )
        return GpuReport(state=GpuState.OK, time=1.0, gpus=tuple(gpus))

    async with local_serving(a_state, **options, gpu_report=measure) as serving:
        place = ServingPlace(serving, onnx_models)
        await place.publish()
        loads["GPU-0"] = None
        await place.deploy(gpus=1, autoscale=Autoscale(max=2, signal="gpu", target=0.5))
        await place.ready()
        await load_seconds(place, 5)
        held = (await place.get()).wished
        loads["GPU-0"] = 0.9

        async def grown() -> bool:
            now = await place.get()
            return (now.wished, now.ready) == (2, 2)

        await until(grown)
        await place.clear()

    assert 1 == held


async def load_seconds(place: ServingPlace, seconds: float) -> None:
    """Ask for so long, as people do."""
    for _ in range(round(seconds / 0.25)):
        await place.ask()
        await asyncio.sleep(0.25)
