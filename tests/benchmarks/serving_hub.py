"""`Bench`: a hub with one deployment, as ``dllab up`` starts it; and `ask`, the barest caller."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from browser_session import BrowserSession
from running_hub import RunningHub

from dllab_hub import Client, images
from dllab_hub.specs import DeploymentSpec, DeploymentState
from dllab_hub.state import StateDir

__all__ = ("BODY", "Bench", "ask")

BODY = json.dumps({"instances": [[0.5] * 64]}).encode()
#: A network of the size of the tour's, without training.
NETWORK = """
import pathlib, sys, torch
from dllab_hub.export import export
net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
export(net, torch.rand(4, 64), pathlib.Path(sys.argv[1]), name="bench")
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

    def scale(self, replicas: int) -> None:
        """Have so many replicas, and wait for them."""
        self.client.scale("bench", replicas)
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
        wish = json.loads(next(self._folders()).joinpath("deployment.json").read_text())
        return Path(self.up.state.sockets / wish["id"] / "lb.sock")

    @property
    def config(self) -> Path:
        """What the balancer starts with."""
        return next(self._folders()) / "haproxy.cfg"

    def _folders(self) -> Iterator[Path]:
        return self.up.state.deployments.glob("*/bench")

    def replicas(self) -> list[int]:
        """Their processes."""
        return [one.pid for one in self.client.deployment("bench").replicas if one.pid]

    def close(self) -> None:
        for one in self.client.deployments().deployments:
            self.client.delete(one.name)
        self.client.close()
        self.session.http.close()
        self.up.stop()
