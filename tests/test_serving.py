"""The half of `Client` about models, against a real server with models in memory."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from served import ONNX, Host, jupyter_host, lab_host, running_loop

from dllab_hub import Client, exchange
from dllab_hub import serving as serving_module
from dllab_hub.backends.calls import Call, Download, Reply
from dllab_hub.backends.serving import Serving
from dllab_hub.errors import Conflict, InvalidRequest, NotFound, TooLarge, Unavailable
from dllab_hub.specs import (
    Autoscale,
    Canary,
    DeploymentSpec,
    DeploymentState,
    ModelSource,
    Tensor,
)

SPEC = DeploymentSpec(name="digits", model="net", replicas=2)


@pytest.fixture
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
    """A file that the memory's serving takes for a model."""
    file = tmp_path / "net.onnx"
    file.write_bytes(ONNX + bytes(200_000))
    return file


def test_every_verb(host: Host, client: Client, onnx: Path) -> None:
    """Publish, look, deploy, ask, scale, read, delete: each verb gives what the backend has."""
    first = client.publish("net", onnx)
    second = client.publish("net", str(onnx))
    assert (1, 2, onnx.stat().st_size) == (first.version, second.version, first.size)
    assert onnx.exists()
    assert (second, first) == client.versions("net") == client.models().models[0].versions

    made = client.deploy(SPEC)
    assert (DeploymentState.READY, 2, 2) == (made.state, made.version, made.ready)
    assert "/services/dllab/serve/ada/digits/" == made.url
    assert made == client.deployment("digits") == client.deployments().deployments[0]
    assert [[1.5], [2]] == client.predict("digits", [[1.5], [2]])
    assert 1 == client.deployment("digits").traffic.requests  # type: ignore[union-attr]
    assert 3 == client.scale("digits", 3).spec.replicas

    host.backend.serving.write_log("ada", "digits", "replica-3", "hello\n")
    assert client.deployment_logs("digits").text.endswith("hello\n")
    assert "hello" not in client.deployment_logs("digits", replica="replica-1").text
    assert "hello\n" == client.deployment_logs("digits", replica="replica-3", offset=-6).text
    assert "Deployed" == client.deployment_events("digits")[0].reason
    client.delete("digits")
    with pytest.raises(NotFound):
        client.deployment("digits")
    assert 2 == len(client.versions("net"))


def test_what_is_said_of_a_version(client: Client, onnx: Path) -> None:
    """Metrics, an example and where it comes from travel with the file and are kept."""
    source = ModelSource(kind="job", job="digits-bcdfghj", path="best/ä & b?.onnx", step=7)
    made = client.publish(
        "net", onnx, metrics={"accuracy": 0.98}, example='{"instances": [[1]]}', source=source
    )
    plain = client.publish("net", onnx)
    assert (source, {"accuracy": 0.98}, '{"instances": [[1]]}', "ada") == (
        made.source, made.metrics, made.example, made.publisher,
    )  # fmt: skip
    assert (None, {}) == (plain.source, plain.metrics)
    assert (plain, made) == client.versions("net")

    with pytest.raises(InvalidRequest, match="no files of yours"):
        client.publish_from("net", "net.onnx")
    with pytest.raises(NotFound):
        client.publish_from("net", "net.onnx", job="digits-bcdfghj")


def test_an_example_that_no_proxy_lets_pass(client: Client, onnx: Path) -> None:
    """It is refused before anything is sent, in one line that says what to do."""
    fits = json.dumps({"instances": [[0.5] * 1300]})
    assert fits == client.publish("net", onnx, example=fits).example
    too_long = json.dumps({"instances": [[0.5] * 1800]})  # Less than 12 KiB before it is encoded.
    with pytest.raises(InvalidRequest, match=r"too long to travel.*fewer rows") as refused:
        client.publish("net", onnx, example=too_long, metrics={"loss": 0.5})
    assert ("example", False) == (refused.value.field, "\n" in str(refused.value))
    with pytest.raises(InvalidRequest) as refused:
        client.publish("net", onnx, metrics={f"{i}{'ä' * 90}": 1.0 for i in range(50)})
    assert ("metrics", "") == (refused.value.field, refused.value.hint)
    assert 1 == len(client.versions("net"))


