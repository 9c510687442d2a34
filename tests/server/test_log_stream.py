"""Several logs over one WebSocket, in both hosts."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import websocket
from served import Host, StubHub, browser, until
from watching import ending, refusal

from dllab_hub.backends.remote import RemoteBackend
from dllab_hub.server import log_stream
from dllab_hub.specs import JobState, LogChunk


class Line:
    """A socket, and what comes of it by key."""

    def __init__(self, made: websocket.WebSocket) -> None:
        self.socket = made

    def say(self, **frame: Any) -> None:
        self.socket.send(json.dumps(frame))

    def hear(self) -> dict[str, Any]:
        heard: dict[str, Any] = json.loads(self.socket.recv())
        return heard

    def text(self, key: str, end: str) -> str:
        """What comes of this key until the text ends so."""
        text = ""
        while not text.endswith(end):
            frame = self.hear()
            assert frame["key"] == key
            text += LogChunk.from_wire(frame["chunk"]).text
        return text


class Opening:
    """Opens sockets."""

    def __init__(self) -> None:
        self.made: list[websocket.WebSocket] = []

    def __call__(self, host: Host, token: str | None = None, query: str = "", **more: Any) -> Line:
        token = host.token if token is None else token
        more = {"suppress_origin": "origin" not in more, "timeout": 10, **more}
        more["header"] = [f"Authorization: token {token}"] if token else []
        url = f"ws{host.url.removeprefix('http')}logs/stream{query}"
        self.made.append(websocket.create_connection(url, **more))
        return Line(self.made[-1])


@pytest.fixture
def call() -> Iterator[Opening]:
    """Opens sockets; see `Opening`."""
    opening = Opening()
    yield opening
    for each in opening.made:
        with contextlib.suppress(OSError):
            each.shutdown()


def test_two_logs_over_one_socket(host: Host, call: Opening, a_job: str, wish) -> None:
    """What each writes comes under its own key, and an end when it has ended."""
    other = host.ask("POST", "jobs", json=wish()).json()["id"]
    line = call(host)
    line.say(follow="mine", job=a_job, replica="worker-0", attempt=None, offset=0)
    host.backend.write_log(a_job, "worker-0", "one\n")
    assert "one\n" == line.text("mine", "\n")
    line.say(follow="other", job=other)
    host.backend.write_log(other, "worker-0", "two\n")
    assert "[worker-0] two\n" == line.text("other", "\n")
    host.backend.write_log(a_job, "worker-0", "three\n")
    assert "three\n" == line.text("mine", "\n")

    host.backend.finish(other, JobState.SUCCEEDED)
    frames = [line.hear(), line.hear()]
    assert (True, {"key": "other", "end": True}) == (frames[0]["chunk"]["complete"], frames[1])


def test_no_more_of_it(host: Host, call: Opening, a_job: str) -> None:
    """After an unfollow nothing comes of that log; its key can be used again."""
    line = call(host)
    line.say(follow="k", job=a_job, replica="worker-0")
    host.backend.write_log(a_job, "worker-0", "one\n")
    assert "one\n" == line.text("k", "\n")
    line.say(unfollow="k")
    line.say(unfollow="never there")
    line.say(follow="k", job=a_job, replica="worker-0", offset=4)
    host.backend.write_log(a_job, "worker-0", "two\n")
    assert "two\n" == line.text("k", "\n")


@pytest.mark.parametrize(
    ("frame", "key", "code"),
    [
        ("no json", "", "invalid_request"),
        ("[1]", "", "invalid_request"),
        ("[" * 3000, "", "invalid_request"),
        ('{"follow": ""}', "", "invalid_request"),
        ('{"follow": "a\\u0007", "job": "x"}', "", "invalid_request"),
        (json.dumps({"follow": "k" * 65, "job": "x"}), "", "invalid_request"),
        ('{"follow": "k"}', "k", "invalid_request"),
        ('{"follow": "k", "job": 7}', "k", "invalid_request"),
        ('{"follow": "k", "job": "x", "offset": "1"}', "k", "invalid_request"),
        ('{"follow": "k", "job": "x", "attempt": 0}', "k", "invalid_request"),
        ('{"follow": "k", "job": "x", "more": 1}', "k", "invalid_request"),
        ('{"follow": "k", "job": "nosuch-bcdfghj"}', "k", "not_found"),
        ('{"follow": "k", "job": "../../etc/passwd"}', "k", "not_found"),
        ('{"unfollow": 3}', "", "invalid_request"),
    ],
)
def test_bad_frames(host: Host, call: Opening, a_job: str, frame: str, key: str, code: str) -> None:
    """A frame that cannot be used is answered, and the next one works."""
    line = call(host)
    line.socket.send(frame)
    answer = line.hear()

    assert (key, code) == (answer["key"], answer["error"]["code"])
    line.say(follow="good", job=a_job, replica="worker-0")
    host.backend.write_log(a_job, "worker-0", "there\n")
    assert "there\n" == line.text("good", "\n")


def test_bytes_that_are_no_text(host: Host, call: Opening) -> None:
    """A binary frame is answered too."""
    line = call(host)
    line.socket.send_binary(b"\x00\xff")

    assert "invalid_request" == line.hear()["error"]["code"]


def test_a_replica_that_is_not_there(host: Host, call: Opening, a_job: str) -> None:
    """The error says which there are, and the key is free again."""
    line = call(host)
    line.say(follow="k", job=a_job, replica="worker-9")
    error = line.hear()["error"]
    assert ("not_found", "replica") == (error["code"], error["field"])
    line.say(follow="k", job=a_job, replica="worker-0")
    host.backend.write_log(a_job, "worker-0", "x\n")

    assert "x\n" == line.text("k", "\n")


def test_a_key_twice_and_too_many(host: Host, call: Opening, a_job: str) -> None:
    """A key is one log's at a time, and a socket has so many."""
    line = call(host)
    line.say(follow="0", job=a_job)
    line.say(follow="0", job=a_job)
    assert ("0", "conflict") == (line.hear()["key"], "conflict")
    for n in range(1, 17):
        line.say(follow=str(n), job=a_job)
    answer = line.hear()

    assert ("16", "conflict") == (answer["key"], answer["error"]["code"])


