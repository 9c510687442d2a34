"""Alerts over REST and on the stream of the GPUs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import websocket
from alarms import Machine
from served import Host, Loop, StubHub, service_host, until

from dllab_hub.backends.remote import RemoteBackend
from dllab_hub.errors import NotFound
from dllab_hub.server.relay import Relay
from dllab_hub.server.stream import Stream
from dllab_hub.specs import AlertFrame, AlertList, Silence


@pytest.fixture
def a_machine(loop: Loop, tmp_path: Path) -> Machine:
    """Of which ada's lab holds the first GPU."""

    async def make() -> Machine:
        return Machine(tmp_path / "state")

    return loop.call(make())


@pytest.fixture
def watched(loop: Loop, a_hub: StubHub, a_machine: Machine) -> Iterator[Host]:
    """The lab service, on that machine; ``root-token`` is an administrator's."""
    a_hub.add("root-token", "root", admin=True)
    with service_host(loop, a_hub, a_machine.lab) as host:
        yield host


def names(host: Host, token: str = "ada-token") -> list[tuple[str, str, str]]:
    """Rule, subject and state of somebody's alerts."""
    found = AlertList.from_wire(host.ask("GET", "alerts", token).json()).alerts
    return [(alert.rule, alert.subject, alert.state) for alert in found]


def watcher(host: Host, token: str = "ada-token") -> websocket.WebSocket:
    """A socket of the stream."""
    url = f"ws{host.url.removeprefix('http')}gpus/stream"
    header = [f"Authorization: token {token}"]
    return websocket.create_connection(url, header=header, suppress_origin=True, timeout=10)


def frame(socket: websocket.WebSocket) -> AlertFrame:
    """The next one that tells of alerts."""
    while (said := json.loads(socket.recv()))["type"] != "alerts":
        pass
    return AlertFrame.from_wire(said)


def test_who_sees_what(watched: Host, a_machine: Machine) -> None:
    """A person sees what concerns them, an administrator sees everything, critical ones first."""
    until(lambda: a_machine.reads > 3)
    assert [] == names(watched)
    a_machine.lose(0)
    a_machine.lose(1)
    a_machine.change(1, memory_used=99, memory_total=100)

    until(lambda: len(names(watched, "root-token")) == 3)

    assert [("GPULost", "GPU-0", "firing")] == names(watched)
    assert [] == names(watched, "grace-token")
    assert "GPUMemoryNearFull" == names(watched, "root-token")[-1][0]


def test_silence(watched: Host, a_machine: Machine) -> None:
    """Its owner and an administrator may silence an alert; for others there is none."""
    a_machine.lose(0)
    until(lambda: names(watched))
    (id,) = (alert["id"] for alert in watched.ask("GET", "alerts").json()["alerts"])
    path = f"alerts/{id}/silence"

    for token in ("ada-token", "root-token"):
        put = watched.ask("PUT", path, token, json={"minutes": 30})
        assert (200, id) == (put.status_code, put.json()["id"])
        assert put.json()["silenced"] > a_machine.now
        ended = watched.ask("DELETE", path, token)
        assert (200, None) == (ended.status_code, ended.json()["silenced"])
    for verb in ("PUT", "DELETE"):
        answer = watched.ask(verb, path, "grace-token", json={})
        assert (404, "not_found") == (answer.status_code, answer.json()["error"]["code"])
        assert 404 == watched.ask(verb, "alerts/GPULost-0000000000/silence", json={}).status_code


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"minutes": 0}, "minutes"),
        ({"minutes": -1}, "minutes"),
        ({"minutes": 10**9}, "minutes"),
        ({"minutes": "60"}, "minutes"),
        ({"minutes": 1.5}, "minutes"),
        ({"minutes": True}, "minutes"),
        ({"hours": 1}, "hours"),
        ([], ""),
    ],
)
def test_wrong_silences(watched: Host, a_machine: Machine, wish: object, field: str) -> None:
    """What is wrong is named, and nothing changes."""
    a_machine.lose(0)
    until(lambda: names(watched))
    id = watched.ask("GET", "alerts").json()["alerts"][0]["id"]

    answer = watched.ask("PUT", f"alerts/{id}/silence", json=wish)

    assert (400, field) == (answer.status_code, answer.json()["error"]["field"])
    assert watched.ask("GET", "alerts").json()["alerts"][0]["silenced"] is None
    assert 400 == watched.ask("GET", "alerts?x=1").status_code


def test_where_nobody_watches(service: Host) -> None:
    """A host without alerts says so."""
    assert 404 == service.ask("GET", "alerts").status_code


def test_alerts_ride_on_the_stream(watched: Host, a_machine: Machine) -> None:
    """Who watches the GPUs is told at the beginning, and whenever one of their alerts changes."""
    ada, grace, root = (watcher(watched, f"{who}-token") for who in ("ada", "grace", "root"))
    for socket in (ada, grace, root):
        assert () == frame(socket).alerts

    a_machine.lose(0)
    for socket in (ada, root):
        assert [("GPULost", "firing")] == [(a.rule, a.state) for a in frame(socket).alerts]
    late = watcher(watched)
    assert ["GPULost"] == [alert.rule for alert in frame(late).alerts]
    a_machine.heal(0)
    assert [("GPULost", "resolved")] == [(a.rule, a.state) for a in frame(ada).alerts]

    assert {"gpus"} == {json.loads(grace.recv())["type"] for _ in range(20)}
    for socket in (ada, grace, root, late):
        socket.shutdown()


def test_through_a_lab(watched: Host, a_machine: Machine, loop: Loop) -> None:
    """In a lab the same alerts come by REST and on its own stream, as the service has them."""
    far = RemoteBackend.at(watched.url, "ada-token")
    relay = Relay(watched.url, "ada-token", far.gpus)

    sent: list[str] = []

    class Page:
        owner, viewer, interval = "anybody", "anybody", 0.0

        def send(self, *frames: str) -> bool:
            sent.extend(frames)
            return True

        def end(self) -> None: ...

    async def known(report):
        return report, {}

    async def begin() -> Stream:
        stream = Stream(relay, known)
        stream.bell, relay.changed = relay, stream.ring
        stream.join(Page())
        return stream

    def told() -> set[tuple[str, str]]:
        frames = [json.loads(text) for text in sent]
        alerts = [a for f in frames if f["type"] == "alerts" for a in f["alerts"]]
        return {(a["rule"], a["subject"]) for a in alerts}

    stream = loop.call(begin())
    a_machine.lose(0)
    a_machine.lose(1)
    until(lambda: told() == {("GPULost", "GPU-0")})
    (alert,) = loop.call(far.alerts.list("whoever")).alerts
    assert loop.call(far.alerts.silence("whoever", alert.id, Silence())).silenced
    assert loop.call(far.alerts.speak("whoever", alert.id)).silenced is None
    with pytest.raises(NotFound):
        loop.call(far.alerts.speak("whoever", "GPULost-1"))
    loop.call(stream.close())
    loop.call(far.close())