def test_downloads(client: Client, onnx: Path, tmp_path: Path) -> None:
    """A file comes back as it was, for devices with a manifest; nothing is overwritten by it."""
    client.publish("net", onnx)
    back = client.download("net", 1, tmp_path / "back.onnx")
    assert onnx.read_bytes() == back.read_bytes()
    with zipfile.ZipFile(client.download("net", 1, tmp_path / "a.zip", packed=True)) as packed:
        assert onnx.read_bytes() == packed.read("model.onnx")
        about = json.loads(packed.read("manifest.json"))
    assert ("net", 1, onnx.stat().st_size) == (about["name"], about["version"], about["size"])
    with pytest.raises(InvalidRequest, match=r"back\.onnx cannot be written: file exists"):
        client.download("net", 1, back)
    for name, version in (("net", 2), ("nothing", 1), ("../x", 1)):
        with pytest.raises(NotFound):
            client.download(name, version, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_download_that_breaks_off(
    client: Client, host: Host, onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file does not stay."""
    client.publish("net", onnx)

    async def half() -> AsyncIterator[bytes]:
        yield bytes(1000)
        raise OSError("the disk went away")

    async def download(*_: object) -> Download:
        return Download("net-1.onnx", 2000, half())

    monkeypatch.setattr(host.backend.serving, "_download", download)
    with pytest.raises(Unavailable, match="broke off"):
        client.download("net", 1, tmp_path / "half.onnx")
    assert not (tmp_path / "half.onnx").exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Whoever had the name first keeps it, also where a file system knows no second names; with
    ``replace`` what comes last does.
    """
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    target = tmp_path / "net.onnx"
    for replace, left in ((False, b"first"), (True, b"last")):
        target.unlink(missing_ok=True)
        with suppress(InvalidRequest), exchange.received(target, replace=replace) as file:
            file.write(b"last")
            target.write_bytes(b"first")
        assert (left, [target]) == (target.read_bytes(), list(tmp_path.iterdir()))
    target.unlink()
    with exchange.received(target) as file:
        file.write(b"alone")

    assert b"alone" == target.read_bytes()


def _no_links(*_: object) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def test_versions_side_by_side(client: Client, onnx: Path) -> None:
    """A canary gets its part, answers whoever asks for it, is promoted and rolled back."""
    client.publish("net", onnx)
    client.deploy(SPEC)
    client.publish("net", onnx)
    with pytest.raises(Conflict, match="no canary"):
        client.promote("digits")
    with pytest.raises(InvalidRequest, match="version 2 does not serve here"):
        client.predict("digits", [[1]], version=2)
    made = client.canary("digits", Canary(version=2, percent=0))
    assert (0, 1) == (made.canary.percent, made.version)  # type: ignore[union-attr]
    assert [[1]] == client.predict("digits", [[1]], version=2)
    assert [0, 1] == [each.requests for each in client.deployment("digits").versions]

    assert (2, 1) == ((now := client.promote("digits")).version, now.previous)
    assert (1, 2) == ((now := client.rollback("digits")).version, now.previous)
    client.canary("digits", Canary(version=2))
    assert None is client.rollback("digits").canary


def test_by_itself(client: Client, onnx: Path) -> None:
    """Bounds travel with the wish; a number outside of them is refused."""
    client.publish("net", onnx)
    made = client.deploy(SPEC.model_copy(update={"autoscale": Autoscale(max=3)}))
    assert (2, 3) == (made.wished, made.spec.autoscale.max)  # type: ignore[union-attr]

    with pytest.raises(InvalidRequest) as caught:
        client.scale("digits", 4)
    assert "replicas" == caught.value.field


def test_images(host: Host, client: Client, onnx: Path) -> None:
    """Images are sent as the inputs of the version that is asked say; other rows ask for none."""
    image = pytest.importorskip("PIL.Image").new("RGB", (3, 2), (1, 2, 3))
    serving = host.backend.serving
    serving._inputs = (Tensor(name="x", datatype="FP32", shape=(None, 3, 2, 3)),)
    client.publish("net", onnx)
    client.deploy(SPEC)
    serving._inputs = (Tensor(name="x", datatype="UINT8", shape=(None, None, None, 3)),)
    client.publish("net", onnx)
    client.canary("digits", Canary(version=2, percent=0))

    assert [[[[n] * 3] * 2 for n in (1, 2, 3)]] == client.predict("digits", image)
    assert [[[[1, 2, 3]] * 3] * 2] * 2 == client.predict("digits", [image, image], version=2)
    with pytest.raises(InvalidRequest, match="version 9 does not serve here"):
        client.predict("digits", image, version=9)
    with pytest.raises(NotFound):
        client.predict("nothing", image)


def test_pages(client: Client, onnx: Path) -> None:
    """``next`` of a page is ``after`` of the following one."""
    for name in ("a", "b", "c"):
        client.publish(name, onnx)
        client.deploy(DeploymentSpec(name=name, model=name))

    models = client.models(limit=2)
    rest = client.models(limit=2, after=models.next)
    assert ["a", "b", "c"] == [each.name for each in (*models.models, *rest.models)]
    served = client.deployments(limit=1)
    rest_served = client.deployments(after=served.next)
    found = (*served.deployments, *rest_served.deployments)
    assert ["a", "b", "c"] == [each.name for each in found]


def test_what_the_lab_refuses(host: Host, client: Client, onnx: Path, tmp_path: Path) -> None:
    """A file, a name or a number that is wrong is raised here as it was raised there."""
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(InvalidRequest, match="not an ONNX model"):
        client.publish("net", tmp_path / "text.onnx")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        client.publish("net", tmp_path / "gone.onnx")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        client.publish("net", tmp_path)
    for name in ("", "..", "a/b", "Net"):
        with pytest.raises((InvalidRequest, NotFound)):
            client.publish(name, onnx)
        with pytest.raises(NotFound):
            client.versions(name)
        with pytest.raises(NotFound):
            client.predict(name, [[1]])
    with pytest.raises(InvalidRequest) as caught:
        client.deploy(SPEC)
    assert "model" == caught.value.field

    client.publish("net", onnx)
    client.deploy(SPEC)
    with pytest.raises(InvalidRequest) as caught:
        client.scale("digits", 0)
    assert "replicas" == caught.value.field
    with closing(Client(host.url, "grace-token")) as grace:
        for ask in (grace.deployment, grace.delete, grace.versions, grace.deployment_events):
            with pytest.raises(NotFound):
                ask("digits")
        with pytest.raises(NotFound):
            grace.predict("digits", [[1]])


def test_a_model_that_does_not_answer(host: Host, client: Client, onnx: Path) -> None:
    """While no replica answers the reason is what the caller reads."""
    client.publish("net", onnx)
    client.deploy(SPEC)
    host.backend.serving.fail("ada", "digits", "replica-1 ended with exit code 1.")

    with pytest.raises(Unavailable, match="replica-1 ended with exit code 1"):
        client.predict("digits", [[1]])


def test_a_slow_model(host: Host, onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model has far longer for its answer than the lab for its own."""
    monkeypatch.setattr(exchange, "TIMEOUT", 0.5)
    call = type(host.backend.serving)._call

    async def slowly(self: Serving, owner: str, name: str, given: Call) -> Reply:
        await asyncio.sleep(1)
        return await call(self, owner, name, given)

    monkeypatch.setattr(type(host.backend.serving), "_call", slowly)
    with closing(Client(host.url, host.token)) as client:
        client.publish("net", onnx)
        client.deploy(SPEC)

        assert [[1]] == client.predict("digits", [[1]])


def test_rows_that_do_not_travel(
    host: Host, client: Client, onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NaN, and more than a request holds, are refused without one."""
    client.publish("net", onnx)
    client.deploy(SPEC)
    with pytest.raises(InvalidRequest, match="row 0 holds nan"):
        client.predict("digits", [[float("nan")]])
    monkeypatch.setattr(serving_module, "_MOST", 1000)
    with pytest.raises(TooLarge, match="at most 1000 bytes holds 164 of these 1000 rows") as caught:
        client.predict("digits", [[1.0]] * 1000)
    assert "fewer rows" in caught.value.hint
    assert 0 == client.deployment("digits").traffic.requests  # type: ignore[union-attr]


def test_what_the_model_server_says(host: Host, client: Client, onnx: Path) -> None:
    """The sentence of a model server that refuses rows arrives as it is."""
    client.publish("net", onnx)
    client.deploy(SPEC)
    answer = host.ask("POST", "deployments/digits/predict", json={"instances": 7})
    said = json.loads(answer.text)["error"]["message"]

    with pytest.raises(InvalidRequest) as caught:
        client._transport.ask("POST", "deployments/digits/predict", dict, body=b'{"instances": 7}')
    assert said == caught.value.message
    assert "instances must be a list" in said


def test_in_a_jupyter_server(tmp_path: Path, onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same verbs work without a hub; the address is the server's own."""
    monkeypatch.setenv("DLLAB_HOME", str(tmp_path / "state"))
    with (
        running_loop() as loop,
        jupyter_host(loop, tmp_path) as host,
        closing(Client(host.url, host.token)) as client,
    ):
        client.publish("net", onnx)
        assert client.deploy(SPEC).url.endswith("/dllab/serve/ada/digits/")
        assert [[1]] == client.predict("digits", [[1]])
