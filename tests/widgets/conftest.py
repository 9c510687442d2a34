"""Views on a `MemoryBackend`, asked directly: what travels over HTTP is tested elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
import pytest

from dllab_hub.errors import DLLabError
from dllab_hub.job import Job
from dllab_hub.specs import Code, GpuReport, GpuState, Role, TrainingSpec
from dllab_hub.testing import MemoryBackend

OWNER = "ada"


class DirectClient:
    """The client's verbs on a backend in this process.

    Attributes:
        trouble: Raised by every verb while it is set.
        asked: How many verbs were called.
    """

    def __init__(self, backend: MemoryBackend) -> None:
        self.backend = backend
        self.trouble: DLLabError | None = None
        self.asked = 0
        self.report = GpuReport(state=GpuState.NO_GPU, message="no GPU here.", time=1.0)
        self.board: str | None = "/user/ada/tensorboard/"

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._ask()
            return asyncio.run(getattr(self.backend, verb)(OWNER, *args, **kwargs))

        return call

    def gpus(self) -> GpuReport:
        self._ask()
        return self.report

    def tensorboard_url(self) -> str | None:
        return self.board

    def _ask(self) -> None:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
def client() -> DirectClient:
    return DirectClient(MemoryBackend())


@pytest.fixture
def job(client: DirectClient) -> Job:
    """A running job of two workers."""
    spec = TrainingSpec(
        name="digits", image="here", code=Code(source="pass"), roles=(Role(replicas=2),)
    )
    return Job(client, client.submit(spec))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_widget_stays() -> Iterator[None]:
    yield
    ipywidgets.Widget.close_all()
