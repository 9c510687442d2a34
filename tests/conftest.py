"""What every test shares: a clean environment, the interpreters of the images, small models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from onnx_files import write_models

from dllab_hub import images
from dllab_hub.state import StateDir

#: Variable -> the image whose interpreter it names: with torch, and with KServe.
_PYTHONS = {"DLLAB_TEST_PYTHON": "pytorch", "DLLAB_TEST_SERVER": "serving"}


def pytest_configure() -> None:
    """Name the interpreters of the environments that are built, unless somebody else has."""
    built = {env.image.name: env.python for env in images.find(StateDir.default()) if env.ready}
    for name, image in _PYTHONS.items():
        if name not in os.environ and image in built:
            os.environ[name] = str(built[image])


@pytest.fixture(scope="session")
def onnx_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files of `onnx_files`, such as ``net.onnx``; read them only."""
    folder = tmp_path_factory.mktemp("onnx")
    write_models(folder)
    return folder


@pytest.fixture(autouse=True)
def _no_lab_around_the_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests run the same inside a lab and outside, and after one that loads a hub's settings."""
    for name in _of_a_lab():
        monkeypatch.delenv(name)
    yield
    for name in _of_a_lab():
        del os.environ[name]


def _of_a_lab() -> list[str]:
    kept = {*_PYTHONS, "DLLAB_ENVS"}
    named = [name for name in os.environ if name.startswith(("JUPYTERHUB_", "DLLAB_"))]
    return [name for name in named if name not in kept]
