"""What is done by itself, what is said of it, and when a GPU is lent again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from served import ONNX

from dllab_hub.server.acting import Acting
from dllab_hub.server.concerning import World
from dllab_hub.server.due import Did, Due
from dllab_hub.specs import (
    MAX_REPLICAS,
    Alert,
    Autoscale,
    Code,
    DeploymentSpec,
    Gpu,
    GpuCondition,
    GpuReport,
    GpuState,
    JobState,
    TrainingJob,
    TrainingSpec,
)
from dllab_hub.testing import MemoryBackend

NOW = 100_000.0


class Aside:
    """Where GPUs are taken out of use."""

    def __init__(self) -> None:
        self.gpus: dict[str, str] = {}

    def withdraw(self, gpu: str, reason: str) -> None:
        self.gpus[gpu] = reason

    def give_back(self, gpu: str) -> None:
        self.gpus.pop(gpu, None)

    def withdrawn(self) -> dict[str, str]:
        return dict(self.gpus)


def alert(rule: str = "GPULost", kind: str = "gpu", subject: str = "GPU-0", **more) -> Alert:
    said = {"severity": "critical", "state": "firing", "message": "x", "since": NOW, "fired": NOW}
    return Alert(id=f"{rule}-1", rule=rule, kind=kind, subject=subject, **{**said, **more})


def world(*gpus: Gpu, state: GpuState = GpuState.OK, **more) -> World:
    return World(NOW, GpuReport(state=state, time=NOW, gpus=gpus), **more)


def todo(action: str, about: Alert, subject: str = "", refused: str = "") -> Due:
    return Due(Did(action, subject or about.subject, NOW), about, refused)


def gpu(uuid: str = "GPU-0", **more) -> Gpu:
    return Gpu(index=0, uuid=uuid, name="H100", **more)


async def days(acting: Acting, there: World, bad: tuple[str, ...] = ()) -> None:
    """It is as it is for a long time."""
    for now in (0, 301, 602):
        await acting.look(there, bad, now)


async def test_a_divided_gpu_goes_with_its_slices() -> None:
    """Of a GPU that is divided nobody gets the slices either."""
    aside = Aside()
    acting = Acting(MemoryBackend(), aside, lambda: NOW)
    gpus = [Gpu(index=n, uuid=f"GPU-{n}", name="H100", divided=n == 0) for n in range(2)]
    gpus += [Gpu(index=n, slice=0, uuid=f"MIG-{n}", name="H100") for n in range(2)]

    act = await acting.act(todo("withdraw", alert()), world(*gpus))

    assert ("done", {"GPU-0", "MIG-0"}) == (act.outcome, set(aside.gpus))


async def test_given_back_when_it_has_been_well_for_minutes() -> None:
    """Not while it is not there, an alert fires, or NVIDIA recommends something."""
    aside = Aside()
    acting = Acting(MemoryBackend(), aside, lambda: NOW)
    aside.withdraw("GPU-0", "x")
    well = world(Gpu(index=0, uuid="GPU-0", name="H100"))
    ill = world(Gpu(index=0, uuid="GPU-0", name="H100", recovery=1))

    for there, bad, now in (
        (well, (), 0),
        (well, (), 299),
        (ill, (), 301),
        (well, (), 302),
        (well, ("GPU-0",), 500),
        (well, (), 501),
        (world(), (), 700),
        (well, (), 701),
        (well, (), 1000),
    ):
        await acting.look(there, bad, now)
        assert {"GPU-0"} == set(aside.gpus), now
    await acting.look(well, (), 1001)
    assert {} == aside.gpus


async def test_not_given_back_while_the_driver_hangs() -> None:
    """A report that only repeats what was read before says nothing of a GPU."""
    aside = Aside()
    acting = Acting(MemoryBackend(), aside, lambda: NOW)
    aside.withdraw("GPU-0", "GPUTemperatureHigh: x")

    await days(acting, world(gpu(), state=GpuState.STALE))
    assert {"GPU-0"} == set(aside.gpus)
    await days(acting, world(gpu()))
    assert {} == aside.gpus


@pytest.mark.parametrize(
    ("rule", "then", "now", "lent"),
    [
        ("GPUTemperatureHigh", {}, [{}], True),
        ("GPUXidCritical", {}, [{}], False),
        ("GPUXidCritical", {"xids": {79: 1}}, [{"xids": {79: 1}}], False),
        ("GPUXidCritical", {"xids": {79: 1}}, [{}], True),
        ("GPUEccUncorrected", {"ecc_uncorrected": 3}, [{"ecc_uncorrected": 3}], False),
        ("GPUEccUncorrected", {"ecc_uncorrected": 3}, [{"ecc_uncorrected": None}], False),
        ("GPUEccUncorrected", {"ecc_uncorrected": 3}, [{"ecc_uncorrected": 0}], True),
        ("GPURowRemapFailure", {"recovery": 0}, [{"recovery": 0, "remap_failed": True}], False),
        ("GPURowRemapFailure", {"recovery": 1}, [{"recovery": 0}], True),
        ("GPUXidCritical", {}, [None, {}], True),
        ("GPULost", {"condition": GpuCondition.LOST}, [{}], True),
        ("GPULost", {"condition": GpuCondition.FAILED}, [{}], False),
    ],
)
async def test_after_an_error_only_what_was_reset_is_given_back(rule, then, now, lent) -> None:
    """That nothing new is reported is not enough: the driver says that it needs nothing, its
    counters begin anew, or it was away; the sentence says how an administrator gives it back."""
    aside = Aside()
    acting = Acting(MemoryBackend(), aside, lambda: NOW)
    await acting.act(todo("withdraw", alert(rule)), world(gpu(**then)))
    said = aside.gpus["GPU-0"]
    assert ("dllab alerts give-back GPU-0" in said) == (rule != "GPUTemperatureHigh"), said

    for what in now:
        await days(acting, world() if what is None else world(gpu(**what)))

    assert lent == (not aside.gpus)


async def test_a_service_that_was_restarted_knows_of_no_reset() -> None:
    """What it has not seen it does not suppose; what the driver says counts."""
    aside = Aside()
    aside.withdraw("GPU-0", "GPUXidCritical: x")

    await days(Acting(MemoryBackend(), aside, lambda: NOW), world(gpu()))
    assert {"GPU-0"} == set(aside.gpus)
    await days(Acting(MemoryBackend(), aside, lambda: NOW), world(gpu(recovery=0)))
    assert {} == aside.gpus


async def test_a_lesser_reason_does_not_take_the_place_of_a_greater() -> None:
    """A GPU that has to be reset still has to be when it also gets hot."""
    aside = Aside()
    acting = Acting(MemoryBackend(), aside, lambda: NOW)

    for rule in ("GPUXidCritical", "GPUTemperatureHigh"):
        await acting.act(todo("withdraw", alert(rule)), world(gpu()))

    assert aside.gpus["GPU-0"].startswith("GPUXidCritical")


async def test_slices_stay_away_as_long_as_their_gpu() -> None:
    """They are not lent while the alert of their GPU fires, nor before that is reset."""
    aside = Aside()
    acting = Acting(MemoryBackend(), aside, lambda: NOW)
    there = world(gpu(divided=True, recovery=0), gpu("MIG-0", slice=0))
    await acting.act(todo("withdraw", alert("GPUXidCritical")), there)

    await days(acting, there, bad=("GPU-0",))
    assert {"GPU-0", "MIG-0"} == set(aside.gpus)
    await days(acting, world(gpu(divided=True, recovery=1), gpu("MIG-0", slice=0)))
    assert {"GPU-0", "MIG-0"} == set(aside.gpus)
    await days(acting, there)
    assert {} == aside.gpus


class Slow(MemoryBackend):
    """Its relaunches take until a test lets them go."""

    def __init__(self, look: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.began: list[str] = []
        self.seen: list[object] = []
        self._look = look
        self.go = asyncio.Event()

    async def relaunch(self, owner: str, id: str, by: str) -> TrainingJob:
        self.began.append(id)
        self.seen.append(self._look())
        await self.go.wait()
        return job(id)


def job(id: str) -> TrainingJob:
    wish = TrainingSpec(name=id[:-8], image="here", code=Code(source="print()"))
    return TrainingJob(id=id, owner="ada", spec=wish, state=JobState.RUNNING, created=NOW)


async def test_nobody_waits_for_a_relaunch_of_another() -> None:
    """A GPU is withdrawn, and another job relaunched, while one takes minutes to end; the same job
    is not relaunched twice at once."""
    backend, aside = Slow(), Aside()
    acting = Acting(backend, aside, lambda: NOW)
    one, two = job("one-bcdfghj"), job("two-bcdfghj")
    there = world(gpu(), jobs=(one, two))
    acts = [
        asyncio.create_task(acting.act(todo("relaunch", alert(), id), there))
        for id in (one.id, one.id, two.id)
    ]
    await asyncio.sleep(0)

    act = await asyncio.wait_for(acting.act(todo("withdraw", alert()), there), 5)

    assert ("done", {"GPU-0"}) == (act.outcome, set(aside.gpus))
    assert [one.id, two.id] == backend.began
    backend.go.set()
    assert ["done"] * 3 == [each.outcome for each in await asyncio.gather(*acts)]
    assert [one.id, two.id, one.id] == backend.began


async def test_the_gpu_goes_before_its_job_is_relaunched() -> None:
    """Else the job might get it again."""
    aside = Aside()
    backend = Slow(aside.withdrawn)
    backend.go.set()
    acting = Acting(backend, aside, lambda: NOW)
    one = job("one-bcdfghj")
    there = world(gpu(), jobs=(one,))
    begun = (todo("withdraw", alert()), todo("relaunch", alert(), one.id))

    await asyncio.gather(*(acting.act(each, there) for each in begun))

    assert [{"GPU-0"}] == [set(each) for each in backend.seen]


async def test_what_is_refused_says_so(caplog) -> None:
    """It is told like what has failed, and nothing is done."""
    backend = Slow()
    act = await Acting(backend, None, lambda: NOW).act(
        todo("relaunch", alert(), "one-bcdfghj", "that is too often."), world()
    )

    assert ("failed", "that is too often.", []) == (act.outcome, act.message, backend.began)


async def test_one_replica_more(tmp_path) -> None:
    """Up to as many as there may be; then it says so."""
    backend = MemoryBackend()
    (tmp_path / "m.onnx").write_bytes(ONNX)
    await backend.serving.publish("ada", "digits", tmp_path / "m.onnx")
    await backend.serving.deploy("ada", DeploymentSpec(name="digits", model="digits"))
    acting = Acting(backend, None, lambda: NOW)
    wrong = alert("EndpointErrorRate", "deployment", "digits", owner="ada")

    act = await acting.act(todo("scale", wrong), world())
    assert ("done", "it is to have 2 replicas.") == (act.outcome, act.message)
    assert 2 == (await backend.serving.get("ada", "digits")).spec.replicas
    await backend.serving.scale("ada", "digits", MAX_REPLICAS)
    act = await acting.act(todo("scale", wrong), world())
    assert "failed" == act.outcome
    assert "which is the most" in act.message


async def test_one_replica_more_of_one_that_follows_its_load(tmp_path) -> None:
    """From as many as the load has it have now, up to its own limit; then it says so."""
    backend = MemoryBackend()
    (tmp_path / "m.onnx").write_bytes(ONNX)
    await backend.serving.publish("ada", "digits", tmp_path / "m.onnx")
    spec = DeploymentSpec(name="digits", model="digits", autoscale=Autoscale(max=3))
    await backend.serving.deploy("ada", spec)
    await backend.serving.scale("ada", "digits", 2)
    acting = Acting(backend, None, lambda: NOW)
    wrong = alert("EndpointErrorRate", "deployment", "digits", owner="ada")

    acts = [await acting.act(todo("scale", wrong), world()) for _ in range(2)]
    assert ["done", "failed"] == [act.outcome for act in acts]
    assert "it has 3 replicas already" in acts[1].message
    assert 3 == (await backend.serving.get("ada", "digits")).wished


@pytest.mark.parametrize(
    ("action", "wrong"),
    [
        ("relaunch", alert()),
        ("withdraw", alert()),
        ("replace", alert("EndpointErrorRate", "deployment", "gone", owner="ada")),
        ("scale", alert("EndpointErrorRate", "deployment", "gone", owner="ada")),
    ],
)
async def test_what_cannot_be_done_says_why(action, wrong, caplog) -> None:
    """It fails with a sentence, which is in the log too, and disturbs nothing."""
    act = await Acting(MemoryBackend(), None, lambda: NOW).act(todo(action, wrong), world())

    assert ("failed", action, NOW) == (act.outcome, act.action, act.time)
    assert act.message
    assert act.message in caplog.text
