"""What NVML says becomes a report for people; the driver is a stub below the real pynvml."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from dllab_hub.metrics.nvml import Nvml
from dllab_hub.specs import Gpu, GpuCondition, GpuReport, GpuState
from dllab_hub.testing.nvml import FakeNvml

UUIDS = tuple(f"GPU-00000000-0000-0000-0000-00000000000{i}" for i in range(2))
#: The calls of a read for one GPU, and those that come with it every 5 and every 10 seconds.
TICK = {
    "nvmlDeviceGetUtilizationRates": 1,
    "nvmlDeviceGetMemoryInfo": 1,
    "nvmlDeviceGetTemperature": 1,
    "nvmlDeviceGetPowerUsage": 1,
}
DETAILS = {
    "nvmlDeviceGetClockInfo": 2,
    "nvmlDeviceGetCurrentClocksEventReasons": 1,
    "nvmlDeviceGetComputeRunningProcesses_v3": 1,
    "nvmlDeviceGetGraphicsRunningProcesses_v3": 1,
    "nvmlDeviceGetMPSComputeRunningProcesses_v3": 1,
}
HEALTH = {
    "nvmlDeviceGetTotalEccErrors": 2,
    "nvmlDeviceGetRemappedRows": 1,
    "nvmlDeviceGetFieldValues": 1,
    "nvmlDeviceGetEnforcedPowerLimit": 1,
    "nvmlDeviceGetMigMode": 1,
}


class Time:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_values_arrive_in_the_units_of_the_specs(nvml: Nvml) -> None:
    """Shares, bytes, degrees Celsius and watts, whatever NVML counts in."""
    report = nvml.read()

    assert (
        report.state,
        report.message,
        report.hint,
        report.driver,
    ) == (GpuState.OK, "", "", "575.64.03")
    assert report == GpuReport.from_wire(report.to_wire())
    assert (
        Gpu(
            index=1,
            uuid=UUIDS[1],
            name="NVIDIA Fake GPU",
            utilization=0.37,
            memory_used=3 * 2**30 - 512 * 2**20,
            memory_total=16 * 2**30,
            temperature=41,
            temperature_slowdown=90,
            temperature_shutdown=95,
            power=71.5,
            power_limit=250.0,
            clock=1.41e9,
            memory_clock=1.215e9,
            throttle=(),
            ecc_corrected=0,
            ecc_uncorrected=0,
            remap_failed=False,
            recovery=0,
            processes=(),
        )
        == report.gpus[1]
    )


@pytest.mark.parametrize(
    ("code", "state", "words", "todo"),
    [
        (4, GpuState.NOT_PERMITTED, "may not read", "administrator"),
        (9, GpuState.NO_GPU, "not loaded", "nvidia-smi"),
        (10, GpuState.FAILED, "did not answer in time", "nvidia-smi"),
        (12, GpuState.NO_LIBRARY, "no NVIDIA driver", ""),
        (13, GpuState.FAILED, "too old", "Update"),
        (15, GpuState.FAILED, "fell off the bus", "Restart"),
        (17, GpuState.NOT_PERMITTED, "may not read", "administrator"),
        (18, GpuState.DRIVER_MISMATCH, "was updated", "Restart the machine."),
        (28, GpuState.NO_GPU, "no NVIDIA GPU", ""),
        (999, GpuState.FAILED, "Unknown Error", "nvidia-smi"),
    ],
)
def test_every_failure_of_the_driver_has_its_sentence(
    nvml: Nvml, fake: FakeNvml, code: int, state: GpuState, words: str, todo: str
) -> None:
    """A driver that cannot be opened is a state with a sentence and what to do, and no GPUs."""
    fake.set(init_error=code)

    report = nvml.read()

    assert (state, (), "") == (report.state, report.gpus, report.driver)
    assert words in report.message
    assert report.message.endswith(".")
    assert todo in report.hint
    assert bool(todo) == bool(report.hint)


def test_a_machine_without_gpus_says_so(nvml: Nvml, fake: FakeNvml) -> None:
    """A driver that counts none is the state NO_GPU."""
    fake.set(gpus=0)

    report = nvml.read()

    assert (report.state, report.message) == (GpuState.NO_GPU, "This machine has no NVIDIA GPU.")


def test_a_machine_without_a_driver_says_so() -> None:
    """Without the library there is nothing to show and nothing to do."""
    code = (
        "import ctypes, sys\n"
        "real = ctypes.CDLL.__init__\n"
        "def missing(self, name, *args, **kwargs):\n"  # As on a machine without the driver.
        "    if name and 'nvidia' in str(name): raise OSError(name)\n"
        "    real(self, name, *args, **kwargs)\n"
        "ctypes.CDLL.__init__ = missing\n"
        "from dllab_hub.metrics import nvml\n"
        "assert 'pynvml' not in sys.modules\n"
        "print(nvml.read().state, nvml.read().message, nvml.inventory())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (
        done.stdout
        == "no_library This machine has no NVIDIA driver, so there are no GPUs to show. ()\n"
    )


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("utilization", ["utilization"]),
        ("memory", ["memory_used", "memory_total"]),
        ("temperature", ["temperature"]),
        ("power", ["power"]),
        ("slowdown", ["temperature_slowdown"]),
        ("power_limit", ["power_limit"]),
        ("shutdown", ["temperature_shutdown"]),
        ("clock", ["clock"]),
        ("memory_clock", ["memory_clock"]),
        ("throttle", ["throttle"]),
        ("ecc", ["ecc_corrected", "ecc_uncorrected"]),
        ("remapped", ["remap_failed"]),
        ("recovery", ["recovery"]),
        ("events", []),
    ],
)
def test_what_the_driver_does_not_tell_is_none(
    nvml: Nvml, fake: FakeNvml, value: str, fields: list[str]
) -> None:
    """An unsupported value is None, never 0, and costs no other value."""
    fake.set(gpu=0, **{value: None})

    silent, whole = nvml.read().gpus

    unlike = {"index": 1, "uuid": whole.uuid}
    assert whole == silent.model_copy(
        update={**unlike, **{name: getattr(whole, name) for name in fields}}
    )
    assert {None} >= {getattr(silent, name) for name in fields}


def test_processes_that_the_driver_does_not_tell(nvml: Nvml, fake: FakeNvml) -> None:
    """Only when none of the three lists is told it is unknown who uses the GPU."""
    for gpu, lists in enumerate((("graphics", "mps"), ("processes", "graphics", "mps"))):
        fake.set(gpu=gpu, **dict.fromkeys(lists))

    assert [(), None] == [gpu.processes for gpu in nvml.read().gpus]


def test_an_older_driver_still_tells_the_memory(nvml: Nvml, fake: FakeNvml) -> None:
    """Without the second version of the memory call the first one is used."""
    fake.set(memory_v2=0)

    assert nvml.read().gpus[0].memory_used == 3 * 2**30


def test_one_lost_gpu_leaves_the_others_alive(nvml: Nvml, fake: FakeNvml) -> None:
    """The lost one keeps its name and says what happened; the other still has values."""
    nvml.read()
    fake.set(gpu=0, error=FakeNvml.GPU_IS_LOST)
    fake.set(gpu=1, utilization=100)

    report = nvml.read()

    assert (report.state, report.message) == (GpuState.OK, "")
    assert (UUIDS[0], "NVIDIA Fake GPU", None) == (
        report.gpus[0].uuid,
        report.gpus[0].name,
        report.gpus[0].utilization,
    )
    assert "fell off the bus" in report.gpus[0].error
    assert (GpuCondition.LOST, GpuCondition.OK) == tuple(gpu.condition for gpu in report.gpus)
    assert (report.gpus[1].utilization, report.gpus[1].error) == (1.0, "")


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize(
    ("code", "condition", "words", "todo"),
    [
        (4, GpuCondition.NOT_PERMITTED, "may not read", "Ask the administrator"),
        (15, GpuCondition.LOST, "fell off", "Restart the machine"),
        (16, GpuCondition.RESET_REQUIRED, "has to be reset", "nvidia-smi --gpu-reset"),
        (17, GpuCondition.NOT_PERMITTED, "may not read", "Ask the administrator"),
        (999, GpuCondition.FAILED, "Unknown Error", "Run nvidia-smi"),
    ],
)
def test_a_gpu_that_cannot_be_read_is_listed(
    nvml: Nvml,
    fake: FakeNvml,
    is_open: bool,
    code: int,
    condition: GpuCondition,
    words: str,
    todo: str,
) -> None:
    """A GPU that fails, from the start or later, is shown with what is wrong and what to do."""
    if is_open:
        nvml.read()
    fake.set(gpu=1, error=code)

    gpus = nvml.read().gpus

    assert [gpu.index for gpu in gpus] == [0, 1]
    assert gpus[1].condition is condition
    assert words in gpus[1].error
    assert todo in gpus[1].error
    assert (None, None) == (gpus[1].utilization, gpus[1].processes)
    assert gpus[0].error == ""


def test_a_lost_gpu_comes_back_after_a_reset(fake: FakeNvml) -> None:
    """NVML is opened again within a minute, so a reset needs no restart of ours."""
    clock = Time()
    nvml = Nvml(monotonic=clock)
    fake.set(gpu=1, error=FakeNvml.GPU_IS_LOST)
    assert nvml.read().gpus[1].error
    fake.set(gpu=1, error=0)
    clock.now += 61
    nvml.read()

    report = nvml.read()
    nvml.close()

    assert ("", UUIDS[1], 0.37) == (
        report.gpus[1].error,
        report.gpus[1].uuid,
        report.gpus[1].utilization,
    )


def test_a_driver_that_was_loaded_again_costs_no_tick(nvml: Nvml, fake: FakeNvml) -> None:
    """A session that ended is begun again within the same read."""
    nvml.read()
    fake.set(driver_loads=1, driver="580.00")

    report = nvml.read()

    assert (report.state, report.driver, len(report.gpus)) == (GpuState.OK, "580.00", 2)


def test_a_driver_that_comes_back_is_seen(nvml: Nvml, fake: FakeNvml) -> None:
    """Every failure ends by itself when its cause does."""
    nvml.read()
    states = []
    for code in (FakeNvml.DRIVER_MISMATCH, FakeNvml.NO_PERMISSION, FakeNvml.UNKNOWN, 0):
        fake.set(driver_loads=code + 1, init_error=code)
        states.append(nvml.read().state)

    assert states == [
        GpuState.DRIVER_MISMATCH,
        GpuState.NOT_PERMITTED,
        GpuState.FAILED,
        GpuState.OK,
    ]


def test_a_read_asks_only_what_changes(fake: FakeNvml) -> None:
    """Four calls for each GPU and one for all; the slower things every 5 and every 10 seconds."""
    clock = Time()
    nvml = Nvml(monotonic=clock)
    fake.set(memory_v2=0)  # Its missing version is not counted as a call by the stub.
    nvml.read()
    made = []
    for _ in range(20):
        clock.now += 1.01
        before = fake.calls()
        nvml.read()
        made.append(dict(fake.calls() - before))
    nvml.close()

    def both(*of: dict[str, int]) -> dict[str, int]:
        calls = {name: 2 * count for each in of for name, count in each.items()}
        return {**calls, "nvmlEventSetWait_v2": 1}

    often, sometimes = both(TICK, DETAILS), both(TICK, DETAILS, HEALTH)
    few = [both(TICK)] * 4
    assert made == [*few, often, *few, sometimes] * 2


def test_a_slow_driver_is_asked_for_one_gpu_after_the_other(fake: FakeNvml) -> None:
    """What is needed at once is read of all; the rest of as many as there is time for."""
    fake.set(delay_ms=40)
    nvml = Nvml()
    reports = [nvml.read() for _ in range(2)]
    nvml.close()

    loads = [[gpu.utilization for gpu in report.gpus] for report in reports]
    clocks = [[gpu.clock for gpu in report.gpus] for report in reports]
    assert [[0.37, 0.37]] * 2 == loads
    assert [[1.41e9, None], [1.41e9, 1.41e9]] == clocks


def test_no_gpu_of_a_slow_driver_is_left_out(tmp_path: Path) -> None:
    """Of 8 GPUs, with a driver that takes 20 ms for a call, all tell everything after 8 reads."""
    fake = FakeNvml.build(tmp_path / "eight", 8)
    fake.set(delay_ms=2)
    with fake.loaded():
        nvml = Nvml(monotonic=lambda: 10 * time.monotonic())
        reports = [nvml.read() for _ in range(8)]
        nvml.close()

    assert {tuple(range(8))} == {tuple(gpu.index for gpu in report.gpus) for report in reports}
    assert {0.37} == {gpu.utilization for report in reports for gpu in report.gpus}
    assert None in [gpu.clock for gpu in reports[0].gpus]
    told = [(g.clock, g.throttle, g.ecc_uncorrected, g.processes) for g in reports[-1].gpus]
    assert [(1.41e9, (), 0, ())] * 8 == told


def test_other_processes_see_the_fake_too(fake: FakeNvml) -> None:
    """``LD_LIBRARY_PATH`` is all a new process needs, and it follows every change."""
    code = "from dllab_hub.metrics.nvml import inventory; print(*inventory())"
    fake.set(gpus=1)
    done = subprocess.run(
        [sys.executable, "-c", code], env=fake.env, capture_output=True, text=True, check=True
    )

    assert UUIDS[0] == done.stdout.strip()
