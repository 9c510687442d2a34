"""The same against NVIDIA's own library, while a GPU computes; compared with nvidia-smi."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from dllab_hub.metrics.inventory import Inventory
from dllab_hub.metrics.nvml import Nvml
from dllab_hub.metrics.processes import Processes
from dllab_hub.metrics.sampler import Sampler
from dllab_hub.specs import Gpu, GpuCondition, GpuReport, GpuState, Holder

pytestmark = pytest.mark.gpu

JOB = Holder(kind="job", owner="ada", name="digits", id="digits-bcdfghj")
MIB = 2**20
#: Says when it computes, and does until its input ends.
PRODUCT = """
import select, sys, torch
a = torch.rand(8192, 8192, device="cuda")
b = torch.rand(8192, 8192, device="cuda")
(a @ b).sum().item()
print("computing", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(20):
        c = a @ b
    torch.cuda.synchronize()
"""


def _smi(*fields: str) -> list[dict[str, str]]:
    """What nvidia-smi says of each GPU."""
    done = subprocess.run(
        ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    rows = csv.reader(done.stdout.splitlines(), skipinitialspace=True)
    return [dict(zip(fields, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def nvml() -> Iterator[Nvml]:
    """A session with the driver of this machine."""
    if shutil.which("nvidia-smi") is None:
        pytest.skip("this machine has no nvidia-smi")
    nvml = Nvml(pcie=True, nvlink=True)
    report = nvml.read()
    if not report.gpus:
        pytest.skip(f"no NVIDIA GPU can be read here: {report.message}")
    yield nvml
    nvml.close()


@pytest.fixture(scope="module")
def product(nvml: Nvml) -> Iterator[subprocess.Popen[str]]:
    """A process of a job that multiplies matrices on the first GPU."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch cannot use the GPU")
    process = subprocess.Popen(
        ["env", f"DLLAB_LEASE={JOB.id}", "DLLAB_ROLE=worker", "DLLAB_REPLICA=0",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID", sys.executable, "-c", PRODUCT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "computing\n"
    time.sleep(2)  # The driver's load is of the last second.
    yield process
    process.communicate("", timeout=60)


def _whole(report: GpuReport) -> list[Gpu]:
    return [gpu for gpu in report.gpus if gpu.slice is None]


def test_what_never_changes(nvml: Nvml) -> None:
    """Names, UUIDs, sizes and limits are those of nvidia-smi, to the letter."""
    said = _smi("index", "uuid", "name", "driver_version", "memory.total", "enforced.power.limit")
    report = nvml.read()

    assert report.state is GpuState.OK
    assert [(row["index"], row["uuid"], row["name"]) for row in said] == [
        (str(gpu.index), gpu.uuid, gpu.name) for gpu in _whole(report)
    ]
    for row, gpu in zip(said, _whole(report), strict=True):
        assert row["driver_version"] == report.driver
        assert gpu.condition is GpuCondition.OK
        assert gpu.memory_total is not None
        assert abs(gpu.memory_total / MIB - float(row["memory.total"])) < 2
        if row["enforced.power.limit"].replace(".", "").isdigit():
            assert gpu.power_limit is not None
            assert abs(gpu.power_limit - float(row["enforced.power.limit"])) < 1


def test_what_changes(nvml: Nvml, product: subprocess.Popen[str]) -> None:
    """While a GPU computes, load, memory, heat, power and clocks are about those of nvidia-smi."""
    fields = (
        *("utilization.gpu", "memory.used", "temperature.gpu", "power.draw"),
        *("clocks.sm", "clocks.mem"),
    )
    before, report, after = _smi(*fields)[0], nvml.read(), _smi(*fields)[0]
    gpu = _whole(report)[0]
    ours = {
        "utilization.gpu": None if gpu.utilization is None else gpu.utilization * 100,
        "memory.used": None if gpu.memory_used is None else gpu.memory_used / MIB,
        "temperature.gpu": gpu.temperature,
        "power.draw": gpu.power,
        "clocks.sm": None if gpu.clock is None else gpu.clock / 1e6,
        "clocks.mem": None if gpu.memory_clock is None else gpu.memory_clock / 1e6,
    }
    slack = {
        "utilization.gpu": 15.0, "memory.used": 64.0, "temperature.gpu": 5.0,
        "power.draw": 80.0, "clocks.sm": 150.0, "clocks.mem": 150.0,
    }  # fmt: skip

    for name, value in ours.items():
        if not before[name].replace(".", "").isdigit():
            assert value is None, f"nvidia-smi does not know {name}"
            continue
        low, high = sorted((float(before[name]), float(after[name])))
        assert value is not None, name
        assert low - slack[name] <= value <= high + slack[name], name
    if not gpu.divided:
        assert gpu.utilization is not None
        assert gpu.utilization > 0.5


def test_the_process_is_found(nvml: Nvml, product: subprocess.Popen[str]) -> None:
    """It is the job's, with its memory; or, in a container that is told no ids, nobody's."""
    time.sleep(5)  # Processes are asked for as often.
    report = nvml.read()
    gpu = _whole(report)[0]
    found = Processes().with_owners(report, {gpu.uuid: JOB}).gpus[0].processes

    if not found:
        pytest.skip("this driver lists no processes here, as in most containers")
    ours = [process for process in found if process.pid == product.pid]
    if not ours:
        assert all(process.holder is None for process in found)
        pytest.skip("the ids of processes are those of another namespace here")
    assert (ours[0].holder, ours[0].replica) == (JOB, "worker-0")
    assert ours[0].memory is None or ours[0].memory > 3 * 8192 * 8192 * 4


def test_nothing_else_is_made_up(nvml: Nvml) -> None:
    """What a healthy GPU says of itself is healthy, or not told."""
    for gpu in _whole(nvml.read()):
        assert gpu.recovery in {None, 0}
        assert gpu.remap_failed in {None, False}
        assert gpu.ecc_uncorrected in {None, 0}
        assert gpu.error == ""
        if gpu.temperature is not None and gpu.temperature_slowdown is not None:
            assert 0 < gpu.temperature < gpu.temperature_slowdown


def test_what_can_be_leased(nvml: Nvml) -> None:
    """The UUIDs that CUDA_VISIBLE_DEVICES takes: nvidia-smi lists the same."""
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True)
    listed = [line.rpartition("UUID: ")[2].rstrip(")") for line in done.stdout.splitlines()]
    divided = [gpu.uuid for gpu in nvml.read().gpus if gpu.divided]

    assert [uuid for uuid in listed if uuid not in divided] == list(Inventory(nvml.read)())


async def test_a_read_takes_little(nvml: Nvml) -> None:
    """A sample of the real driver, without PCIe, is there within a second."""
    plain = Nvml()
    sampler = Sampler(plain.read)
    await sampler.report()
    began = time.monotonic()
    report = await sampler.report()
    took = time.monotonic() - began
    sampler.close()
    plain.close()

    assert report.state is GpuState.OK
    assert took < 1
    assert sampler.errors == {}
