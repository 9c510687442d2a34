"""Machines to hurt: see `fault_machine`, and README.md for where each fault is covered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_machine import Machine, machine_of
from stub_hub import StubHub, running_loop, stub_hub


@pytest.fixture(scope="session")
def a_hub() -> Iterator[StubHub]:
    """A hub that knows tokens."""
    with running_loop() as loop, stub_hub(loop) as hub:
        yield hub


@pytest.fixture
def machine(tmp_path: Path, a_hub: StubHub) -> Iterator[Machine]:
    """A machine of the test's own; its service is not started yet."""
    with machine_of(tmp_path / "machine", a_hub) as made:
        yield made


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, a_hub: StubHub) -> Iterator[Machine]:
    """A machine whose service runs and is left in peace: for tests that hurt only their jobs."""
    with machine_of(tmp_path_factory.mktemp("shared") / "machine", a_hub) as made:
        made.start()
        yield made
