"""What the GPUs of a deployment do, as its number of replicas follows it; no GPU computes here."""

from __future__ import annotations

import pytest

from dllab_hub.backends.local.serving.autoscaler import Autoscaler
from dllab_hub.backends.local.serving.gpuload import GpuLoad, busy
from dllab_hub.metrics.nvml import Nvml
from dllab_hub.specs import Autoscale, Gpu, GpuReport, GpuState
from dllab_hub.testing.nvml import FakeNvml


def report(*loads: float | None, state: GpuState = GpuState.OK) -> GpuReport:
    """``GPU-0`` and so on, that do this."""
    gpus = (
        Gpu(index=n, uuid=f"GPU-{n}", name="H100", utilization=load) for n, load in enumerate(loads)
    )
    return GpuReport(state=state, time=1.0, gpus=tuple(gpus))


@pytest.mark.parametrize(
    ("loads", "held", "expected"),
    [
        ((0.5, 0.9), ["0"], 0.5),
        ((0.5, 0.9), ["0", "1"], 1.4),
        ((0.5, 0.9, 1.0, 0.0), ["01", "23"], 1.2),  # Two replicas that have two each.
        ((0.5, None), ["0", "1"], None),
        ((0.5,), ["0", "1"], None),
        ((0.5,), [], None),
        ((0.5,), ["0", ""], None),
        ((), ["0"], None),
    ],
)
def test_how_many_are_busy(loads, held, expected) -> None:
    """The mean of all GPUs for each replica; not known where one of them is not told."""
    gpus = [[f"GPU-{number}" for number in each] for each in held]
    found = busy(report(*loads), gpus)

    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("state", [each for each in GpuState if each is not GpuState.OK])
def test_what_is_stale_is_not_known(state) -> None:
    """Old numbers, and a driver that fails, say nothing of now."""
    assert None is busy(report(0.5, state=state), [["GPU-0"]])


def test_what_the_driver_says(tmp_path) -> None:
    """A reading of NVML does; of a GPU that is lost, or does not tell, nothing is known."""
    fake = FakeNvml.build(tmp_path, gpus=2)
    with fake.loaded():
        nvml = Nvml()
        uuids = [[gpu.uuid] for gpu in nvml.read().gpus]
        fake.set(gpu=0, utilization=80)
        fake.set(gpu=1, utilization=40)
        both = busy(nvml.read(), uuids)
        fake.set(gpu=1, utilization=None)
        untold = busy(nvml.read(), uuids)
        fake.set(gpu=1, utilization=40, error=FakeNvml.GPU_IS_LOST)
        lost = busy(nvml.read(), uuids)

    assert (pytest.approx(1.2), None, None) == (both, untold, lost)


class Played:
    """A deployment whose GPUs do what the test says, looked at twice a second."""

    def __init__(self, replicas: int, **limits: object) -> None:
        wanted = {"max": 4, "signal": "gpu", "target": 0.5, **limits}
        self.scaler = Autoscaler(Autoscale(**wanted))
        self.now, self.replicas, self.report = 1000.0, replicas, report()
        self.asked = 0
        self.load = GpuLoad(self._measure, lambda: self.now)

    async def _measure(self) -> GpuReport:
        self.asked += 1
        return self.report

    async def play(self, seconds: float, load: float | None, inflight: int = 1) -> int:
        """So many seconds in which each GPU does this; None: it cannot be read."""
        for _ in range(round(seconds / 0.5)):
            self.now += 0.5
            loads = [0.0 if load is None else load] * self.replicas
            self.report = report(*loads, state=GpuState.STALE if load is None else GpuState.OK)
            gpus = [[f"GPU-{number}"] for number in range(self.replicas)]
            await self.load.look(gpus, asleep=self.replicas == 0)
            self.replicas = self.scaler.decide(
                self.now, self.replicas, self.load.area(), inflight=inflight, quiet=0.0
            )
        return self.replicas


async def test_up_and_down() -> None:
    """As many as have the target together, within seconds; fewer only after five minutes."""
    played = Played(1)
    assert 2 == await played.play(5, 0.9)
    assert 4 == await played.play(8, 0.9)
    assert 4 == await played.play(200, 0.2)
    assert 2 == await played.play(120, 0.2)


async def test_quiet_at_the_target() -> None:
    """A little more or less changes nothing, however long."""
    assert 2 == await Played(2).play(1200, 0.52)
    assert 2 == await Played(2).play(1200, 0.45)


async def test_it_holds_while_nobody_can_tell() -> None:
    """No number is changed by a reading that fails, and what was before does not count after it."""
    played = Played(3)
    await played.play(100, 0.1)
    assert 3 == await played.play(3600, None)
    assert 3 == await played.play(290, 0.1)
    assert 1 == await played.play(20, 0.1)


async def test_it_is_read_once_a_second() -> None:
    """However often it is looked at."""
    played = Played(2)
    await played.play(60, 0.4)

    assert 60 == played.asked


async def test_asleep_nothing_is_busy() -> None:
    """With no replica there is no GPU to read: a request starts the first one all the same."""
    played = Played(0, min=0)
    await played.play(5, None, inflight=0)
    assert (0, 0) == (played.replicas, played.asked)

    assert 1 == await played.play(0.5, None, inflight=1)
