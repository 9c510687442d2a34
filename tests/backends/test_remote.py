"""`RemoteBackend`: what is its own; that it does what all backends do is in the contract tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import ONNX, Host, lab_host

from dllab_hub.backends.calls import Call
from dllab_hub.backends.remote import RemoteBackend
from dllab_hub.errors import InvalidRequest, NotFound, Unavailable
from dllab_hub.specs import (
    Canary,
    Code,
    DeploymentSpec,
    GpuState,
    JobLimits,
    JobState,
    ModelSource,
    TrainingSpec,
)
from dllab_hub.specs.model import ModelFacts

PREFIX = "/services/dllab/dllab/api/"
WISH = DeploymentSpec(name="digits", model="digits")
SPEC = TrainingSpec(name="digits", image="here", code=Code(source="print('hello')"))


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A lab service."""
    with lab_host() as host:
        yield host


@pytest.fixture
async def remote(host: Host):
    """Ada's, whatever name it is given."""
    backend = RemoteBackend.at(host.url, "ada-token")
    yield backend
    await backend.close()


@pytest.fixture
def asked(host: Host) -> Iterator[list[str]]:
    """Requests that the service answers from now on."""
    seen: list[str] = []
    host.app.settings["log_function"], before = (
        lambda handler: seen.append(
            f"{handler.request.method} {handler.request.path.removeprefix(PREFIX)}"
        ),
        host.app.settings["log_function"],
    )
    yield seen
    host.app.settings["log_function"] = before


async def noted(asked: list[str], count: int) -> None:
    """The host notes a request when it has answered."""
    for _ in range(100):
        if len(asked) >= count:
            break
        await asyncio.sleep(0.02)


async def test_every_verb_is_one_request(host: Host, remote: RemoteBackend, asked) -> None:
    """Nothing is checked or fetched here that the far side checks or has."""
    job = await remote.submit("x", SPEC)
    await remote.get("x", job.id)
    await remote.logs("x", job.id)
    await remote.events("x", job.id)
    await remote.checkpoints("x", job.id)
    await remote.list("x")
    await remote.capacity("x", 1)
    await remote.cancel("x", job.id)
    await remote.cancel("x", job.id)
    await remote.catalog()
    await remote.status()

    await noted(asked, 11)
    at = f"jobs/{job.id}"
    assert asked == [
        "POST jobs", f"GET {at}", f"GET {at}/logs", f"GET {at}/events", f"GET {at}/checkpoints",
        "GET jobs", "GET capacity", f"POST {at}/cancel", f"POST {at}/cancel",
        "GET catalog", "GET status",
    ]  # fmt: skip


async def test_the_far_side_counts(remote: RemoteBackend, asked) -> None:
    """Whoever has used up their GPU-hours is refused there; nothing is asked for that."""
    await remote.insight.check_quota("x", SPEC, JobLimits(gpu_hours=0.0, jobs=0))
    assert not asked


async def test_the_token_says_who_one_is(host: Host, remote: RemoteBackend) -> None:
    """The owner that is passed here means nothing; a job belongs to whom the token belongs to."""
    job = await remote.submit("grace", SPEC)
    hers = RemoteBackend.at(host.url, "grace-token")

    assert job.owner == "ada"
    with pytest.raises(NotFound):
        await hers.get("ada", job.id)
    assert (await hers.status())["user"] == "grace"
    await hers.close()


async def test_the_far_side_checks(remote: RemoteBackend) -> None:
    """A wish that is wrong comes back with field and line."""
    wrong = SPEC.model_copy(update={"code": Code(source="\n\nfor")})
    with pytest.raises(InvalidRequest) as caught:
        await remote.submit("x", wrong)

    assert (caught.value.field, caught.value.line) == ("code.source", 3)


async def test_lists(host: Host, remote: RemoteBackend) -> None:
    """States and pages travel."""
    job = await remote.submit("x", SPEC)
    host.backend.finish(job.id, JobState.LOST)

    page = await remote.list("x", states=[JobState.LOST, JobState.FAILED], limit=1)
    assert [job.id] == [each.id for each in page.jobs]


async def test_gpus(remote: RemoteBackend) -> None:
    """The far side's view of the GPUs."""
    assert (await remote.gpus.report()).state is GpuState.NO_GPU


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A file with a model."""
    file = tmp_path / "net.onnx"
    file.write_bytes(ONNX)
    return file


async def test_every_verb_of_serving_is_one_request(remote: RemoteBackend, asked, net) -> None:
    """Only where a person's endpoints are is asked once, before the first call."""
    there, predict = remote.serving, Call("POST", "v1/models/digits:predict", b'{"instances": [1]}')
    made = await there.publish("x", "digits", net)
    await there.models("x")
    await there.versions("x", "digits")
    await there.deploy("x", WISH)
    await there.scale("x", "digits", 2)
    await there.publish("x", "digits", net)
    await there.canary("x", "digits", Canary(version=2, percent=0))
    await there.rollback("x", "digits")
    await there.canary("x", "digits", Canary(version=2, percent=0))
    await there.list("x")
    await there.logs("x", "digits", replica="replica-1")
    await there.events("x", "digits")
    replies = [await there.call("x", "digits", predict) for _ in range(2)]
    ask_one = Call(predict.method, predict.path, predict.body, version=2)
    other = await there.call("x", "digits", ask_one)
    await there.promote("x", "digits")
    await there.delete("x", "digits")

    await noted(asked, 18)
    at, endpoint = "deployments/digits", "/services/dllab/serve/ada/digits/"
    assert asked == [
        "POST models/digits/versions", "GET models", "GET models/digits/versions",
        "POST deployments", f"POST {at}/scale", "POST models/digits/versions",
        f"POST {at}/canary", f"POST {at}/rollback", f"POST {at}/canary",
        "GET deployments", f"GET {at}/logs", f"GET {at}/events", f"GET {at}",
        *[f"POST {endpoint}{predict.path.replace(':', '%3A')}"] * 3,
        f"POST {at}/promote", f"DELETE {at}",
    ]  # fmt: skip
    assert (200, "2") == (other.status, other.headers["x-model-version"])
    assert (len(ONNX), ONNX) == (made.size, net.read_bytes())
    assert {(200, b'{"predictions": [1]}', "1")} == {
        (reply.status, reply.body, reply.headers["x-model-version"]) for reply in replies
    }


