"""The balancer against bare KServe and against other model servers; one replica against two."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import serving_peers
from serving_hub import BODY, Bench, ask
from serving_wrk import Figures, free_cores, measure, missing
from table import Row, Spread, pairs

from dllab_hub.backends.local.serving.haproxy import binary
from dllab_hub.images import server_of
from dllab_hub.shim.ports import free_port
from dllab_hub.state import StateDir

__all__ = ("rows",)

CONCURRENCY = (1, 8, 32)
PAIRS, SECONDS = 4, 4.0
#: Of each peer: fewer and shorter, for there are four, and they are far away.
PEER_PAIRS, PEER_SECONDS = 2, 3.0

#: KServe's own server with a model as its documentation writes one; on loopback, as all here.
BARE = """
import functools, sys
import kserve, numpy, onnxruntime, uvicorn
file, port = sys.argv[1], int(sys.argv[2])
def config(make, *args, host, port, **more):
    return make(*args, host="127.0.0.1", port=port, **more)
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
kserve.ModelServer(
    http_port=port, workers=1, enable_grpc=False, enable_latency_logging=False
).start([model])
"""

Measure = Callable[[int, float], Figures]


def rows(bench: Bench) -> Iterator[Row]:
    """Measure."""
    if why := missing():
        yield Row("serving: the balancer against bare KServe and other model servers", why=why)
        return
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        folder = Path(name)
        with _door(bench, folder) as (url, pid):
            ours = _ours(bench, url, pid, folder)
            ours(8, 1.0)
            with _bare(bench.file, folder) as (peer_url, peer_pid):
                peer = functools.partial(_measure, peer_url, BODY, lambda: [peer_pid], folder)
                peer(8, 1.0)
                for connections in CONCURRENCY:
                    yield from _against_kserve(connections, ours, peer)
            for each in serving_peers.PEERS:
                yield from _against(each, ours, bench.file, folder)
        yield _two_replicas(bench, folder)


def _measure(
    url: str,
    body: bytes,
    pids: Callable[[], list[int]],
    folder: Path,
    connections: int,
    seconds: float,
) -> Figures:
    return measure(url, body, connections, seconds, pids, folder)


def _ours(bench: Bench, url: str, pid: int, folder: Path) -> Measure:
    """What the balancer and all replicas compute together."""
    both = [pid, *bench.replicas()]
    return functools.partial(_measure, url, BODY, lambda: both, folder)


@contextmanager
def _door(bench: Bench, folder: Path) -> Iterator[tuple[str, int]]:
    """A balancer with the deployment's own configuration, but for its two addresses: wrk speaks to
    no unix socket. Its URL, and its process."""
    port = free_port()
    text = bench.config.read_text()
    text, binds = re.subn(r"bind unix@\S+ mode 600", f"bind 127.0.0.1:{port}", text)
    text, sockets = re.subn(r"stats socket unix@\S+", "stats socket unix@bench.sock", text)
    assert (1, 1) == (binds, sockets), "the balancer's configuration looks otherwise than here"
    config = folder / "door.cfg"
    config.write_text(text)
    url = f"http://127.0.0.1:{port}/v1/models/bench:predict"
    with subprocess.Popen(
        [binary(), "-C", bench.door.parent, "-f", config, "-db"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _answers(url, process, "the balancer")
            yield url, process.pid
        finally:
            process.terminate()


@contextmanager
def _bare(file: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """KServe's own server with the same model: its URL, and its process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/models/bench:predict"
    log = folder / "bare.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [server_of(StateDir.default(), "onnx"), "-c", BARE, file, str(port)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        ) as process,
    ):
        try:
            _answers(url, process, "bare KServe")
            yield url, process.pid
        finally:
            process.terminate()


def _answers(url: str, process: subprocess.Popen[bytes], what: str) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        assert process.poll() is None, f"{what} has ended"
        with suppress(OSError, httpx.HTTPError, AssertionError):
            ask(url, most=1)
            return
        time.sleep(0.1)
    raise AssertionError(f"{what} does not answer")


def _turns(
    ours: Measure, peer: Measure, connections: int, count: int, seconds: float
) -> tuple[list[Figures], list[Figures]]:
    """Figures of both sides, taken in turn."""
    a: list[Figures] = []
    b: list[Figures] = []
    for n in range(count):
        turns = [(a, ours), (b, peer)]
        for kept, take in turns if n % 2 else reversed(turns):
            kept.append(take(connections, seconds))
    return a, b


def _spread(figures: list[Figures], of: str, unit: str) -> Spread:
    return Spread(tuple(getattr(one, of) for one in figures), unit)


def _against_kserve(connections: int, ours: Measure, peer: Measure) -> Iterator[Row]:
    a, b = _turns(ours, peer, connections, PAIRS, SECONDS)
    for of, what, unit, most in (
        ("cpu", "CPU per request", "us", 1.35),
        ("p99", "p99", "ms", 1.5),
    ):
        mine, theirs = _spread(a, of, unit), _spread(b, of, unit)
        yield Row(
            f"serving: through the balancer, {connections} at a time, {what}, against bare KServe",
            mine,
            theirs,
            f"median ratio of pairs <= {most}",
            pairs(mine, theirs, "ratio") <= most,
        )


def _against(peer: serving_peers.Peer, ours: Measure, file: Path, folder: Path) -> Iterator[Row]:
    """Rows for one of the others; one that says why when it does not start."""
    name = f"serving: through the balancer, against {peer.name}"
    try:
        with serving_peers.running(peer, file, folder / "peer") as (url, mark):
            theirs = functools.partial(
                _measure, url, peer.body, lambda: serving_peers.marked(mark), folder
            )
            theirs(8, 1.0)
            for connections in CONCURRENCY:
                a, b = _turns(ours, theirs, connections, PEER_PAIRS, PEER_SECONDS)
                rate = (_spread(side, "rate", "requests/s").median for side in (a, b))
                print("    {}, {} at a time: ours {:.0f}, theirs {:.0f} requests/s".format(
                    peer.name, connections, *rate))  # fmt: skip
                for of, what, unit in (("cpu", "CPU per request", "us"), ("p99", "p99", "ms")):
                    mine, other = _spread(a, of, unit), _spread(b, of, unit)
                    yield Row(
                        f"{name}, {connections} at a time, {what}",
                        mine,
                        other,
                        "median ratio of pairs < 1",
                        pairs(mine, other, "ratio") < 1,
                    )
    except (serving_peers.Failed, RuntimeError) as exc:
        yield Row(name, why=f"{peer.name}: {exc}")
    finally:
        _forget(folder / "peer", peer.name)


def _forget(path: Path, name: str) -> None:
    if path.exists():
        path.rename(path.with_name(f"peer {name}"))


def _two_replicas(bench: Bench, folder: Path) -> Row:
    """Reported: what two can do more than one depends on the cores that are left for them."""
    free = free_cores()
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(2):
        for count in (1, 2):
            bench.scale(count)
            with _door(bench, folder) as (url, pid):
                ours = _ours(bench, url, pid, folder)
                ours(32, 1.0)
                rates[count] += [ours(32, SECONDS).rate for _ in range(2)]
    bench.scale(1)
    return Row(
        f"serving: two replicas against one, 32 at a time ({free:.1f} of {os.cpu_count()} cores "
        "were free before; wrk and the balancer take theirs of them)",
        Spread(tuple(rates[2]), "requests/s"),
        Spread(tuple(rates[1]), "requests/s"),
        "reported",
        True,
    )
