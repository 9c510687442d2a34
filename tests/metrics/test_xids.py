"""Errors that the driver reports by itself are counted for each GPU and number."""

import logging

import pytest

from dllab_hub.metrics.nvml import Nvml
from dllab_hub.specs import GpuState
from dllab_hub.testing.nvml import FakeNvml


def _xids(nvml: Nvml) -> list[dict[int, int]]:
    return [gpu.xids for gpu in nvml.read().gpus]


def test_each_error_is_counted_once(nvml: Nvml, fake: FakeNvml) -> None:
    """From the first read on, for the GPU that has it, at the next read and not again."""
    fake.xid(0, 48)  # Before anybody watches.
    assert [{}, {}] == _xids(nvml)
    for gpu, number in ((0, 79), (1, 63), (0, 79)):
        fake.xid(gpu, number)

    assert [{79: 2}, {63: 1}] == _xids(nvml)
    assert [{79: 2}, {63: 1}] == _xids(nvml)


def test_counts_outlive_a_session(nvml: Nvml, fake: FakeNvml) -> None:
    """A driver that was loaded again makes nothing forgotten, and is watched again."""
    nvml.read()
    fake.xid(1, 63)
    nvml.read()
    fake.set(driver_loads=1)
    nvml.read()
    fake.xid(1, 63)

    assert [{}, {63: 2}] == _xids(nvml)


def test_a_lost_gpu_keeps_its_counts(nvml: Nvml, fake: FakeNvml) -> None:
    """The error that says why is in the same report as the loss."""
    nvml.read()
    fake.xid(0, 79)
    fake.set(gpu=0, error=FakeNvml.GPU_IS_LOST)

    gpu = nvml.read().gpus[0]

    assert ({79: 1}, True) == (gpu.xids, "fell off the bus" in gpu.error)


def test_a_driver_without_events(
    nvml: Nvml, fake: FakeNvml, caplog: pytest.LogCaptureFixture
) -> None:
    """There are no counts, nothing else is missing, and nothing is asked or said each second."""
    caplog.set_level(logging.DEBUG)
    fake.set(events=0)
    fake.set(gpu=0, events=None)
    first = nvml.read()
    before = fake.calls()
    second = nvml.read()

    assert (GpuState.OK, GpuState.OK) == (first.state, second.state)
    assert [{}, {}] == [gpu.xids for gpu in second.gpus]
    assert not [name for name in fake.calls() - before if "Event" in name]
    assert caplog.text == ""


def test_one_gpu_without_events(nvml: Nvml, fake: FakeNvml) -> None:
    """The other one is watched all the same."""
    fake.set(gpu=0, events=None)
    nvml.read()
    fake.xid(0, 79)
    fake.xid(1, 79)

    assert [{}, {79: 1}] == _xids(nvml)


def test_a_flood_of_errors(nvml: Nvml, fake: FakeNvml) -> None:
    """All of them are counted, however many came since the last read."""
    nvml.read()
    fake.set(xids=" ".join(["0:31"] * 500))

    assert [{31: 500}, {}] == _xids(nvml)
