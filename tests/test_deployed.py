"""The handle of a deployment, against a real server with models in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from served import ONNX, Host, lab_host

from dllab_hub import Client
from dllab_hub.deployed import Deployed
from dllab_hub.deploying import deploy_file, deploy_model
from dllab_hub.errors import Conflict, InvalidRequest, NotFound, Unavailable
from dllab_hub.specs import Autoscale, DeploymentState


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A lab service."""
    with lab_host() as host:
        yield host


@pytest.fixture
def client(host: Host) -> Iterator[Client]:
    with closing(Client(host.url, host.token)) as client:
        yield client


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    file = tmp_path / "net.onnx"
    file.write_bytes(ONNX)
    return file


@pytest.fixture
def deployed(client: Client, onnx: Path) -> Deployed:
    """Two replicas that answer."""
    return deploy_file(client, onnx, "digits", 2)


def soon(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=lambda: (time.sleep(0.3), act()), daemon=True)
    thread.start()
    return thread


def test_the_handle(host: Host, deployed: Deployed) -> None:
    """What it says is what is so now; what it does is done."""
    assert ("digits", "/services/dllab/serve/ada/digits/") == (deployed.name, deployed.url)
    assert (DeploymentState.READY, 2) == (deployed.state, deployed.ready)
    assert [[1.0]] == list(map(list, deployed.predict([[1.0]])))
    newest = deployed.scale(3).replicas[-1].name
    host.backend.serving.write_log("ada", "digits", newest, "one\ntwo\n")
    assert "two\n" == deployed.logs(lines=1)
    assert deployed.logs(newest).endswith("serves digits.\none\ntwo\n")
    assert "" == deployed.logs("balancer")
    assert "Scaled" in [event.reason for event in deployed.events()]
    assert repr(deployed).startswith("digits  READY\n  version ")
    deployed.delete()
    with pytest.raises(NotFound):
        _ = deployed.state


def test_a_canary(client: Client, deployed: Deployed, onnx: Path) -> None:
    """The handle starts one, asks both versions, and ends it in either way; it returns itself."""
    newest, before = client.publish("digits", onnx).version, deployed.info.version
    assert deployed is deployed.canary(newest, 0, replicas=2, max_errors=None, max_slowdown=3)
    canary = deployed.info.canary
    assert canary is not None
    assert (newest, 0, 2, None, 3) == (
        canary.version, canary.percent, canary.replicas, canary.max_errors, canary.max_slowdown,
    )  # fmt: skip
    assert [[1.0]] == deployed.predict([[1.0]], version=newest).tolist()
    assert [0, 1] == [each.requests for each in deployed.refresh().info.versions][-2:]
    assert f"version {newest} (canary)  0%" in repr(deployed)
    assert (newest, None) == ((now := deployed.promote().info).version, now.canary)
    assert f"version {before} was before; a rollback brings it back" in repr(deployed)
    assert before == deployed.rollback().info.version
    with pytest.raises(Conflict):
        deployed.promote()
    with pytest.raises(InvalidRequest, match="percent"):
        deployed.canary(newest, percent=100)


def test_bounds(client: Client, onnx: Path) -> None:
    """A file and a model are deployed with bounds; by hand only numbers between them are taken."""
    bounds = Autoscale(min=0, max=3)
    deployed = deploy_file(client, onnx, "bounded", 1, bounds)
    assert bounds == deploy_model(client, "bounded", None, 2, bounds).info.spec.autoscale

    assert "scales from 0 to 3" in repr(deployed.refresh())
    assert 3 == deployed.scale(3).info.wished
    with pytest.raises(InvalidRequest, match="from 0 to 3"):
        deployed.scale(4)


def test_waiting_for_what_sleeps(
    host: Host, deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deployment without replicas is as ready as it will be until somebody asks."""
    host.backend.serving.idle("ada", "digits")

    assert deployed is deployed.wait(5)
    said = "digits: IDLE, 0 of 0 ready (no replica: the next request starts one.)\n"
    assert said == capsys.readouterr().out
    deployed.predict([[1]])
    assert (DeploymentState.READY, 1) == (deployed.state, deployed.ready)


def test_a_long_log(host: Host, deployed: Deployed) -> None:
    """A log of more than one piece comes whole, and its end without all of it."""
    text = "".join(f"line {i} ä\n" for i in range(60_000))
    host.backend.serving.write_log("ada", "digits", deployed.replicas[0].name, text)
    name = deployed.replicas[0].name

    assert deployed.logs(name).endswith(text)
    assert "line 59998 ä\nline 59999 ä\n" == deployed.logs(name, lines=2)


def test_waiting(host: Host, deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    """Waiting says each change once and returns the handle when all replicas answer."""
    serving = host.backend.serving
    serving._record("ada", "digits").change(  # Half way: the first replica is there.
        DeploymentState.DEGRADED, deployed.replicas[0].state
    )
    thread = soon(lambda: serving.recover("ada", "digits"))

    assert deployed is deployed.wait(20)
    thread.join()
    assert ["digits: DEGRADED, 2 of 2 ready", "digits: READY, 2 of 2 ready"] == (
        capsys.readouterr().out.splitlines()
    )


def test_waiting_for_what_fails(host: Host, deployed: Deployed) -> None:
    """A deployment that failed ends the wait with its reason."""
    host.backend.serving.fail("ada", "digits", "replica-1 ended with exit code 1.")

    with pytest.raises(Unavailable, match=r"digits failed: replica-1 ended") as caught:
        deployed.wait(show=False)
    assert "logs()" in caught.value.hint


def test_waiting_has_an_end(host: Host, deployed: Deployed) -> None:
    """A deployment that is not ready after the time is left alone."""
    serving = host.backend.serving
    serving._record("ada", "digits").change(DeploymentState.STARTING, deployed.replicas[0].state)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"digits is STARTING after 0\.3 s"):
        deployed.wait(0.3, show=False)
    assert 0.3 <= time.monotonic() - began < 3


def test_waiting_survives_the_service(
    client: Client, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is being restarted is waited for."""
    ask, fails = client.deployment, iter([True, True, False])

    def flaky(name: str) -> object:
        if next(fails):
            raise Unavailable("gone for a moment.")
        return ask(name)

    monkeypatch.setattr(client, "deployment", flaky)

    assert deployed is deployed.wait(20, show=False)


def test_a_published_model(client: Client, deployed: Deployed, onnx: Path) -> None:
    """``MODEL`` is the newest version, ``MODEL:2`` the second; the deployment may have a name."""
    newest = client.publish("digits", onnx).version

    assert ("digits", newest) == (
        (plain := deploy_model(client, "digits", None, 1).info).name, plain.version,
    )  # fmt: skip
    old = deploy_model(client, "digits:1", "old", 2).info
    assert ("old", 1, 2) == (old.name, old.version, old.spec.replicas)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nothing", "you have no model nothing"),
        ("digits:", "'' is no version"),
        ("digits:²", "is no version"),
        ("digits:-1", "is no version"),
        ("digits:0", "version"),
        ("digits:99", "versions"),
        (":1", "a name has"),
        ("../x", "a name has"),
    ],
)
def test_words_that_are_no_model(
    client: Client, deployed: Deployed, word: str, message: str
) -> None:
    """What names no model or version is refused in one sentence."""
    with pytest.raises(InvalidRequest, match=message):
        deploy_model(client, word, None, 1)
