"""What Prometheus reads from the lab service and from a Jupyter server, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from jupyter_process import jupyter_process
from prometheus_client.parser import text_string_to_metric_families
from served import Host, StubHub, until
from watching import Watching, past, watching

from dllab_hub.errors import Unavailable
from dllab_hub.metrics.samples import Sample, owner_hash
from dllab_hub.server import metrics as metrics_module
from dllab_hub.server.metrics import Scraped
from dllab_hub.testing.nvml import FakeNvml


@pytest.fixture
def watch(loop) -> Iterator[Watching]:
    """Gives hosts GPUs, and watches them."""
    with watching(loop) as watch:
        yield watch


@pytest.fixture
def prometheus(a_hub: StubHub) -> str:
    """The token of a service of the hub that may use the lab service."""
    a_hub.add("prometheus-token", "prometheus", kind="service")
    return "prometheus-token"


def scrape(host: Host, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return host.http.get(f"{host.origin}/services/dllab/metrics", headers=headers)


def series(text: str) -> dict[tuple[str, ...], float]:
    """Of a scrape: name and what the labels say, by the labels' names; then the value."""
    return {
        (sample.name, *(word for _, word in sorted(sample.labels.items()) if word)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_everything(service: Host, watch: Watching, prometheus: str, a_hub: StubHub, wish) -> None:
    """A service of the hub gets GPUs and their holders, jobs and deployments of everybody."""
    watch.live(service)
    mine = service.ask("POST", "jobs", json=wish()).json()["id"]
    hers = service.ask("POST", "jobs", json=wish(), token="grace-token").json()["id"]
    answer = scrape(service, prometheus)
    found = series(answer.text)

    assert (200, True) == (answer.status_code, answer.headers["content-type"].startswith("text/"))
    assert 1 == found["dllab_gpu_up", "0", "GPU-0"]
    assert ("dllab_gpu_holder_info", "1", "lab", owner_hash("grace"), "GPU-1") in found
    for id in (mine, hers):
        assert 0 == found["dllab_job_restarts_total", id]
    assert found["dllab_jobs", "RUNNING"] >= 2
    assert 1 == found["dllab_service_up",]
    assert found["dllab_sampler_age_seconds",] < 2
    names = {word for key in found for word in key}
    assert not {"ada", "grace", "digits", "secret"} & names


def test_a_job_that_has_ended(service: Host, prometheus: str, wish) -> None:
    """Its series are gone at the next scrape."""
    id = service.ask("POST", "jobs", json=wish()).json()["id"]
    assert id in scrape(service, prometheus).text
    service.backend.finish(id)

    assert id not in scrape(service, prometheus).text


def test_who_may_read(service: Host, a_hub: StubHub, prometheus: str) -> None:
    """Administrators and services with the right scope; people get one sentence."""
    a_hub.add("admin-token", "root", admin=True)
    a_hub.add("other-service", "other", kind="service", scopes=("list:users",))
    a_hub.add("elsewhere", "mallory", scopes=("access:services!service=other",))

    assert 200 == scrape(service, "admin-token").status_code
    for token in ("", "wrong", "ada-token", "elsewhere", "other-service"):
        answer = scrape(service, token)
        assert (403, "access_denied") == (answer.status_code, answer.json()["error"]["code"])
    assert "administrators" in scrape(service, "ada-token").json()["error"]["message"]


def test_a_service_is_nobody_elsewhere(service: Host, prometheus: str) -> None:
    """The token that reads the metrics opens nothing else."""
    for path in ("jobs", "gpus", "deployments", "status"):
        assert 403 == service.ask("GET", path, token=prometheus).status_code


def test_the_backend_does_not_start(
    service: Host, watch: Watching, prometheus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The GPUs are measured all the same, and it is said that nothing else is."""
    watch.live(service)
    monkeypatch.setattr(service.lab, "_trouble", Unavailable("the disk is full."))
    found = series(scrape(service, prometheus).text)

    assert 0 == found["dllab_service_up",]
    assert ("dllab_gpu_up", "0", "GPU-0") in found
    assert not [key for key in found if key[0].startswith("dllab_job")]


def test_who_watches(service: Host, watch: Watching, prometheus: str) -> None:
    """Open sockets are counted, and what could not be sent to them."""
    stream = watch.live(service)
    past(watch(service))
    stream.dropped = 7
    found = series(scrape(service, prometheus).text)

    assert 1 == found["dllab_ws_clients",]
    assert 7 == found["dllab_ws_dropped_total",]


def test_a_plain_jupyter_server(tmp_path: Path) -> None:
    """Its own /metrics has the GPUs and no names, beside what it had before."""
    fake = FakeNvml.build(tmp_path / "nvml", gpus=1)
    with jupyter_process(tmp_path / "home", "/", **fake.env) as server:
        text = until(lambda: "dllab_gpu_up" in (t := server.ask("metrics").text) and t)
        again = server.ask("metrics").text

    assert "jupyter_server_info" in text
    found = series(again)
    assert 1 == found["dllab_gpu_up", "0", "GPU-00000000-0000-0000-0000-000000000000"]
    assert 0 == found["dllab_jobs", "RUNNING"]
    assert "owner_hash" not in again
    assert not [key for key in found if key[0].startswith("dllab_job_")]


def test_a_lab_of_a_hub(tmp_path: Path, service: Host) -> None:
    """It tells of itself only: the GPUs are measured once, by the lab service."""
    fake = FakeNvml.build(tmp_path / "nvml", gpus=1)
    env = {**fake.env, "DLLAB_API_URL": service.url, "DLLAB_API_TOKEN": "ada-token"}
    with jupyter_process(tmp_path / "home", "/", **env) as server:
        text = until(lambda: "dllab_ws_clients" in (t := server.ask("metrics").text) and t)

    assert not [key for key in series(text) if key[0].startswith(("dllab_gpu", "dllab_job"))]


async def test_kept_fresh_while_scraped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first scrape has nothing, later ones the newest; long after the last one nothing runs."""
    monkeypatch.setattr(metrics_module, "_EVERY", 0.01)
    now, made = [100.0], []

    async def measure() -> list[Sample]:
        made.append(now[0])
        return [Sample("dllab_ws_clients", len(made))]

    scraped = Scraped(measure, lambda: now[0])
    assert () == scraped.samples()
    while len(made) < 3:
        await asyncio.sleep(0.01)
    assert scraped.samples()[0].value >= 3
    now[0] += 1000
    await asyncio.sleep(0.05)
    asleep = len(made)
    await asyncio.sleep(0.05)
    assert asleep == len(made)
    assert () == scraped.samples(), "what was measured long ago is not what is now"
    await asyncio.sleep(0.05)
    assert len(made) > asleep
    await scraped.close()


async def test_scraped_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is known that scrapes are five minutes apart, each gets what is new just then."""
    monkeypatch.setattr(metrics_module, "_EVERY", 0.01)
    now, made = [100.0], []

    async def measure() -> list[Sample]:
        made.append(now[0])
        return [Sample("dllab_ws_clients", now[0])]

    scraped, got = Scraped(measure, lambda: now[0]), []
    for _ in range(5):
        got.append([sample.value for sample in scraped.samples()])
        for _ in range(100):
            now[0] += 3
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
    await scraped.close()

    assert [[], [], [700.0], [1000.0], [1300.0]] == got


async def test_what_cannot_be_measured(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault is in the log once, and old numbers are not given out as new ones."""
    monkeypatch.setattr(metrics_module, "_EVERY", 0.01)
    troubles = 0

    async def measure() -> list[Sample]:
        nonlocal troubles
        troubles += 1
        raise OSError("no locks")

    scraped = Scraped(measure)
    scraped.samples()
    while troubles < 4:
        await asyncio.sleep(0.01)

    assert () == scraped.samples()
    assert 1 == caplog.text.count("Traceback")
    await scraped.close()
