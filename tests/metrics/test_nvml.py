"""What NVML says becomes a report for people; the driver is a stub below the real pynvml."""

import subprocess
import sys

import pytest

from dllab_hub.metrics.nvml import Nvml
from dllab_hub.specs import Gpu, GpuReport, GpuState
from dllab_hub.testing.nvml import FakeNvml

UUIDS = tuple(f"GPU-00000000-0000-0000-0000-00000000000{i}" for i in range(2))
#: The calls a tick makes for one GPU; nothing that never changes is asked twice.
TICK = {
    "nvmlDeviceGetUtilizationRates": 1,
    "nvmlDeviceGetMemoryInfo": 1,
    "nvmlDeviceGetTemperature": 1,
    "nvmlDeviceGetPowerUsage": 1,
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
            power=71.5,
            power_limit=250.0,
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
    ],
)
def test_what_the_driver_does_not_tell_is_none(
    nvml: Nvml, fake: FakeNvml, value: str, fields: list[str]
) -> None:
    """An unsupported value is None, never 0, and costs no other value."""
    fake.set(gpu=0, **{value: None})

    wire = nvml.read().gpus[0].to_wire()

    assert {name for name, told in wire.items() if told in (None, "")} == {
        "error",
        "holder",
        *fields,
    }


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
    assert (report.gpus[1].utilization, report.gpus[1].error) == (1.0, "")


@pytest.mark.parametrize(
    ("code", "words"),
    [(4, "may not read"), (15, "fell off"), (16, "reset"), (17, "may not"), (999, "Unknown Error")],
)
def test_a_gpu_that_cannot_be_opened_is_listed(
    nvml: Nvml, fake: FakeNvml, code: int, words: str
) -> None:
    """A GPU that fails from the start is shown with its sentence, not left out."""
    fake.set(gpu=1, error=code)

    gpus = nvml.read().gpus

    assert [gpu.index for gpu in gpus] == [0, 1]
    assert words in gpus[1].error
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


def test_a_tick_asks_only_what_changes(nvml: Nvml, fake: FakeNvml) -> None:
    """Four calls for each GPU; names, limits and handles are read once."""
    fake.set(memory_v2=0)  # Its missing version is not counted as a call by the stub.
    nvml.read()
    before = fake.calls()
    nvml.read()

    assert {name: 2 * count for name, count in TICK.items()} == dict(fake.calls() - before)


def test_other_processes_see_the_fake_too(fake: FakeNvml) -> None:
    """``LD_LIBRARY_PATH`` is all a new process needs, and it follows every change."""
    code = "from dllab_hub.metrics.nvml import inventory; print(*inventory())"
    fake.set(gpus=1)
    done = subprocess.run(
        [sys.executable, "-c", code], env=fake.env, capture_output=True, text=True, check=True
    )

    assert UUIDS[0] == done.stdout.strip()
