"""What every test shares: a clean environment, and the interpreter of the PyTorch image."""

from __future__ import annotations

import os

import pytest

from dllab_hub import images
from dllab_hub.state import StateDir


def pytest_configure() -> None:
    """``DLLAB_TEST_PYTHON``: the interpreter with torch, of the environment that is built."""
    if "DLLAB_TEST_PYTHON" not in os.environ:
        for env in images.find(StateDir.default()):
            if env.image.name == "pytorch" and env.ready:
                os.environ["DLLAB_TEST_PYTHON"] = str(env.python)


@pytest.fixture(autouse=True)
def _no_lab_around_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run the same inside a lab and outside."""
    for name in list(os.environ):
        if name.startswith(("JUPYTERHUB_", "DLLAB_")) and name not in {
            "DLLAB_TEST_PYTHON",
            "DLLAB_ENVS",
        }:
            monkeypatch.delenv(name)
