"""Everybody who watches the GPUs is told, over real sockets, in both hosts."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websocket
from served import Host, Loop, StubHub, browser, until
from watching import HELD, Watching, ending, names, past, refusal, tick, watching

from dllab_hub.metrics.nvml import Nvml
from dllab_hub.server import gpus as gpus_module
from dllab_hub.server import stream as stream_module
from dllab_hub.specs import GpuReport, GpuTick
from dllab_hub.testing.nvml import FakeNvml

#: Calls that each read makes for each GPU.
EACH_READ = (
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetTemperature",
    "nvmlDeviceGetPowerUsage",
)


@pytest.fixture
def watch(loop: Loop) -> Iterator[Watching]:
    """Watches hosts; see `Watching`."""
    with watching(loop) as watch:
        yield watch


def test_the_past_then_the_present(host: Host, watch: Watching) -> None:
    """First what was sampled, then each sample once, as it is taken."""
    watch.live(host)
    first = watch(host)
    assert past(first).period == 0.05
    seen = [tick(first) for _ in range(5)]
    later = watch(host)
    samples = past(later).samples

    times = [report.time for report in seen]
    assert times == sorted(set(times))
    assert times == [sample.time for sample in samples][: len(times)]
    assert samples[-1].time <= tick(later).time
    assert {"GPU-0", "GPU-1"} == {gpu.uuid for gpu in samples[0].gpus}


def test_who_may_not_come_in(host: Host, watch: Watching, a_hub: StubHub) -> None:
    """Without the right token there is an answer and no socket, and nothing is read."""
    stream = watch.live(host)
    a_hub.add("elsewhere", "mallory", scopes=("access:services!service=other",))
    a_hub.add("machine", "mallory", kind="service")

    for token in ("", "wrong", "elsewhere", "machine"):
        status, error = refusal(lambda token=token: watch(host, token))
        assert (status, error["code"]) == (403, "access_denied")
    assert refusal(lambda: watch(host, query="?gpus=1"))[0] == 400
    assert (set(), 0) == (stream._watchers, watch.reads.count)


def test_a_page_of_another_origin(jupyter: Host, watch: Watching) -> None:
    """A browser's cookie opens the socket for the lab's own pages only."""
    watch.live(jupyter)
    cookie = {"cookie": browser(jupyter)["Cookie"], "token": ""}

    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        status, error = refusal(lambda origin=origin: watch(jupyter, origin=origin, **cookie))
        assert (status, error["code"]) == (404, "not_found")
    assert watch.reads.count == 0
    assert past(watch(jupyter, origin=jupyter.origin, **cookie)).type == "history"


def test_not_a_whole_request(host: Host, watch: Watching) -> None:
    """What only looks like a WebSocket is answered with what is wrong."""
    watch.live(host)
    asked = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}

    for headers in ({}, asked, {**asked, "Sec-WebSocket-Key": "x", "Connection": "close"}):
        answer = host.ask("GET", "gpus/stream", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


def test_gpus_that_cannot_be_followed(host: Host, watch: Watching) -> None:
    """Where the GPUs only answer, there is no socket, and a page is told to ask."""
    status, error = refusal(lambda: watch(host))

    assert (status, "Ask for gpus" in error["hint"]) == (404, True)


def test_two_people(service: Host, watch: Watching) -> None:
    """Each sees the names of what is theirs; of what is not, only that it is held."""
    watch.live(service)
    hers, his = watch(service), watch(service, "grace-token")
    for each in (hers, his):
        past(each)

    assert ["digits", ""] == names(tick(hers))
    text = his.recv()
    assert ["", "secret"] == names(GpuTick.from_wire(json.loads(text)).report)
    assert not {"ada", "digits", "bcdfghj"} & set(text.replace("secret-bcdfghj", "").split('"'))


def test_an_administrator_sees_whose_they_are(
    service: Host, watch: Watching, a_hub: StubHub
) -> None:
    """Whom the hub calls an administrator gets the names of all, at both addresses."""
    watch.live(service)
    a_hub.add("the-admin", "root", admin=True)
    a_hub.add("not-quite", "eve", admin="yes")
    asked = httpx.get(
        f"{service.url}gpus", headers={"Authorization": "token the-admin"}, trust_env=False
    )
    for token, seen in (("the-admin", ["digits", "secret"]), ("not-quite", ["", ""])):
        watcher = watch(service, token)
        past(watcher)
        assert seen == names(tick(watcher))
    assert ["digits", "secret"] == names(GpuReport.from_wire(asked.json()))


def test_one_text_for_one_view(
    service: Host, watch: Watching, a_hub: StubHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many watch, a report is made into text once for each different view of it."""
    made: dict[float, list[str]] = {}
    as_seen = stream_module.as_seen

    def counted(report, holders, owner):
        made.setdefault(report.time, []).append(owner)
        return as_seen(report, holders, owner)

    monkeypatch.setattr(stream_module, "as_seen", counted)
    watch.live(service)
    for name in ("eve", "bob", "kim"):
        a_hub.add(f"{name}-token", name)
    tokens = ["ada-token", "grace-token", "eve-token", "bob-token", "kim-token"]
    watchers = [watch(service, token) for token in tokens * 3]
    texts = []
    for each in watchers:
        past(each)
        texts.append({json.loads(text)["report"]["time"]: text for text in _some(each, 30)})

    both = set.intersection(*(set(text) for text in texts))
    assert both
    assert {("", "ada", "grace")} == {tuple(sorted(made[time])) for time in both}
    assert all(3 == len({text[time] for text in texts}) for time in both)