async def test_facts_and_downloads(remote: RemoteBackend, net) -> None:
    """What is said of a version is kept there; its file comes piece by piece, and may be left."""
    net.write_bytes(ONNX + bytes(500_000))
    source = ModelSource(kind="volume", volume="data", path="nets/ä.onnx")
    facts = ModelFacts(publisher="mallory", source=source, metrics={"loss": 0.5}, example="{}")
    made = await remote.serving.publish("x", "facts", net, facts)
    assert ("ada", source, {"loss": 0.5}, "{}") == (
        made.publisher, made.source, made.metrics, made.example,
    )  # fmt: skip

    found = await remote.serving.download("x", "facts", 1)
    assert ("facts-1.onnx", net.stat().st_size) == (found.name, found.size)
    assert net.read_bytes() == b"".join([piece async for piece in found.pieces])
    packed = await remote.serving.download("x", "facts", 1, packed=True)
    assert "facts-1.zip" == packed.name
    await packed.pieces.aclose()
    for name, version in (("facts", 2), ("nothing", 1)):
        with pytest.raises(NotFound):
            await remote.serving.download("x", name, version)


async def test_an_example_that_no_proxy_lets_pass(remote: RemoteBackend, asked, net) -> None:
    """It is refused before the file is sent."""
    facts = ModelFacts(example=f'{{"instances": [[{"0.5, " * 2500}0.5]]}}')
    with pytest.raises(InvalidRequest, match="fewer rows") as refused:
        await remote.serving.publish("x", "long", net, facts)
    assert "example" == refused.value.field
    await remote.serving.publish("x", "long", net, ModelFacts(example="{}"))
    await noted(asked, 1)
    assert ["POST models/long/versions"] == asked


async def test_whose_endpoint_it_is(host: Host, remote: RemoteBackend, net) -> None:
    """A deployment says where it is; another person's is not there."""
    hers = RemoteBackend.at(host.url, "grace-token")
    await remote.serving.publish("x", "mine", net)
    made = await remote.serving.deploy("x", DeploymentSpec(name="mine", model="mine"))

    assert ("ada", "/services/dllab/serve/ada/mine/") == (made.owner, made.url)
    for question in (
        hers.serving.get("ada", "mine"),
        hers.serving.call("ada", "mine", Call("GET", "v2/models/mine/ready")),
        hers.serving.deploy("ada", DeploymentSpec(name="mine", model="nosuch")),
    ):
        with pytest.raises((NotFound, InvalidRequest)):
            await question
    await hers.close()


async def test_errors_of_a_model_and_of_the_lab(host: Host, remote: RemoteBackend, net) -> None:
    """What the model server says is passed on; what the lab says before it is raised."""
    await remote.serving.publish("x", "errors", net)
    await remote.serving.deploy("x", DeploymentSpec(name="errors", model="errors"))
    predict = "v1/models/errors:predict"

    reply = await remote.serving.call("x", "errors", Call("POST", predict, b"{}"))
    assert (400, True) == (reply.status, b"instances" in reply.body)
    host.backend.serving.fail("ada", "errors", "replica-1 ended with exit code 1.")
    with pytest.raises(Unavailable, match="exit code 1"):
        await remote.serving.call("x", "errors", Call("POST", predict, b"{}"))
    for name, path in (("nosuch", predict), ("errors", "../errors"), ("errors", "metrics")):
        with pytest.raises(NotFound):
            await remote.serving.call("x", name, Call("GET", path))


async def test_a_file_that_is_no_model(remote: RemoteBackend, net) -> None:
    """The far side looks at it."""
    net.write_bytes(b"<html>")
    with pytest.raises(InvalidRequest) as caught:
        await remote.serving.publish("x", "none", net)
    assert "model" == caught.value.field
    with pytest.raises(NotFound):
        await remote.serving.versions("x", "none")


async def test_nobody_there() -> None:
    """A service that is down is `Unavailable`, for every verb."""
    backend = RemoteBackend.at("http://127.0.0.1:1/dllab/api/", "x")
    await backend.start()
    for call in (
        backend.catalog(),
        backend.submit("x", SPEC),
        backend.gpus.report(),
        backend.serving.models("x"),
        backend.serving.call("x", "digits", Call("GET", "v2")),
    ):
        with pytest.raises(Unavailable, match="nothing answers"):
            await call
    await backend.close()
