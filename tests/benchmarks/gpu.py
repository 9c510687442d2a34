"""The GPU stream against jupyterlab-nvdashboard: CPU, NVML calls, and what a slow driver costs."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import jupyter_server
import psutil
from table import Row, Spread
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from dllab_hub.testing.nvml import FakeNvml

GPUS = 8
CLIENTS = 50
USERS = 10
PAIRS = 3
WINDOW = 20.0
#: All charts of its launcher have one of these; its front end asks each for ten a second.
CHARTS = (
    "gpu_resource",
    "gpu_utilization",
    "gpu_usage",
    "pci_stats",
    "nvlink_throughput",
    "cpu_resource",
)
#: The chart with the fewest NVML calls, one for each GPU.
LIGHTEST = ("gpu_utilization",)
ASK = {"updateFrequency": 100, "isPaused": False}
VERSION = "0.15.0"
PEERS = Path(__file__).parents[2] / ".make" / "peers"


@dataclass(frozen=True)
class Server:
    """A Jupyter server with one extension, and the GPUs it sees."""

    process: subprocess.Popen[bytes]
    url: str
    token: str
    nvml: FakeNvml

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    async def watch(self, path: str) -> WebSocketClientConnection:
        """Open a socket."""
        request = HTTPRequest(
            f"ws{self.url.removeprefix('http')}{path}",
            headers={"Authorization": f"token {self.token}"},
        )
        return await websocket_connect(request)


def nvdashboard() -> Path:
    """The interpreter of an environment with the peer; made when it is not there."""
    python = PEERS / "nvdashboard" / "bin" / "python"
    if not (PEERS / "nvdashboard" / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", PEERS / "nvdashboard"], check=True)
        wanted = [
            f"jupyterlab-nvdashboard=={VERSION}",
            f"jupyter_server=={jupyter_server.__version__}",
        ]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        (PEERS / "nvdashboard" / "ready").touch()
    return python


@contextmanager
def server(root: Path, python: Path, extension: str, **nvml: int) -> Iterator[Server]:
    """A Jupyter server that sees fake GPUs."""
    home = Path(tempfile.mkdtemp(dir=root))
    fake = FakeNvml.build(home / "nvml", gpus=GPUS)
    fake.set(**nvml)
    token = secrets.token_hex()
    others = ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim",
              "jupyter_server_proxy", "dllab_hub", "jupyterlab_nvdashboard")  # fmt: skip
    config = {
        "ServerApp": {
            "port": 0, "ip": "127.0.0.1", "open_browser": False, "allow_root": True,
            "root_dir": str(home),
            "jpserver_extensions": {**dict.fromkeys(others, False), extension: True},
        },
        "IdentityProvider": {"token": token},
    }  # fmt: skip
    (home / "jupyter_server_config.json").write_text(json.dumps(config))
    dirs = {f"JUPYTER_{name}_DIR": str(home) for name in ("CONFIG", "DATA", "RUNTIME")}
    env = {**os.environ, **dirs, **fake.env, "HOME": str(home), "DLLAB_HOME": str(home / "state")}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "jupyter_server"], env=env, cwd=home, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        info = home / f"jpserver-{process.pid}.json"
        for _ in range(600):
            if info.exists() and info.stat().st_size:
                break
            assert process.poll() is None, (home / "log").read_text()
            time.sleep(0.1)
        yield Server(process, json.loads(info.read_text())["url"], token, fake)
    finally:
        process.terminate()
        process.wait(30)


class Watchers:
    """Sockets to a server that are read as fast as they come."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.frames = 0
        self._sockets: list[WebSocketClientConnection] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, paths: list[str], say: object = None) -> None:
        """One socket for each path; ``say`` is the first thing said on it."""
        self._sockets = await asyncio.gather(*map(self.server.watch, paths))
        for socket in self._sockets:
            if say is not None:
                await socket.write_message(json.dumps(say))
            self._tasks.append(asyncio.create_task(self._read(socket)))

    async def close(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for socket in self._sockets:
            socket.close()

    async def _read(self, socket: WebSocketClientConnection) -> None:
        while await socket.read_message() is not None:
            self.frames += 1
        raise AssertionError("the server hung up")


async def ready(server: Server, path: str) -> None:
    """Wait until the extension answers."""
    for _ in range(100):
        try:
            (await server.watch(path)).close()
        except HTTPClientError as exc:
            if exc.code != 503:
                raise
            await asyncio.sleep(0.1)  # Its backend is starting.
        else:
            return
    raise AssertionError(f"{path} did not open")


async def load(server: Server, paths: list[str], say: object, hertz: float) -> float:
    """CPU seconds a minute with these sockets open, each of which must get its frames."""
    watchers = Watchers(server)
    await watchers.open(paths, say)
    await asyncio.sleep(2)  # The first frames are of another kind.
    cpu, frames, began = server.cpu(), watchers.frames, time.monotonic()
    await asyncio.sleep(WINDOW)
    took = time.monotonic() - began
    used, came = server.cpu() - cpu, watchers.frames - frames
    await watchers.close()
    assert came >= 0.8 * hertz * took * len(paths), f"only {came / took:.0f} frames/s came"
    return used / took * 60


async def answers(server: Server, paths: list[str], say: object) -> float:
    """Median milliseconds of ``/api/status`` with these sockets open."""
    watchers = Watchers(server)
    await watchers.open(paths, say)
    took = []
    headers = {"Authorization": f"token {server.token}"}
    async with httpx.AsyncClient(trust_env=False, timeout=120, headers=headers) as http:
        await asyncio.sleep(2)
        for n in range(15):
            began = time.monotonic()
            (await http.get(f"{server.url}api/status")).raise_for_status()
            took.append((time.monotonic() - began) * 1e3)
            await asyncio.sleep(0.137 + 0.01 * (n % 7))  # At no fixed moment of a second.
    await watchers.close()
    return statistics.median(took)


async def calls(server: Server, clients: int, ticks: int = 10) -> int:
    """NVML calls from one frame to the ``ticks``th after it, with so many clients."""
    watchers = Watchers(server)
    await watchers.open(["dllab/api/gpus/stream"] * (clients - 1))
    socket = await server.watch("dllab/api/gpus/stream")
    for _ in range(4):  # The history, what is known, and two that nobody had to wait for.
        await socket.read_message()
    before = server.nvml.calls().total()
    for _ in range(ticks):
        await socket.read_message()
    made = server.nvml.calls().total() - before
    socket.close()
    await watchers.close()
    return made


def rows() -> Iterator[Row]:
    """Measure."""
    ours_at = ["dllab/api/gpus/stream"] * CLIENTS
    all_charts = [f"nvdashboard/{chart}" for chart in CHARTS] * USERS
    lightest = [f"nvdashboard/{chart}" for chart in LIGHTEST] * USERS
    here, there = Path(sys.executable), nvdashboard()
    cpu: list[tuple[float, float]] = []
    status: list[tuple[float, float]] = []
    made: list[float] = []

    async def measure(root: Path) -> None:
        with (
            server(root, here, "dllab_hub", steady=1) as ours,
            server(root, there, "jupyterlab_nvdashboard", steady=1) as peer,
        ):
            await ready(ours, ours_at[0])
            await ready(peer, all_charts[0])
            for _ in range(PAIRS):
                cpu.append(
                    (await load(ours, ours_at, None, 1), await load(peer, all_charts, ASK, 5))
                )
        with server(root, here, "dllab_hub") as ours:
            await ready(ours, ours_at[0])
            for _ in range(PAIRS):
                made.append(await calls(ours, CLIENTS) / await calls(ours, 1))
        with (
            server(root, here, "dllab_hub", steady=1, delay_ms=20) as ours,
            server(root, there, "jupyterlab_nvdashboard", steady=1, delay_ms=20) as peer,
        ):
            await ready(ours, ours_at[0])
            await ready(peer, lightest[0])
            for _ in range(PAIRS):
                status.append(
                    (await answers(ours, ours_at, None), await answers(peer, lightest, ASK))
                )

    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        asyncio.run(measure(Path(name)))
    used, peer_used = (Spread(values, "CPU s/min") for values in zip(*cpu, strict=True))
    took, peer_took = (Spread(values, "ms") for values in zip(*status, strict=True))
    more = Spread(tuple(made), "x")
    yield Row(
        f"gpu: {GPUS} GPUs at 1 Hz to {CLIENTS} clients, against nvdashboard {VERSION}, "
        f"{USERS} users with all charts",
        used, peer_used, "<= 0.3 CPU s/min", used.median <= 0.3,
    )  # fmt: skip
    yield Row(
        f"gpu: NVML calls with {CLIENTS} clients, against 1",
        more, None, "equal", all(value == 1 for value in made),
    )  # fmt: skip
    yield Row(
        f"gpu: p50 of /api/status while each NVML call takes 20 ms, {CLIENTS} clients, against "
        f"nvdashboard with {USERS} users of its lightest chart",
        took, peer_took, "<= 10 ms", took.median <= 10,
    )  # fmt: skip
