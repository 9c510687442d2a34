"""GPUs for machines that have none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dllab_hub.metrics.nvml import Nvml
from dllab_hub.testing.nvml import FakeNvml


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeNvml]:
    """Two GPUs that this process sees through the real pynvml."""
    fake = FakeNvml.build(tmp_path / "nvml")
    with fake.loaded():
        yield fake
        fake.set(hang=0)  # Threads of the test come home before the next one.


@pytest.fixture
def nvml(fake: FakeNvml) -> Iterator[Nvml]:
    """A session of its own with them."""
    nvml = Nvml()
    yield nvml
    fake.set(hang=0)
    nvml.close()