def _some(watcher: websocket.WebSocket, count: int) -> list[str]:
    return [watcher.recv() for _ in range(count)]


def test_as_many_calls_for_50_as_for_1(service: Host, watch: Watching, tmp_path: Path) -> None:
    """NVML is called as often for 50 sockets as for one: 4 times a tick for each of 2 GPUs."""
    fake = FakeNvml.build(tmp_path / "nvml", gpus=2)
    nvml = Nvml()
    made = []
    with fake.loaded():
        watch.live(service, read=nvml.read, interval=0.5, linger=5)
        first = watch(service)
        past(first)
        for more in (0, 49):
            for _ in range(more):
                watch(service)
            # What came while they were opened is let pass.
            while time.time() - tick(first).time > 0.25:
                pass
            before = fake.calls()
            for _ in range(4):
                tick(first)
            calls = fake.calls() - before
            made.append(sum(calls[name] for name in EACH_READ))
        assert len(service.lab.stream._watchers) == 50
        nvml.close()

    assert [4 * 8, 4 * 8] == made


def test_a_slow_client(host: Host, watch: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes nothing is let go; until then nothing piles up, and nobody else waits for it."""
    monkeypatch.setattr(gpus_module, "_PATIENCE", 1.5)
    watch.reads.name = "x" * 3_000_000  # Two of them are more than any socket takes by itself.
    stream = watch.live(host, interval=0.3, linger=5)
    slow = watch(host, sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),))
    until(lambda: stream._watchers)
    fast = watch(host)
    past(fast)
    began = time.monotonic()
    reports = [tick(fast)]
    while len(stream._watchers) > 1:
        assert time.monotonic() - began < 10
        reports.append(tick(fast))

    assert len(reports) >= 3
    assert tick(fast).gpus
    size = 0
    while piece := _piece(slow):
        size += len(piece)
    assert 0 < size < 1.5 * 6_000_000, "the past and one report, however many came after it"


def _piece(watcher: websocket.WebSocket) -> bytes:
    try:
        return bytes(watcher.sock.recv(1 << 20))
    except ConnectionResetError:
        return b""


def test_a_client_that_is_gone(
    host: Host, watch: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who does not answer a ping is forgotten; who does, stays."""
    for name in ("ping_interval", "ping_timeout"):
        monkeypatch.setattr(gpus_module.Live, name, 0.3)
    stream = watch.live(host)
    watch(host)
    there = watch(host)
    past(there)
    began = time.monotonic()
    while len(stream._watchers) > 1:
        assert time.monotonic() - began < 15
        tick(there)

    assert tick(there).gpus


def test_a_token_that_is_revoked(
    service: Host, watch: Watching, a_hub: StubHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not come in any more is told no more; a hub in trouble ends nothing."""
    stream = watch.live(service)
    monkeypatch.setattr(gpus_module.Live, "trust", 0.1)
    auth = service.app.settings["identity_provider"].hub_auth
    monkeypatch.setattr(auth.cache, "max_age", 0.05)
    a_hub.add("short-lived", "ada")
    gone, stays = watch(service, "short-lived"), watch(service)
    monkeypatch.setattr(a_hub, "broken", True)
    asked = a_hub.asked
    until(lambda: a_hub.asked > asked + 4)
    assert 2 == len(stream._watchers)
    monkeypatch.setattr(a_hub, "broken", False)
    del a_hub.models["short-lived"]

    assert 1008 == ending(gone)
    assert 1 == len(stream._watchers)
    past(stays)
    assert [tick(stays).state for _ in range(5)]


def test_a_client_that_talks(host: Host, watch: Watching) -> None:
    """What a client says is not listened to, and much of it is not even taken."""
    watch.live(host)
    talker = watch(host)
    past(talker)
    talker.send('{"type": "shutdown"}')
    assert tick(talker).gpus
    talker.send("x" * 5000)
    assert ending(talker) in {0, 1009}


def test_nobody_watches_any_more(host: Host, watch: Watching) -> None:
    """With the last one the reading ends, and the next one starts it again."""
    stream = watch.live(host)
    watchers = [watch(host) for _ in range(3)]
    for each in watchers:
        past(each)
        each.close()
    until(lambda: not stream._watchers and stream._task is None)
    time.sleep(0.5)  # `linger`, and some more.
    asleep = watch.reads.count
    time.sleep(0.3)
    assert asleep == watch.reads.count

    again = watch(host)
    assert past(again).samples
    assert time.time() - tick(again).time < 1


def test_the_server_ends(service: Host, watch: Watching, loop: Loop) -> None:
    """Everybody is told that it is over, and may connect again."""
    stream = watch.live(service)
    watcher = watch(service)
    past(watcher)
    loop.call(stream.close())

    assert (1001, set()) == (ending(watcher), stream._watchers)


def test_a_fault_is_not_the_end(
    service: Host, watch: Watching, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    """When the holders cannot be found once, the log says so, and who watches goes on."""
    monkeypatch.setattr(stream_module, "_RETRY", 0.05)
    watch.live(service)
    troubles = [OSError("no locks")]

    def holders(_):
        if troubles:
            raise troubles.pop()
        return HELD

    monkeypatch.setattr(service.lab, "_find_holders", holders)
    monkeypatch.setattr(service.lab, "_holders_at", 0.0)
    watcher = watch(service)
    past(watcher)

    assert tick(watcher).gpus
    assert "no locks" in caplog.text
