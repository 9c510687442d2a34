"""Real model servers: shared ones by the name of their model, and ones of a test's own; launchers
of pods.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from launched import Launched
from replica import Replica


@pytest.fixture(scope="module")
def serve(onnx_models: Path) -> Iterator[Callable[[str], Replica]]:
    """The replica of a model, started when it is first asked for; all end with the module."""
    replicas: dict[str, Replica] = {}
    with tempfile.TemporaryDirectory() as root:  # The path of a socket must be short.

        def serve(name: str) -> Replica:
            if name not in replicas:
                folder = Path(root, name)
                folder.mkdir()
                replicas[name] = Replica(onnx_models / f"{name}.onnx", folder)
            return replicas[name].wait_ready()

        try:
            yield serve
        finally:
            for replica in replicas.values():
                replica.process.terminate()
            for replica in replicas.values():
                replica.end()


@pytest.fixture
def start(onnx_models: Path) -> Iterator[Callable[..., Replica]]:
    """Start a replica of a model; it ends with the test. Each uses the same socket."""
    replicas: list[Replica] = []
    with tempfile.TemporaryDirectory() as folder:

        def start(name: str, max_body: int = 0) -> Replica:
            replicas.append(Replica(onnx_models / f"{name}.onnx", Path(folder), max_body))
            return replicas[-1]

        try:
            yield start
        finally:
            for replica in replicas:
                replica.end()


@pytest.fixture
def launch() -> Iterator[Callable[..., Launched]]:
    """Start Python code in a pod; what still runs after the test is killed."""
    made: list[Launched] = []

    def launch(env: dict[str, str], code: str, **more: Any) -> Launched:
        made.append(Launched(env, code, **more))
        return made[-1]

    yield launch
    for one in made:
        one.process.kill()
        one.end()
