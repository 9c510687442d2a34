"""What one GPU tells besides its load: slices, processes, clocks, memory errors, traffic."""

import pytest

from dllab_hub.metrics.inventory import Inventory
from dllab_hub.metrics.nvml import Nvml
from dllab_hub.specs import GpuCondition, GpuInfo, GpuProcess, GpuState
from dllab_hub.testing.nvml import FakeNvml

GPU = "GPU-00000000-0000-0000-0000-000000000000"
OTHER = "GPU-00000000-0000-0000-0000-000000000001"


class Time:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("name", [1, 0])
def test_a_gpu_that_is_slowed_down_says_why(nvml: Nvml, fake: FakeNvml, name: int) -> None:
    """All that slows it is told, under the new or the old name of the call; being idle is not."""
    fake.set(event_reasons=name)
    fake.set(gpu=0, throttle=0x04 | 0x08 | 0x20 | 0x40 | 0x80)
    fake.set(gpu=1, throttle=0x01 | 0x02 | 0x10 | 0x100)

    slow, idle = nvml.read().gpus

    every = ("power_cap", "hw_slowdown", "sw_thermal", "hw_thermal", "power_brake")
    assert (every, ()) == (slow.throttle, idle.throttle)


def test_a_gpu_with_errors_in_its_memory(nvml: Nvml, fake: FakeNvml) -> None:
    """Corrected and uncorrected ones, rows that could not be replaced, what NVIDIA recommends."""
    fake.set(gpu=0, ecc="7 2", remapped="1 2 0 1", recovery=4)

    gpu = nvml.read().gpus[0]

    assert (7, 2, True, 4) == (
        gpu.ecc_corrected,
        gpu.ecc_uncorrected,
        gpu.remap_failed,
        gpu.recovery,
    )
    assert gpu.condition is GpuCondition.OK


def test_what_uses_a_gpu(nvml: Nvml, fake: FakeNvml) -> None:
    """Each process once, whatever it does with the GPU; memory that is not told is None."""
    fake.set(gpu=0, processes="42:1000 7:none", graphics="42:2000 9:10", mps="11:5")

    assert nvml.read().gpus[0].processes == (
        GpuProcess(pid=7),
        GpuProcess(pid=9, memory=10),
        GpuProcess(pid=11, memory=5),
        GpuProcess(pid=42, memory=2000),
    )


def test_many_processes(nvml: Nvml, fake: FakeNvml) -> None:
    """A list of hundreds comes whole."""
    fake.set(gpu=0, processes=" ".join(f"{pid}:1" for pid in range(1, 301)))

    assert len(nvml.read().gpus[0].processes or ()) == 300


def test_traffic_is_told_only_when_it_is_asked_for(nvml: Nvml, fake: FakeNvml) -> None:
    """Bytes a second over PCIe, and over NVLink from the second read on."""
    fake.set(gpu=0, nvlink_sent=1000, nvlink_received=500)
    before = fake.calls()
    quiet = nvml.read().gpus[0]
    assert "nvmlDeviceGetPcieThroughput" not in fake.calls() - before
    nvml.close()
    clock = Time()
    asked = Nvml(monotonic=clock, pcie=True, nvlink=True)
    first = asked.read().gpus[0]
    fake.set(gpu=0, nvlink_sent=3000, nvlink_received=1500)
    clock.now += 2
    second = asked.read().gpus[0]
    fake.set(gpu=0, nvlink_sent=None)
    clock.now += 1
    third = asked.read().gpus[0]
    asked.close()

    assert (None, None, None) == (quiet.pcie_sent, quiet.pcie_received, quiet.nvlink)
    assert (1000 * 1024.0, 2000 * 1024.0) == (first.pcie_sent, first.pcie_received)
    assert [None, 3000 * 1024 / 2, None] == [first.nvlink, second.nvlink, third.nvlink]


