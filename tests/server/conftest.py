"""The two hosts of the routes, each with jobs in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from served import Host, Loop, StubHub, jupyter_host, running_loop, service_host, stub_hub


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
