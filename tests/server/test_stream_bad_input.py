"""What is no request for the GPU stream is refused before there is a socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import pytest
import websocket
from served import Host, Loop, StubHub, until
from watching import Watching, ending, past, refusal, tick, watching

#: Sockets of one person.
MOST = 64


@pytest.fixture
def watch(loop: Loop) -> Iterator[Watching]:
    """Watches hosts; see `Watching`."""
    with watching(loop) as watch:
        yield watch


@pytest.fixture
def other(host: Host, watch: Watching) -> websocket.WebSocket:
    """Somebody who watches before and after."""
    watch.live(host, interval=0.2, linger=2)
    other = watch(host)
    past(other)
    return other


def _goes_on(other: websocket.WebSocket) -> None:
    """Reports come in their order, and new ones at once."""
    times = [tick(other).time for _ in range(5)]
    assert times == sorted(times)
    began = time.time()
    while tick(other).time < began:
        assert time.time() - began < 5


@pytest.mark.parametrize(
    "interval",
    ["0", "-1", "x", "1e9", "1000000000", "61", "1.5", "NaN", "", "%00", "1%0a", "9" * 40, "0x10"],
)
def test_an_interval_that_is_none(
    host: Host, watch: Watching, other: websocket.WebSocket, interval: str
) -> None:
    """It is refused by name, and nobody else is disturbed."""
    status, error = refusal(lambda: watch(host, query=f"?interval={interval}"))

    assert (status, error["code"], error["field"]) == (400, "invalid_request", "interval")
    assert 1 == host.lab.stream.clients
    _goes_on(other)


def test_an_interval_twice(host: Host, watch: Watching, other: websocket.WebSocket) -> None:
    """Two of them are none."""
    status, error = refusal(lambda: watch(host, query="?interval=1&interval=2"))

    assert (status, error["field"]) == (400, "interval")


def test_a_longer_interval(host: Host, watch: Watching, other: websocket.WebSocket) -> None:
    """Reports come that far apart, each the newest; who did not ask for it gets all."""
    slow = watch(host, query="?interval=2")
    past(slow)
    times = []
    for _ in range(3):
        report = tick(slow)
        times.append(time.time())
        assert times[-1] - report.time < 0.5

    assert all(1.3 < later - sooner < 2.5 for sooner, later in pairwise(times))
    _goes_on(other)


def test_an_interval_of_a_second(host: Host, watch: Watching, other: websocket.WebSocket) -> None:
    """That is every report there is: they come once a second."""
    watcher = watch(host, query="?interval=1")
    past(watcher)
    times = [tick(watcher).time for _ in range(5)]

    assert times[-1] - times[0] < 2


def test_a_frame_of_10_mb(host: Host, watch: Watching, other: websocket.WebSocket) -> None:
    """It is not taken in: that socket ends."""
    talker = watch(host)
    past(talker)
    with suppress(ConnectionError, websocket.WebSocketException):
        talker.send("x" * 10_000_000)
        assert ending(talker) in {0, 1009}
    until(lambda: host.lab.stream.clients == 1)
    _goes_on(other)


def test_a_binary_frame(host: Host, watch: Watching, other: websocket.WebSocket) -> None:
    """It ends the socket that it came on, with the reason."""
    talker = watch(host)
    past(talker)
    talker.send_binary(b"\x00\x01")

    assert ending(talker) == 1003
    until(lambda: host.lab.stream.clients == 1)
    _goes_on(other)


def test_the_wrong_origin_and_the_wrong_token(
    service: Host, watch: Watching, a_hub: StubHub
) -> None:
    """A page of another origin, and the token of another server's user, get no socket."""
    watch.live(service)
    other = watch(service)
    past(other)
    a_hub.add("of-another", "mallory", scopes=("access:servers!server=mallory/",))

    for more in ({"token": "of-another"}, {"token": ""}):
        assert refusal(lambda more=more: watch(service, **more))[0] == 403
    evil = {"origin": "https://evil.example", "cookie": "jupyterhub-services=x", "token": ""}
    assert refusal(lambda: watch(service, **evil))[0] in {403, 404}
    _goes_on(other)


def test_a_thousand_sockets(service: Host, watch: Watching, a_hub: StubHub) -> None:
    """One person gets so many and no more, each refusal with what to do; others get theirs."""
    stream = watch.live(service, interval=0.2, linger=5)
    hers = [watch(service) for _ in range(MOST)]
    past(hers[0])
    took = []
    for _ in range(1000 - MOST):
        began = time.monotonic()
        status, error = refusal(lambda: watch(service))
        took.append(time.monotonic() - began)
        assert (status, error["code"], bool(error["hint"])) == (503, "unavailable", True)
    assert stream.clients == MOST
    his = watch(service, "grace-token")
    past(his)
    _goes_on(his)
    hers.pop().close()
    until(lambda: stream.clients == MOST)
    past(watch(service))

    assert sorted(took)[-10] < 0.5
