"""Views on a `MemoryBackend`, asked directly: what travels over HTTP is tested elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
from served import ONNX

from dllab_hub.deployed import Deployed
from dllab_hub.deploying import deploy_file
from dllab_hub.errors import DLLabError
from dllab_hub.job import Job
from dllab_hub.specs import (
    Annotation,
    Code,
    GpuReport,
    GpuState,
    JobFilter,
    Role,
    TrainingJob,
    TrainingSpec,
)
from dllab_hub.specs.model import ModelFacts
from dllab_hub.testing import MemoryBackend

OWNER = "ada"

#: Verbs of the client about models -> verbs of the backend's serving.
_SERVING = {
    "publish": "publish",
    "deploy": "deploy",
    "deployment": "get",
    "deployments": "list",
    "deployment_logs": "logs",
    "scale": "scale",
    "canary": "canary",
    "promote": "promote",
    "rollback": "rollback",
    "delete": "delete",
}


#: Verbs of the client about what is known of jobs -> the part of the backend that knows it.
_PARTS = {"curves": "insight", "stacks": "insight", "record": "history", "compare": "history"}


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
            if verb == "compare":
                args = (args,)
            if verb == "publish":
                said = {key: value for key, value in kwargs.items() if value}
                kwargs = {"facts": ModelFacts(**said)} if said else {}
            if verb == "list":
                where = {k: kwargs.pop(k) for k in list(kwargs) if k in JobFilter.model_fields}
                kwargs["where"] = JobFilter(**where)
            place: Any = self.backend.serving if verb in _SERVING else self.backend
            place = getattr(self.backend, _PARTS[verb]) if verb in _PARTS else place
            return asyncio.run(getattr(place, _SERVING.get(verb, verb))(OWNER, *args, **kwargs))

        return call

    def annotate(self, id: str, **notes: Any) -> TrainingJob:
        """As the server does it."""
        self._ask()
        return asyncio.run(self.backend.history.annotate(OWNER, id, Annotation(**notes)))

    def rerun(self, id: str, **changes: Any) -> TrainingJob:
        """As the server does it."""
        self._ask()
        spec = asyncio.run(self.backend.respec(OWNER, id, changes))
        return asyncio.run(self.backend.submit(OWNER, spec))

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


@pytest.fixture
def deployed(client: DirectClient, tmp_path: Path) -> Deployed:
    """A deployment of two replicas."""
    file = tmp_path / "net.onnx"
    file.write_bytes(ONNX)
    return deploy_file(client, file, "digits", 2)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_widget_stays() -> Iterator[None]:
    yield
    ipywidgets.Widget.close_all()
