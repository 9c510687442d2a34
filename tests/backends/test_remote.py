"""`RemoteBackend`: what is its own; that it does what all backends do is in the contract tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from served import Host, lab_host

from dllab_hub.backends.remote import RemoteBackend
from dllab_hub.errors import InvalidRequest, NotFound, Unavailable
from dllab_hub.specs import Code, GpuState, JobState, TrainingSpec

PREFIX = "/services/dllab/dllab/api/"
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

    at = f"jobs/{job.id}"
    assert asked == [
        "POST jobs", f"GET {at}", f"GET {at}/logs", f"GET {at}/events", f"GET {at}/checkpoints",
        "GET jobs", "GET capacity", f"POST {at}/cancel", f"POST {at}/cancel",
        "GET catalog", "GET status",
    ]  # fmt: skip


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


async def test_nobody_there() -> None:
    """A service that is down is `Unavailable`, for every verb."""
    backend = RemoteBackend.at("http://127.0.0.1:1/dllab/api/", "x")
    await backend.start()
    for call in (backend.catalog(), backend.submit("x", SPEC), backend.gpus.report()):
        with pytest.raises(Unavailable, match="nothing answers"):
            await call
    await backend.close()
