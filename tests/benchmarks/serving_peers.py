"""Other model servers with the same network, each as its own documentation writes a service."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from peer_env import environment

from dllab_hub.shim.ports import free_port

__all__ = ("PEERS", "Failed", "Peer", "marked", "running")

#: What all of them load, with the threads that a replica of ours has.
_SESSION = """
import numpy, onnxruntime
def session(file):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
"""
_ROWS = {"instances": [[0.5] * 64]}
_TENSOR = {"name": "x", "shape": [1, 64], "datatype": "FP32", "data": [0.5] * 64}


class Failed(Exception):
    """It does not start; why."""


@dataclass(frozen=True)
class Peer:
    """A model server.

    Attributes:
        name: As people call it.
        needs: Packages.
        files: Written before it starts; PORT, OTHER, THIRD and FILE are filled in.
        command: After the interpreter; likewise.
        path: That is asked.
        body: Of a request.
    """

    name: str
    needs: tuple[str, ...]
    files: dict[str, str]
    command: tuple[str, ...]
    path: str
    body: bytes = json.dumps(_ROWS).encode()


_RUNTIME = "onnxruntime==1.32.0"

PEERS = (
    Peer(
        "MLServer",
        # Newer ones of uvloop are more than this release of it can use.
        ("mlserver==1.7.1", "uvloop<0.22", _RUNTIME),
        {
            "settings.json": '{"host": "127.0.0.1", "http_port": PORT, "grpc_port": OTHER,'
            ' "metrics_port": THIRD, "parallel_workers": 0, "debug": false}',
            "model-settings.json": '{"name": "bench", "implementation": "bench.Bench"}',
            "bench.py": _SESSION
            + """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
class Bench(MLModel):
    async def load(self):
        self.session = session("FILE")
        self.input = self.session.get_inputs()[0].name
        return True
    async def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0]).astype("float32")
        y = self.session.run(None, {self.input: x})[0]
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("y", y)]
        )
""",
        },
        ("-c", "from mlserver.cli import main; main()", "start", "."),
        "/v2/models/bench/infer",
        json.dumps({"inputs": [_TENSOR]}).encode(),
    ),
    Peer(
        "LitServe",
        ("litserve==0.2.19", _RUNTIME),
        {
            "bench.py": _SESSION
            + """
import litserve
class Bench(litserve.LitAPI):
    def setup(self, device):
        self.session = session("FILE")
        self.input = self.session.get_inputs()[0].name
    def decode_request(self, request):
        return numpy.array(request["instances"], dtype="float32")
    def predict(self, x):
        return self.session.run(None, {self.input: x})[0]
    def encode_response(self, y):
        return {"predictions": y.tolist()}
if __name__ == "__main__":
    server = litserve.LitServer(Bench(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="error")
"""
        },
        ("bench.py",),
        "/predict",
    ),
    Peer(
        "BentoML",
        ("bentoml==1.4.39", _RUNTIME),
        {
            "bench.py": _SESSION
            + """
import bentoml
@bentoml.service(workers=1, traffic={"timeout": 60})
class Bench:
    def __init__(self):
        self.session = session("FILE")
        self.input = self.session.get_inputs()[0].name
    @bentoml.api
    def predict(self, instances: list) -> dict:
        x = numpy.array(instances, dtype="float32")
        return {"predictions": self.session.run(None, {self.input: x})[0].tolist()}
"""
        },
        ("-m", "bentoml", "serve", "bench:Bench", "--host", "127.0.0.1", "--port", "PORT"),
        "/predict",
    ),
    Peer(
        "Ray Serve",
        ("ray[serve]==2.60.0", _RUNTIME),
        {
            "bench.py": _SESSION
            + """
import signal, ray
from ray import serve
ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": PORT})
@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0.5})
class Bench:
    def __init__(self):
        self.session = session("FILE")
        self.input = self.session.get_inputs()[0].name
    async def __call__(self, request):
        x = numpy.array((await request.json())["instances"], dtype="float32")
        return {"predictions": self.session.run(None, {self.input: x})[0].tolist()}
serve.run(Bench.bind(), route_prefix="/predict")
signal.pause()
"""
        },
        ("bench.py",),
        "/predict",
    ),
)


def marked(mark: str) -> list[int]:
    """Processes of a peer."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@contextmanager
def running(peer: Peer, file: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """The URL that is asked, and the mark of its processes, once it answers.

    Raises:
        Failed: it does not start.
    """
    try:
        python = environment(peer.name.lower().removesuffix(" serve"), *peer.needs)
    except (RuntimeError, OSError) as exc:
        raise Failed(str(exc)) from exc
    folder.mkdir()
    port, other, third = free_port(), free_port(), free_port()
    words = {"PORT": str(port), "OTHER": str(other), "THIRD": str(third), "FILE": str(file)}

    def filled(text: str) -> str:
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    for name, text in peer.files.items():
        (folder / name).write_text(filled(textwrap.dedent(text)))
    mark = f"DLLAB_BENCH={secrets.token_hex(8)}"
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("DLLAB_", "PYTHON"))},
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder),
        # None of them reports its use to its maker.
        "BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1",
        mark.partition("=")[0]: mark.partition("=")[2],
    }  # fmt: skip
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python, *map(filled, peer.command)], cwd=folder, env=env,
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}{peer.path}"
    try:
        _wait(peer, url, process, log)
        yield url, mark
    finally:
        _end(mark, process)


def _wait(peer: Peer, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up, said = time.monotonic() + 120, "it does not listen"
    with httpx.Client(trust_env=False, timeout=10) as http:
        while time.monotonic() < give_up and process.poll() is None:
            try:
                answer = http.post(
                    url, content=peer.body, headers={"Content-Type": "application/json"}
                )
            except httpx.HTTPError:
                time.sleep(0.2)
                continue
            if answer.status_code == 200:
                return
            said = f"{answer.status_code}: {answer.text[:200]}"
            time.sleep(0.2)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if process.poll() is not None:
        said = f"it ended with {process.returncode}"
    raise Failed(f"{said}; its log ends: {' / '.join(lines[-3:])[-400:]}")


def _end(mark: str, process: subprocess.Popen[bytes]) -> None:
    """SIGTERM for the first, SIGKILL for what is left."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            print("    it does not end by itself", file=sys.stderr)
    give_up = time.monotonic() + 10
    while (left := marked(mark)) and time.monotonic() < give_up:
        for pid in left:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
        time.sleep(0.1)
    process.wait(10)
