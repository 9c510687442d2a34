"""A lab of a hub tells its pages what the lab service tells it, through one socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from served import PREFIX, Host, Loop, StubHub, until
from watching import Watching, names, past, tick, watching

from dllab_hub.backends.remote import RemoteBackend
from dllab_hub.server import relay as relay_module
from dllab_hub.server.relay import Relay
from dllab_hub.shim.ports import free_port
from dllab_hub.specs import Alert, GpuHistory, GpuReport, GpuState

SERVICE = """
import asyncio, sys
from jupyterhub.services.auth import HubAuth
from tornado.httpserver import HTTPServer
from watching import Reads
from dllab_hub.hub.identity import HubIdentityProvider
from dllab_hub.hub.service import application
from dllab_hub.metrics.sampler import Sampler
from dllab_hub.server.lab import Lab
from dllab_hub.testing import MemoryBackend

async def serve(port, hub, prefix):
    lab = Lab(MemoryBackend(), Sampler(Reads(), interval=0.1), kind="memory")
    auth = HubAuth(api_url=hub, api_token="the-services-own", cache_max_age=30)
    app = application(lab, HubIdentityProvider(hub_auth=auth), prefix)
    HTTPServer(app).listen(port, "127.0.0.1")
    lab.start()
    await asyncio.Event().wait()

