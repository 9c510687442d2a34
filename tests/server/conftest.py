"""The two hosts of the routes, each with jobs in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count as _count
from pathlib import Path

import pytest
from served import ONNX, Host, Loop, StubHub, jupyter_host, running_loop, service_host, stub_hub
from service_process import Start, starting

from dllab_hub.client import Client
from dllab_hub.shim.ports import free_port

_NUMBERS = _count(1)


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    """An event loop in a thread, for everything that is served from this process."""
    with running_loop() as loop:
        yield loop


@pytest.fixture(scope="session")
def a_hub(loop: Loop) -> Iterator[StubHub]:
    """A stub that knows tokens; see `StubHub` for what it does not prove."""
    with stub_hub(loop) as hub:
        yield hub


@pytest.fixture(scope="session")
def service(loop: Loop, a_hub: StubHub) -> Iterator[Host]:
    """The lab service."""
    with service_host(loop, a_hub) as host:
        yield host


@pytest.fixture(scope="session")
def jupyter(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A Jupyter server with the extension."""
    home = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DLLAB_API_URL", raising=False)
        patch.setenv("DLLAB_HOME", str(home / "state"))
        with jupyter_host(loop, home) as host:
            yield host


@pytest.fixture(params=["service", "jupyter"])
def host(request: pytest.FixtureRequest) -> Host:
    """Each of the two."""
    found: Host = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def count():
    """How many jobs there are, of everybody."""
    return lambda host: len(host.backend._records)


@pytest.fixture
def wish():
    """Makes the JSON of a wish."""

    def make(**more):
        code = {"source": "print('hello')"}
        return {"name": "digits", "image": "here", "code": code, **more}

    return make


@pytest.fixture
def a_job(host: Host, wish) -> str:
    """Id of a running job."""
    answer = host.ask("POST", "jobs", json=wish())
    assert answer.status_code == 201
    return str(answer.json()["id"])


@pytest.fixture
def a_name() -> str:
    """A name that no other test has."""
    return f"model-{next(_NUMBERS)}"


@pytest.fixture
def publish():
    """Publishes a model's next version as a person does; its answer."""

    def publish(host: Host, name: str, data: bytes = ONNX, **more):
        headers = {"Content-Type": "application/octet-stream"}
        return host.ask("POST", f"models/{name}/versions", content=data, headers=headers, **more)

    return publish


@pytest.fixture
def a_model(host: Host, publish, a_name: str) -> str:
    """Name of a model of ada's with one version."""
    assert publish(host, a_name).status_code == 201
    return a_name


@pytest.fixture
def a_deployment(host: Host, a_model: str) -> str:
    """Name of a deployment of ada's of that model, with two replicas; the model's name too."""
    wish = {"name": a_model, "model": a_model, "replicas": 2}
    assert host.ask("POST", "deployments", json=wish).status_code == 201
    return a_model


@pytest.fixture
def port() -> int:
    """A port that nobody has."""
    return free_port()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the services that are started say."""
    return tmp_path / "log"


@pytest.fixture
def start(tmp_path: Path, log: Path, port: int, a_hub: StubHub) -> Iterator[Start]:
    """Starts the service in a process of its own; see `starting`."""
    with starting(tmp_path, log, port, a_hub) as start:
        yield start


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    """Ada's, of the service that was started."""
    client = Client(f"http://127.0.0.1:{port}/services/dllab/dllab/api/", "ada-token")
    yield client
    client.close()
