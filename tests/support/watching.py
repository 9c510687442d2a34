"""Watching the GPUs over real sockets: what is read, who watches, what they are told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import websocket
from served import Host, Loop

from dllab_hub.metrics.sampler import Sampler
from dllab_hub.server.stream import Feed, Stream
from dllab_hub.specs import Gpu, GpuHistory, GpuReport, GpuState, GpuTick, Holder

__all__ = ("HELD", "Reads", "Watching", "ending", "names", "past", "refusal", "tick", "watching")

HELD = {
    "GPU-0": Holder(kind="job", owner="ada", name="digits", id="digits-bcdfghj"),
    "GPU-1": Holder(kind="lab", owner="grace", name="secret", id="secret-bcdfghj"),
}


class Reads:
    """Two GPUs; counts how often they are read."""

    count = 0
    name = "H100"

    def __call__(self) -> GpuReport:
        self.count += 1
        gpus = tuple(Gpu(index=n, uuid=f"GPU-{n}", name=self.name) for n in range(2))
        return GpuReport(state=GpuState.OK, time=time.time(), gpus=gpus)


class Watching:
    """Gives hosts GPUs that can be watched, and watches them.

    Attributes:
        reads: What is read, unless a test says otherwise.
    """

    def __init__(self, loop: Loop, patch: pytest.MonkeyPatch) -> None:
        self.reads = Reads()
        self._loop, self._patch = loop, patch
        self._streams: list[Stream] = []
        self._samplers: list[Sampler] = []
        self._opened: list[websocket.WebSocket] = []

    def live(self, host: Host, **options: Any) -> Stream:
        """The host has two GPUs from now on, read 20 times a second."""
        sampler = Sampler(**{"read": self.reads, "interval": 0.05, "linger": 0.2, **options})
        self._samplers.append(sampler)
        self._patch.setattr(host.lab, "_find_holders", lambda _: HELD)
        host.lab.forget_holders()
        return self.feed(host, sampler)

    def feed(self, host: Host, feed: Feed) -> Stream:
        """The host tells of this from now on."""
        stream = Stream(feed, host.lab._known)
        self._streams.append(stream)
        self._patch.setattr(host.lab, "_gpus", feed)
        self._patch.setattr(host.lab, "stream", stream)
        return stream

    def __call__(
        self, host: Host, token: str | None = None, query: str = "", **more: Any
    ) -> websocket.WebSocket:
        """Open a socket as a program does, or with ``cookie`` and ``origin`` as a browser does."""
        token = host.token if token is None else token
        more = {"suppress_origin": "origin" not in more, "timeout": 10, **more}
        more["header"] = [f"Authorization: token {token}"] if token else []
        more["skip_utf8_validation"] = True  # In pure Python it takes longer than all else.
        url = f"ws{host.url.removeprefix('http')}gpus/stream{query}"
        self._opened.append(websocket.create_connection(url, **more))
        return self._opened[-1]

    def close(self) -> None:
        for each in self._opened:
            each.shutdown()
        for stream in self._streams:
            self._loop.call(stream.close())
        for sampler in self._samplers:
            sampler.close()


@contextmanager
def watching(loop: Loop) -> Iterator[Watching]:
    with pytest.MonkeyPatch.context() as patch:
        made = Watching(loop, patch)
        try:
            yield made
        finally:
            made.close()


def refusal(open: Callable[[], object]) -> tuple[int, dict[str, Any]]:
    """Status and error of a socket that is not opened."""
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        open()
    assert caught.value.resp_headers["content-type"] == "application/json"
    return caught.value.status_code, json.loads(caught.value.resp_body)["error"]


def tick(watcher: websocket.WebSocket) -> GpuReport:
    """The next report."""
    return GpuTick.from_wire(json.loads(watcher.recv())).report


def past(watcher: websocket.WebSocket) -> GpuHistory:
    """The first frame."""
    return GpuHistory.from_wire(json.loads(watcher.recv()))


def ending(watcher: websocket.WebSocket) -> int:
    """Why the other side ends it; 0 when it says nothing."""
    while True:
        try:
            opcode, data = watcher.recv_data()
        except websocket.WebSocketConnectionClosedException:
            return 0
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big")


def names(report: GpuReport) -> list[str | None]:
    """Of the holders."""
    return [gpu.holder and gpu.holder.name for gpu in report.gpus]