asyncio.run(serve(int(sys.argv[1]), *sys.argv[2:]))
"""


@pytest.fixture
def watch(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """Watches hosts; see `Watching`. A service that is gone is tried again at once."""
    monkeypatch.setattr(relay_module, "_FIRST", 0.05)
    monkeypatch.setattr(relay_module, "_LONGEST", 0.2)
    with watching(loop) as watch:
        yield watch


def relay(url: str, token: str = "ada-token") -> Relay:
    """What a lab has whose service is there."""
    return Relay(url, token, RemoteBackend.at(url, token).gpus)


def until_state(watcher, state: GpuState) -> GpuReport:
    """The next report in this state, on a socket that stays open."""
    deadline = time.monotonic() + 60
    while (report := tick(watcher)).state is not state:
        assert time.monotonic() < deadline
    return report


def test_one_socket_for_a_lab(service: Host, jupyter: Host, watch: Watching) -> None:
    """However many pages watch, the service has one watcher; with the last page it is gone."""
    there = watch.live(service)
    here = watch.feed(jupyter, relay(service.url))
    early = watch(service)
    for _ in range(5):
        early.recv()
    pages = [watch(jupyter) for _ in range(10)]
    pasts = [past(page) for page in pages]

    assert all(len(each.samples) >= 3 for each in pasts), "what the service knew before"
    assert pasts[0].period == 0.05
    assert [["digits", ""]] * 10 == [names(tick(page)) for page in pages]
    assert (2, 10) == (len(there._watchers), len(here._watchers))
    for page in pages:
        page.close()
    until(lambda: len(there._watchers) == 1)


def test_what_a_lab_has_seen_it_remembers(service: Host, jupyter: Host, watch: Watching) -> None:
    """A page that comes later gets the past from the lab, without a gap."""
    watch.live(service)
    watch.feed(jupyter, relay(service.url))
    first = watch(jupyter)
    past(first)
    seen = [tick(first).time for _ in range(6)]
    samples = [sample.time for sample in past(watch(jupyter)).samples]

    assert seen[0] in samples
    assert seen == samples[samples.index(seen[0]) :][:6]


class OneAlert:
    """Knows of one thing that is wrong."""

    def of(self, viewer: str | None) -> tuple[Alert, ...]:
        return (
            Alert(id="hot", rule="GPUTemperatureHigh", severity="warning", state="firing",
                  kind="gpu", message="GPU 0 is hot.", since=1.0),
        )  # fmt: skip


def test_alerts_are_not_told_before_they_are_known(
    service: Host, jupyter: Host, watch: Watching
) -> None:
    """The first that a page of a lab hears of alerts is what the service says of them now."""
    there = watch.live(service)
    there.bell = OneAlert()  # type: ignore[assignment]
    relayed = relay(service.url)
    here = watch.feed(jupyter, relayed)
    here.bell, relayed.changed = relayed, here.ring

    def first() -> list[str]:
        page = watch(jupyter)
        while (said := json.loads(page.recv()))["type"] != "alerts":
            pass
        page.close()
        return [alert["id"] for alert in said["alerts"]]

    for _ in range(2):
        assert relayed.of(None) is None
        assert first() == ["hot"]
        until(lambda: here._task is None and relayed.of(None) is None)


def test_the_service_is_killed(jupyter: Host, a_hub: StubHub, watch: Watching) -> None:
    """Pages are told at once and stay connected; the lab finds the next service by itself."""
    port = free_port()
    support = Path(__file__).parents[1] / "support"
    command = [sys.executable, "-c", SERVICE, str(port), a_hub.url, PREFIX]
    env = {**os.environ, "PYTHONPATH": str(support)}
    a_hub.add("ada-token", "ada")
    watch.feed(jupyter, relay(f"http://127.0.0.1:{port}{PREFIX}dllab/api/"))
    page = watch(jupyter)
    past(page)
    nothing = tick(page)
    for _ in range(2):
        process = subprocess.Popen(command, env=env)
        try:
            before = until_state(page, GpuState.OK)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        lost = until_state(page, GpuState.STALE)
        assert lost.message == "The lab service does not answer; these are its last values."
        assert lost.time >= before.time
        assert before.gpus == lost.gpus

    assert (GpuState.STALE, ()) == (nothing.state, nothing.gpus)
    assert nothing.message == "The lab service does not answer."


@pytest.mark.parametrize(
    ("token", "path", "message", "hint"),
    [
        ("wrong", "dllab/api/", "does not know this lab's token", "Restart the lab."),
        ("ada-token", "nothing/", "has no stream of its GPUs", "older"),
    ],
)
def test_a_service_that_refuses(
    service: Host, jupyter: Host, watch: Watching, token: str, path: str, message: str, hint: str
) -> None:
    """Why the service cannot be heard is told with what to do."""
    watch.live(service)
    url = f"{service.origin}{PREFIX}{path}"
    watch.feed(jupyter, relay(url, token))
    page = watch(jupyter)
    past(page)
    report = tick(page)

    assert (report.state, report.message) == (GpuState.STALE, f"The lab service {message}.")
    assert hint in report.hint


class Silent:
    """Says something once, and nothing for ever after."""

    def history(self) -> GpuHistory:
        return GpuHistory(period=1.0)

    async def report(self) -> GpuReport:
        return GpuReport(state=GpuState.NO_GPU, time=1.0)

    async def follow(self) -> AsyncGenerator[GpuReport]:
        import asyncio

        yield await self.report()
        await asyncio.Event().wait()


def test_a_service_that_hangs(
    service: Host, jupyter: Host, watch: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection on which nothing comes is given up, and the next one is tried."""
    monkeypatch.setattr(relay_module, "_SILENCE", 0.5)
    there = watch.feed(service, Silent())
    watch.feed(jupyter, relay(service.url))
    page = watch(jupyter)
    past(page)
    states = [tick(page) for _ in range(3)]

    assert [GpuState.NO_GPU, GpuState.STALE, GpuState.NO_GPU] == [each.state for each in states]
    assert states[1].message == "The lab service is silent."
    until(lambda: len(there._watchers) == 1)


def test_a_page_that_leaves_while_the_lab_connects(
    jupyter: Host, watch: Watching, loop: Loop
) -> None:
    """A connection that comes when nobody wants it any more is closed, not left open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/dllab/api/"
        here = watch.feed(jupyter, relay(url))
        page = watch(jupyter)
        connection, _ = server.accept()
        with connection:
            request = connection.recv(65536).decode()
            page.close()
            until(lambda: here._task is None)
            key = request.split("Sec-Websocket-Key: ")[1].split("\r\n")[0]
            connection.sendall(_accepted(key))
            connection.settimeout(10)
            assert connection.recv(1024)[:1] == b"\x88", "a frame that closes"


def _accepted(key: str) -> bytes:
    from tornado.websocket import WebSocketProtocol13

    accept = WebSocketProtocol13.compute_accept_value(key)
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()
