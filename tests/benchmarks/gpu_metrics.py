"""What Prometheus gets, how soon somebody is told, and what readers that stall cost the others."""

from __future__ import annotations

import asyncio
import json
import math
import re
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import websocket
from lost_gpu import lost_gpu
from measured_lab import TOKEN, measured_lab
from served import running_loop
from table import Row, Spread
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect
from watched_service import PEOPLE, WatchedService, watched_service

GPUS = 8
JOBS = 100
SCRAPES = 400
FAULTS = 3
STALLED = 200
READERS = 10
#: Seconds: those that stall are served for about ten, then get nothing for ten, then are let go.
WINDOW = 25.0
#: On each GPU, as on a busy machine: a frame has some 15 kB.
PROCESSES = " ".join(f"{900_000 + number}:1000000" for number in range(20))


def scrapes(home: Path) -> list[float]:
    """Milliseconds of each scrape, one after the other."""
    took = []
    with (
        running_loop() as loop,
        measured_lab(loop, home, gpus=GPUS, jobs=JOBS) as host,
        httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {TOKEN}"}) as http,
    ):
        url = f"{host.origin}/services/dllab/metrics"
        text = http.get(url).raise_for_status().text
        assert text.count("dllab_job_step{") == JOBS
        assert text.count("dllab_gpu_up{") == GPUS
        for _ in range(SCRAPES):
            began = time.monotonic()
            http.get(url).raise_for_status()
            took.append((time.monotonic() - began) * 1e3)
    return took


def lateness(home: Path, stalled: int) -> list[float]:
    """Milliseconds from each sample to each of those who read, while others take nothing."""
    with watched_service(home, gpus=GPUS) as service:
        for gpu in range(GPUS):
            service.nvml.set(gpu=gpu, processes=PROCESSES)
        stuck = [_stalled(service, number % PEOPLE) for number in range(stalled)]
        try:
            late = asyncio.run(_read(service))
            with httpx.Client(trust_env=False) as http:
                dropped = re.search(r"^dllab_ws_dropped_total (\S+)", service.scrape(http), re.M)
            assert dropped is not None
            assert bool(stalled) == (float(dropped[1]) > stalled), "they were to be stalled"
            return late
        finally:
            for each in stuck:
                each.shutdown()


def _stalled(service: WatchedService, person: int) -> websocket.WebSocket:
    """One that is open, with as little room as there can be, and never read."""
    small = (socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    return websocket.create_connection(
        f"ws://{service.address}{service.api}gpus/stream",
        header=[f"Authorization: token person-{person}-token"], suppress_origin=True,
        sockopt=(small,), timeout=20,
    )  # fmt: skip


async def _read(service: WatchedService) -> list[float]:
    request = HTTPRequest(
        f"ws://{service.address}{service.api}gpus/stream",
        headers={"Authorization": "token ada-token"},
    )
    sockets = [await websocket_connect(request) for _ in range(READERS)]
    late = await asyncio.gather(*(_late(each, WINDOW) for each in sockets))
    for each in sockets:
        each.close()
    return [value for values in late for value in values]


async def _late(watcher: WebSocketClientConnection, seconds: float) -> list[float]:
    await watcher.read_message()  # The past.
    await watcher.read_message()  # What was known already.
    late, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        text = await watcher.read_message()
        assert text is not None, "the server hung up"
        frame = json.loads(text)
        if frame["type"] == "gpus":  # `time` is when the sample was taken, on this machine's clock.
            late.append((time.time() - frame["report"]["time"]) * 1e3)
    return late


def p99(values: list[float]) -> float:
    """The value that 99 of 100 do not exceed."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


def rows() -> Iterator[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        root = Path(name)
        worst = Spread(tuple(p99(scrapes(root / f"scrapes-{n}")) for n in range(3)), "ms")
        told = [lost_gpu(_made(root / f"fault-{n}")) for n in range(FAULTS)]
        late = lateness(_made(root / "stalled"), STALLED)
        alone = lateness(_made(root / "alone"), 0)
    yield Row(
        f"gpu: p99 of {SCRAPES} scrapes of /metrics with {GPUS} GPUs and {JOBS} jobs",
        worst, None, "<= 50 ms", max(worst.values) <= 50,
    )  # fmt: skip
    soon = Spread(tuple(one.lost for one in told), "s")
    yield Row(
        "gpu: a GPU is lost to a webhook's receiver told by Alertmanager, scraped once a second",
        soon, None, "<= 5 s", max(soon.values) <= 5,
    )  # fmt: skip
    yield Row(
        f"gpu: p99 of how late samples come to {READERS} who read, beside {STALLED} who do not; "
        f"alone {p99(alone):.0f} ms, median {statistics.median(late):.0f} ms",
        Spread((p99(late),), "ms"), None, "<= 250 ms", p99(late) <= 250,
    )  # fmt: skip


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
