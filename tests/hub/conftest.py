"""The hub that these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_hub import RunningHub, hub_with_gpus


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub in single-user mode for all tests, on a machine with two fake GPUs."""
    with hub_with_gpus(tmp_path_factory.mktemp("hub")) as running:
        yield running
