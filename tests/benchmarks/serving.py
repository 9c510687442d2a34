"""Serving: the balancer beside others, the hub's URL, how soon it answers, what fails under load.

Needs wrk: ``apt-get install wrk``.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import onnx_files
import serving_balancer
from load import Load
from serving_hub import BODY, Bench, ask
from table import Row, Spread, pairs

from dllab_hub import images
from dllab_hub.images import server_of
from dllab_hub.specs import Autoscale, DeploymentSpec, DeploymentState
from dllab_hub.state import StateDir

__all__ = ("rows",)

PAIRS = 6
#: Deployments in a row whose start is timed.
STARTS = 5
#: Loads of four callers each: one, then all of them.
LOADS = 4


def rows() -> Iterator[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        bench = Bench(Path(name))
        try:
            yield from serving_balancer.rows(bench)
            yield _hub(bench)
            yield _start(bench)
            yield _under_load(bench)
            yield _four_times(bench)
        finally:
            bench.close()


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


def _start(bench: Bench) -> Row:
    """From the wish for a deployment to its first answer at the hub's URL, and from the start of
    its model server alone to the first answer of that."""
    ours, peer = [], []
    for n in range(STARTS):
        turns = [(_deployed, ours), (_served, peer)]
        for take, kept in turns if n % 2 else reversed(turns):
            kept.append(take(bench, n))
    a, b = Spread(tuple(ours), "s"), Spread(tuple(peer), "s")
    return Row(
        "serving: deploy to first answer, against the model server's own start",
        a,
        b,
        "median difference <= 1 s",
        pairs(a, b, "difference") <= 1,
    )


def _deployed(bench: Bench, number: int) -> float:
    name = f"start-{number}"
    headers = {"Authorization": f"token {bench.token}"}
    url = bench.url.replace("/bench/", f"/{name}/").replace("models/bench:", f"models/{name}:")
    with httpx.Client(trust_env=False, headers=headers, timeout=30) as http:
        began = time.monotonic()
        bench.client.deploy(DeploymentSpec(name=name, model="bench"))
        while http.post(url, content=BODY).status_code != 200:
            assert time.monotonic() - began < 60, "the deployment does not answer"
            time.sleep(0.02)
        took = time.monotonic() - began
    bench.client.delete(name)
    # Its end must not be in the way of what is measured next.
    while name in {one.name for one in bench.client.deployments().deployments}:
        time.sleep(0.1)
    time.sleep(1)
    return took


def _served(bench: Bench, number: int) -> float:
    path = bench.file.with_name(f"{number}.sock")
    environ = {
        "DLLAB_MODEL_NAME": "bench",
        "DLLAB_MODEL_FILE": str(bench.file),
        "DLLAB_MODEL_VERSION": "1",
        "DLLAB_SOCKET": str(path),
    }
    began = time.monotonic()
    process = subprocess.Popen(
        [server_of(StateDir.default(), "onnx"), "-P", "-m", "dllab_hub.runtime.model_server"],
        env={**os.environ, **environ},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            assert process.poll() is None, "the model server has ended"
            assert time.monotonic() - began < 60, "the model server does not answer"
            try:
                ask(path, most=1)
                return time.monotonic() - began
            except OSError:
                time.sleep(0.02)
    finally:
        process.terminate()
        process.wait(30)


def _under_load(bench: Bench) -> Row:
    """Scaled up, a replica killed, rolled to another version, scaled down: what failed."""
    bench.client.publish("bench", bench.file)
    with Load(bench.url, bench.token, json.loads(BODY)) as load:
        bench.scale(2)
        victim = bench.client.deployment("bench").replicas[0]
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        time.sleep(0.5)
        bench.wait()
        bench.deploy(version=2, replicas=2)
        bench.scale(1)
    print(f"    under load: {load}; {load.failures[:3]}")
    return Row(
        f"serving: scaled, a replica killed, rolled, scaled, of {len(load.seconds)} requests",
        Spread((float(len(load.failures)),), "failed"),
        None,
        "0 failed",
        not load.failures,
    )


def _four_times(bench: Bench) -> Row:
    """One load, then four, of a model that works for a tenth of a second: until there are as many
    replicas as these need, all of them ready."""
    name = f"scaled-{secrets.token_hex(3)}"
    bench.client.publish(name, _rounds(bench))
    # A load has four callers, so four requests are under way: one replica each.
    scale = Autoscale(min=1, max=8, target=4)
    bench.client.deploy(DeploymentSpec(name=name, model=name, autoscale=scale))
    url = bench.url.replace("/bench/", f"/{name}/").replace("models/bench:", f"models/{name}:")

    def ready() -> int:
        now = bench.client.deployment(name)
        return now.ready if now.state is DeploymentState.READY else 0

    began = time.monotonic()
    while not ready():
        assert time.monotonic() - began < 60, "the deployment does not get ready"
        time.sleep(0.1)
    body = {"instances": [_tenth(bench, name)]}
    took, before, failures = float("inf"), 0, []
    with ExitStack() as stack:
        loads = [stack.enter_context(Load(url, bench.token, body))]
        time.sleep(15)
        before = ready()
        loads += [stack.enter_context(Load(url, bench.token, body)) for _ in range(LOADS - 1)]
        began = time.monotonic()
        while took == float("inf") and time.monotonic() - began < 90:
            if ready() == LOADS * before:
                took = time.monotonic() - began
            time.sleep(0.2)
        now = bench.client.deployment(name)
    for load in loads:
        failures += load.failures
    print(
        f"    load x4: {before}, then {now.ready} replicas; {len(failures)} failed {failures[:3]}"
    )
    bench.client.delete(name)
    return Row(
        "serving: load x4, until there are four times as many replicas",
        Spread((took,), "s"),
        None,
        "<= 60 s, 0 failed",
        took <= 60 and not failures,
    )


def _rounds(bench: Bench) -> Path:
    """A model that works for as long as it is asked to."""
    [image] = [each for each in images.find(StateDir.default()) if each.image.name == "pytorch"]
    os.environ["DLLAB_TEST_PYTHON"] = str(image.python)
    folder = bench.file.with_name("models")
    folder.mkdir()
    onnx_files.write_models(folder)
    return folder / "rounds.onnx"


def _tenth(bench: Bench, name: str) -> int:
    """Rounds of a tenth of a second."""
    some = 20_000
    bench.client.predict(name, [some])
    began = time.monotonic()
    bench.client.predict(name, [some])
    return int(some * 0.1 / (time.monotonic() - began))