def test_other_peoples_logs(service: Host, call: Opening, a_hub: StubHub, wish) -> None:
    """The log of somebody else's job does not exist."""
    id = service.ask("POST", "jobs", json=wish()).json()["id"]
    line = call(service, "grace-token")
    line.say(follow="k", job=id)

    assert "not_found" == line.hear()["error"]["code"]


def test_who_may_not_come_in(host: Host, call: Opening) -> None:
    """Without the right token, or with a query, there is an answer and no socket."""
    for token in ("", "wrong"):
        assert 403 == refusal(lambda token=token: call(host, token))[0]
    assert 400 == refusal(lambda: call(host, query="?job=1"))[0]
    assert 400 == host.ask("GET", "logs/stream").status_code


def test_a_page_of_another_origin(jupyter: Host, call: Opening) -> None:
    """A browser's cookie opens the socket for the lab's own pages only."""
    cookie = {"cookie": browser(jupyter)["Cookie"], "token": ""}

    assert 404 == refusal(lambda: call(jupyter, origin="https://evil.example", **cookie))[0]
    call(jupyter, origin=jupyter.origin, **cookie).say(unfollow="k")


def test_a_token_that_is_revoked(
    service: Host, call: Opening, a_hub: StubHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not come in any more is told no more."""
    monkeypatch.setattr(log_stream.Logs, "trust", 0.1)
    auth = service.app.settings["identity_provider"].hub_auth
    monkeypatch.setattr(auth.cache, "max_age", 0.05)
    a_hub.add("short-lived", "ada")
    line = call(service, "short-lived")
    del a_hub.models["short-lived"]

    assert 1008 == ending(line.socket)


def test_a_slow_client(
    host: Host, call: Opening, a_job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who takes nothing is let go, and nothing piles up for it meanwhile."""
    monkeypatch.setattr(log_stream, "_PATIENCE", 0.5)
    closed: list[object] = []
    on_close = log_stream.Logs.on_close
    monkeypatch.setattr(
        log_stream.Logs, "on_close", lambda self: (closed.append(self), on_close(self))[1]
    )
    slow = call(host, sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),))
    slow.say(follow="k", job=a_job, replica="worker-0")
    host.backend.write_log(a_job, "worker-0", "x" * 20_000_000)

    until(lambda: closed)


def test_a_client_that_is_gone(
    host: Host, call: Opening, a_job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a socket is closed nothing is followed for it any more."""
    ended: list[str] = []
    follow = host.backend.insight._follow

    async def watched(*args: Any):
        try:
            async for chunk in follow(*args):
                yield chunk
        finally:
            ended.append(args[1])

    monkeypatch.setattr(host.backend.insight, "_follow", watched)
    line = call(host)
    line.say(follow="k", job=a_job, replica="worker-0")
    host.backend.write_log(a_job, "worker-0", "x\n")
    assert "x\n" == line.text("k", "\n")
    line.socket.close()

    until(lambda: ended == [a_job])


def test_through_a_lab(
    service: Host, jupyter: Host, call: Opening, wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lab of a hub passes on what the lab service tells, and what it refuses."""

    async def make() -> RemoteBackend:
        return RemoteBackend.at(service.url, "ada-token")

    remote = jupyter.loop.call(make())
    monkeypatch.setattr(jupyter.lab, "backend", remote)
    id = service.ask("POST", "jobs", json=wish()).json()["id"]
    line = call(jupyter)
    line.say(follow="k", job=id, replica="worker-0")
    for text in ("one\n", "two\n"):
        service.backend.write_log(id, "worker-0", text)
        assert text == line.text("k", "\n")
    line.say(follow="no", job="nosuch-bcdfghj")
    assert ("no", "not_found") == (lambda f: (f["key"], f["error"]["code"]))(line.hear())
    service.backend.finish(id, JobState.SUCCEEDED)
    assert line.hear()["chunk"]["complete"]
    assert {"key": "k", "end": True} == line.hear()
    line.socket.close()
    jupyter.loop.call(remote.close())


def test_who_only_asks_is_let_go(host: Host, call: Opening) -> None:
    """Answers that nobody takes do not pile up: the socket ends before all are written."""
    line = call(host)
    line.socket.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with contextlib.suppress(ConnectionError, websocket.WebSocketException):
        for _ in range(30_000):
            line.say(follow="k" * 60, job=7)

    def read() -> None:
        while line.socket.recv():
            pass

    with contextlib.suppress(websocket.WebSocketConnectionClosedException, ConnectionError):
        read()
    assert host.ask("GET", "jobs").status_code == 200
