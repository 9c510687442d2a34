"""A backend whose jobs run in the Python with PyTorch, and import this checkout."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from killed_training import Trainings, trainings

import dllab_hub


@pytest.fixture
async def ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trainings]:
    """Submits scripts beside this file."""
    python = os.environ.get("DLLAB_TEST_PYTHON", "")
    if not python:
        pytest.skip("needs the image pytorch: make test")
    monkeypatch.setenv("PYTHONPATH", str(Path(dllab_hub.__file__).parents[1]))
    folder = Path(__file__).with_name("scripts")
    async with trainings(tmp_path / "state", python, folder) as made:
        yield made
