"""The hub that these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_hub import GPUS, RunningHub, environment_with_images, marked, write_state

from dllab_hub.testing.nvml import FakeNvml


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub in single-user mode for all tests, on a machine with two fake GPUs."""
    tmp = tmp_path_factory.mktemp("hub")
    (tmp / "volume").mkdir()
    write_state(tmp / "state", tmp / "volume")
    fake = FakeNvml.build(tmp / "nvml", gpus=GPUS)
    running = RunningHub(tmp / "state", {**environment_with_images(tmp), **fake.env})
    running.start()
    yield running
    running.stop()
    assert [] == marked(f"DLLAB_HOME={tmp / 'state'}"), "processes are left over"
