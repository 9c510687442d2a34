"""Which environments there are for trainings of real frameworks; ``make test-long`` builds them.

========== =================================== ==================================================
fixture    Python                              what it is
========== =================================== ==================================================
torch      DLLAB_TEST_PYTHON                   the image pytorch
tensorflow the image tensorflow
trainers   DLLAB_TEST_TRAINERS                 lightning, transformers and accelerate on top of
                                               the image pytorch
keras2     DLLAB_TEST_KERAS2                   tf_keras on top of the image tensorflow (without
                                               its dependency, another build of TensorFlow, which
                                               would overwrite that one)
========== =================================== ==================================================
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from killed_training import Trainings, trainings

import dllab_hub
from dllab_hub import images
from dllab_hub.state import StateDir

SCRIPTS = Path(__file__).with_name("scripts")
#: Read before every test is rid of the variables of a lab.
_GIVEN = {name: os.environ.get(f"DLLAB_TEST_{name}", "") for name in ("TRAINERS", "KERAS2")}
_BUILT = {env.image.name: str(env.python) for env in images.find(StateDir.default()) if env.ready}


def _needs(python: str, what: str) -> str:
    if not python:
        pytest.skip(f"needs {what}")
    return python


def _start(
    root: Path, python: str, monkeypatch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[Trainings]:
    # Jobs import this checkout, whichever package their image has.
    monkeypatch.setenv("PYTHONPATH", str(Path(dllab_hub.__file__).parents[1]))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    return trainings(root, python, SCRIPTS)


@pytest.fixture
async def torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trainings]:
    python = _needs(os.environ.get("DLLAB_TEST_PYTHON", ""), "the image pytorch: make test")
    async with _start(tmp_path / "s", python, monkeypatch) as made:
        yield made


@pytest.fixture
async def tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trainings]:
    python = _needs(_BUILT.get("tensorflow", ""), "the image: dllab env build tensorflow")
    async with _start(tmp_path / "s", python, monkeypatch) as made:
        yield made


@pytest.fixture
async def trainers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trainings]:
    what = "DLLAB_TEST_TRAINERS: a Python with torch, lightning, transformers and accelerate"
    async with _start(tmp_path / "s", _needs(_GIVEN["TRAINERS"], what), monkeypatch) as made:
        yield made


@pytest.fixture
async def keras2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trainings]:
    what = "DLLAB_TEST_KERAS2: a Python with tensorflow and tf_keras"
    async with _start(tmp_path / "s", _needs(_GIVEN["KERAS2"], what), monkeypatch) as made:
        yield made
