"""Serving: the balancer against bare KServe, the hub's URL, and what fails under load."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from browser_session import BrowserSession
from load import Load
from running_hub import RunningHub
from table import Row, Spread, pairs

from dllab_hub import Client, images
from dllab_hub.catalog import server_of
from dllab_hub.specs import DeploymentSpec, DeploymentState
from dllab_hub.state import StateDir

PAIRS = 6
#: Seconds of one measurement, and connections that ask at the same time in it.
SECONDS, CALLERS = 4.0, 4
BODY = json.dumps({"instances": [[0.5] * 64]}).encode()
#: A network of the size of the tour's, without training.
NETWORK = """
import pathlib, sys, torch
from dllab_hub.export import export
net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
export(net, torch.rand(4, 64), pathlib.Path(sys.argv[1]), name="bench")
"""

#: KServe's own server with a model as its documentation writes one; on a socket, as ours is.
BARE = """
import functools, sys
import kserve, numpy, onnxruntime, uvicorn
file, socket = sys.argv[1:]
def config(make, *args, host, port, **more):
    return make(*args, uds=socket, **more)
uvicorn.Config, sys.argv = functools.partial(config, uvicorn.Config), sys.argv[:1]
class Bench(kserve.Model):
    def load(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(file, options)
        self.input = self.session.get_inputs()[0].name
        self.ready = True
    def predict(self, payload, headers=None):
        x = numpy.array(payload["instances"], dtype=numpy.float32)
        return {"predictions": self.session.run(None, {self.input: x})[0].tolist()}
model = Bench("bench")
model.load()
kserve.ModelServer(workers=1, enable_grpc=False, enable_latency_logging=False).start([model])
"""


def ask(
    where: Path | str, until: float = float("inf"), most: int = 10**9, token: str = ""
) -> list[float]:
    """Seconds of each answer over one kept-alive connection. The same bare caller for everybody.

    Args:
        where: Path of a unix socket, or URL of a model.
        until: When to end, on the monotonic clock.
        most: Requests.
        token: Of a person.

    Raises:
        AssertionError: an answer was not 200.
    """
    url = urlsplit(where if isinstance(where, str) else "//bench/v1/models/bench:predict")
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        + (f"Authorization: token {token}\r\n" if token else "")
        + f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    ).encode()
    taken = []
    with socket.socket(socket.AF_INET if isinstance(where, str) else socket.AF_UNIX) as connection:
        connection.connect((url.hostname, url.port) if isinstance(where, str) else str(where))
        while len(taken) < most and time.monotonic() < until:
            began = time.perf_counter()
            connection.sendall(head + BODY)
            answer = connection.recv(65536)
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65536)
            top, _, body = answer.partition(b"\r\n\r\n")
            assert top.startswith(b"HTTP/1.1 200"), answer[:300]
            length = next(
                int(line.split(b":")[1])
                for line in top.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            while len(body) < length:
                body += connection.recv(65536)
            taken.append(time.perf_counter() - began)
    return taken


def closed_loop(path: Path, pids: list[int]) -> tuple[float, float]:
    """CPU microseconds per request over these processes, and the p99 in milliseconds."""
    end = time.monotonic() + SECONDS
    taken: list[float] = []
    callers = [
        threading.Thread(target=lambda: taken.extend(ask(path, until=end))) for _ in range(CALLERS)
    ]
    before = cpu(pids)
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    used = cpu(pids) - before
    return used / len(taken) * 1e6, statistics.quantiles(taken, n=100)[98] * 1e3


def cpu(pids: list[int]) -> float:
    """Seconds that these processes have computed."""
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


class Bench:
    """A hub with one deployment."""

    def __init__(self, root: Path) -> None:
        self.up = RunningHub(root / "state", dict(os.environ))
        self.up.start()
        self.session = BrowserSession(self.up.facts["address"], self.up.facts["user"])
        self.session.log_in(self.up.facts["password"])
        self.token = self.session.token()
        service = f"{self.up.facts['address']}/services/dllab/dllab/api/"
        self.client = Client(service, self.token)
        [image] = [e for e in images.find(StateDir.default()) if e.image.name == "pytorch"]
        self.file = root / "bench.onnx"
        subprocess.run([image.python, "-c", NETWORK, str(self.file)], check=True, cwd=root)
        self.client.publish("bench", self.file)
        self.deploy()

    def deploy(self, version: int | None = None, replicas: int = 1) -> None:
        self.client.deploy(
            DeploymentSpec(name="bench", model="bench", version=version, replicas=replicas)
        )
        self.wait()

    def wait(self) -> None:
        """Until all wished-for replicas, and no others, are there."""
        for _ in range(600):
            now = self.client.deployment("bench")
            if now.state is DeploymentState.READY and len(now.replicas) == now.spec.replicas:
                return
            time.sleep(0.1)
        raise AssertionError(f"the deployment does not get ready: {now}")

    @property
    def url(self) -> str:
        deployment = self.client.deployment("bench")
        return f"{self.up.facts['address']}{deployment.url}v1/models/bench:predict"

    @property
    def door(self) -> Path:
        """The balancer's socket."""
        [door] = self.up.state.sockets.glob("*/lb.sock")
        return door

    @contextmanager
    def bare(self) -> Iterator[tuple[Path, int]]:
        """Socket and process of KServe's own server with the same model."""
        path = self.file.with_name("bare.sock")
        python = server_of(StateDir.default(), "onnx")
        process = subprocess.Popen(
            [python, "-c", BARE, str(self.file), str(path)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(600):
                assert process.poll() is None, "the bare model server has ended"
                with suppress(OSError):
                    ask(path, most=100)
                    break
                time.sleep(0.1)
            yield path, process.pid
        finally:
            process.terminate()
            process.wait(30)

    def processes(self) -> tuple[int, int]:
        """The balancer's and the one replica's."""
        [replica] = self.client.deployment("bench").replicas
        config = next(self.up.state.deployments.glob("*/bench/haproxy.cfg"))
        [balancer] = [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if str(config) in (process.info["cmdline"] or ())
            and "haproxy" in Path(process.info["cmdline"][0]).name
        ]
        assert replica.pid is not None
        return balancer, replica.pid

    def close(self) -> None:
        self.client.delete("bench")
        self.client.close()
        self.session.http.close()
        self.up.stop()


def rows() -> Iterator[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        bench = Bench(Path(name))
        try:
            yield from _balancer(bench)
            yield _hub(bench)
            yield _under_load(bench)
        finally:
            bench.close()


def _balancer(bench: Bench) -> Iterator[Row]:
    both = [*bench.processes()]
    ours, peer = [], []
    with bench.bare() as (bare, bare_pid):
        ask(bench.door, most=100)
        for n in range(PAIRS):
            turns: list[tuple[list[Any], Path, list[int]]] = [
                (ours, bench.door, both),
                (peer, bare, [bare_pid]),
            ]
            for kept, path, pids in turns if n % 2 else reversed(turns):
                kept.append(closed_loop(path, pids))
    for what, unit, at, most in (("CPU per request", "us", 0, 1.35), ("p99", "ms", 1, 1.5)):
        a = Spread(tuple(one[at] for one in ours), unit)
        b = Spread(tuple(one[at] for one in peer), unit)
        yield Row(
            f"serving: predict through the balancer, {what}, against bare KServe",
            a,
            b,
            f"median ratio of pairs <= {most}",
            pairs(a, b, "ratio") <= most,
        )


def _hub(bench: Bench) -> Row:
    """One caller, one connection, in turns."""
    url = bench.url
    # Node.js compiles the hub's proxy while it works: its first thousand requests take twice as
    # long.
    ask(url, most=2000, token=bench.token)
    ours, peer = [], []
    for _ in range(PAIRS):
        ours.append(statistics.median(ask(url, most=150, token=bench.token)) * 1e3)
        peer.append(statistics.median(ask(bench.door, most=150)) * 1e3)
    a, b = Spread(tuple(ours), "ms"), Spread(tuple(peer), "ms")
    return Row(
        "serving: predict at the hub's URL, p50 added over the balancer",
        a,
        b,
        "median difference <= 3 ms",
        pairs(a, b, "difference") <= 3,
    )


def _under_load(bench: Bench) -> Row:
    """Scaled up, a replica killed, rolled to another version, scaled down: what failed."""
    bench.client.publish("bench", bench.file)
    with Load(bench.url, bench.token, json.loads(BODY)) as load:
        bench.client.scale("bench", 2)
        bench.wait()
        victim = bench.client.deployment("bench").replicas[0]
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        time.sleep(0.5)
        bench.wait()
        bench.deploy(version=2, replicas=2)
        bench.client.scale("bench", 1)
        bench.wait()
    print(f"    under load: {load}; {load.failures[:3]}")
    return Row(
        f"serving: scaled, a replica killed, rolled, scaled, of {len(load.seconds)} requests",
        Spread((float(len(load.failures)),), "failed"),
        None,
        "0 failed",
        not load.failures,
    )