def test_a_divided_gpu_comes_before_its_slices(nvml: Nvml, fake: FakeNvml) -> None:
    """Slices have their own memory and processes; how busy they are nobody can tell."""
    uuids = fake.divide(0, "3g.20gb", "1g.10gb")
    fake.set(gpu=0, slice=1, processes="42:1000", name="NVIDIA Fake GPU MIG 1g.10gb")

    whole, three, one, other = nvml.read().gpus

    assert [
        ("0", True, "", GPU),
        ("0:0", False, "3g.20gb", uuids[0]),
        ("0:1", False, "1g.10gb", uuids[1]),
        ("1", False, "", OTHER),
    ] == [(gpu.label, gpu.divided, gpu.mig, gpu.uuid) for gpu in (whole, three, one, other)]
    assert [None, None, None, 0.37] == [gpu.utilization for gpu in (whole, three, one, other)]
    assert (41, None) == (whole.temperature, one.temperature)
    assert (10 * 2**30, 20 * 2**30) == (one.memory_total, three.memory_total)
    assert [None, (), (GpuProcess(pid=42, memory=1000),)] == [
        gpu.processes for gpu in (whole, three, one)
    ]


@pytest.mark.parametrize(
    ("attributes", "profile"),
    [("1 1 4864", "1g.5gb"), ("3 3 19968", "3g.20gb"), ("3 1 19968", "1c.3g.20gb"), (None, "")],
)
def test_a_slice_whose_name_does_not_say_its_profile(
    nvml: Nvml, fake: FakeNvml, attributes: str | None, profile: str
) -> None:
    """It is made of what the slice has, as nvidia-smi does (these are of a GPU of 40 GB)."""
    fake.divide(0, "1g.5gb")
    fake.set(gpu=0, memory=f"0 {40536 * 2**20}")
    fake.set(gpu=0, slice=0, name="NVIDIA Fake GPU", attributes=attributes)

    assert nvml.read().gpus[1].mig == profile


def test_what_can_be_leased_of_a_divided_gpu_is_its_slices(nvml: Nvml, fake: FakeNvml) -> None:
    """Nobody is given the GPU as a whole, and a GPU with no slice yet is given to nobody."""
    uuids = fake.divide(0, "1g.10gb", "1g.10gb")
    fake.divide(1)

    assert Inventory(nvml.read).gpus() == tuple(
        GpuInfo(uuid=uuid, name="NVIDIA Fake GPU MIG 1g.10gb") for uuid in uuids
    )


def test_slices_come_and_go(fake: FakeNvml) -> None:
    """A GPU that is divided anew is seen within ten seconds; a slice that is gone at once."""
    clock = Time()
    nvml = Nvml(monotonic=clock)
    assert [gpu.label for gpu in nvml.read().gpus] == ["0", "1"]
    fake.divide(0, "1g.10gb", "2g.20gb")
    clock.now += 10
    assert [gpu.label for gpu in nvml.read().gpus] == ["0", "0:0", "0:1", "1"]
    fake.set(gpu=0, slice=0, uuid=None, error=2)
    clock.now += 1
    gone = nvml.read().gpus[1]
    assert (gone.condition, gone.memory_used) == (GpuCondition.FAILED, None)
    clock.now += 1
    report = nvml.read()
    nvml.close()

    assert [gpu.label for gpu in report.gpus] == ["0", "0:1", "1"]
    assert report.state is GpuState.OK


def test_the_slices_of_a_lost_gpu_are_lost(nvml: Nvml, fake: FakeNvml) -> None:
    """They are shown with what happened to their GPU, and the other GPU lives."""
    fake.divide(0, "1g.10gb")
    nvml.read()
    fake.set(gpu=0, error=FakeNvml.GPU_IS_LOST)

    lost, slice, other = nvml.read().gpus

    conditions = [gpu.condition for gpu in (lost, slice, other)]
    assert [GpuCondition.LOST, GpuCondition.LOST, GpuCondition.OK] == conditions
    assert (True, "1g.10gb") == (lost.divided, slice.mig)
