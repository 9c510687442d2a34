"""`ModelService`: the lab service as a process, models that it serves, and callers of these.

Everything is real but the hub, of which the stub only knows tokens: ada's requests go through the
lab service, the balancer and a replica, at the address that programs are given.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from running_hub import make_image
from service_process import starting, up
from serving_place import end_all
from stub_hub import running_loop, stub_hub

from dllab_hub.client import Client
from dllab_hub.errors import NotFound
from dllab_hub.shim.ports import free_port
from dllab_hub.specs import Deployment, DeploymentSpec, DeploymentState
from dllab_hub.state import StateDir

__all__ = ("LARGE", "SMALL", "Callers", "ModelService", "model_service", "private", "until")

#: Some digits as people send them, in some hundred bytes.
SMALL = json.dumps({"instances": [[0.5, 0.25]] * 32}).encode()
#: One million bytes.
LARGE = (json.dumps({"instances": [[0.123456789, 1.0]] * 49_000})[:-1] + "}").encode()
LARGE += b" " * (1_000_000 - len(LARGE))


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """The first true value of a condition."""
    give_up = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < give_up, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return value


class ModelService:
    """A machine with the lab service, and ada, whose models it serves.

    Attributes:
        state: Where all of it lies.
        client: Of ada.
        process: The service.
        address: Scheme, host and port.
        token: Of ada.
    """

    token = "ada-token"

    def __init__(self, home: Path, port: int, client: Client, process: psutil.Popen) -> None:
        self.state = StateDir(home / "state", home / "envs")
        self.log = home / "log"
        self.client = client
        self.process = process
        self.address = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(trust_env=False, timeout=100, headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        """What ada's programs send with each request."""
        return {"Authorization": f"token {self.token}"}

    def publish(self, file: Path, name: str = "net") -> int:
        """The next version of a model; its number."""
        return int(self.client.publish(name, file).version)

    def deploy(self, name: str = "net", replicas: int = 1, **wish: Any) -> Deployment:
        """The deployment once all is as wished for."""
        self.client.deploy(DeploymentSpec(name=name, model=name, replicas=replicas, **wish))
        return self.ready(name)

    def serve(self, file: Path, name: str = "net", replicas: int = 1) -> Deployment:
        """A published and deployed model, once it answers."""
        self.publish(file, name)
        return self.deploy(name, replicas)

    def ready(self, name: str = "net", seconds: float = 90) -> Deployment:
        """The deployment once all its replicas answer, and no others are there."""

        def is_ready() -> Deployment | None:
            now = self.client.deployment(name)
            whole = now.state is DeploymentState.READY and len(now.replicas) == now.spec.replicas
            return now if whole else None

        found: Deployment = until(is_ready, f"{name} being ready", seconds)
        return found

    def url(self, path: str = "", name: str = "net") -> str:
        """Where a deployment answers."""
        return f"{self.address}/services/dllab/serve/ada/{name}/{path}"

    def v1(self, body: object, name: str = "net") -> httpx.Response:
        """A V1 prediction."""
        return self.ask(f"v1/models/{name}:predict", json.dumps(body).encode(), name)

    def v2(self, *inputs: object, name: str = "net", **more: object) -> httpx.Response:
        """A V2 inference."""
        body = json.dumps({"inputs": inputs, **more}).encode()
        return self.ask(f"v2/models/{name}/infer", body, name)

    def ask(self, path: str, body: bytes, name: str = "net", **headers: str) -> httpx.Response:
        """A body, as it is."""
        given = {"Content-Type": "application/json", **headers}
        return self.http.post(self.url(path, name), content=body, headers=given)

    def socket(self, name: str = "net") -> Path:
        """The balancer's."""
        wish = json.loads((self._folder(name) / "deployment.json").read_text())
        return self.state.sockets / wish["id"] / "lb.sock"

    def balancer(self, name: str = "net") -> psutil.Process:
        """HAProxy."""
        return self._child(name, "balancer")

    def replica(self, name: str = "net", number: int = 0) -> psutil.Process:
        """A model server; the oldest, unless it is said."""
        pid = self.client.deployment(name).replicas[number].pid
        assert pid is not None
        return psutil.Process(pid)

    def memory(self, name: str = "net") -> dict[str, int]:
        """Bytes that each part of the chain holds for itself."""
        parts = {
            "service": self.process.pid,
            "balancer": self.balancer(name).pid,
            "replica": self.replica(name).pid,
        }
        return {part: private(pid) for part, pid in parts.items()}

    def clear(self) -> None:
        """Delete every deployment, and wait until they are gone."""
        for one in self.client.deployments().deployments:
            with suppress(NotFound):
                self.client.delete(one.name)
        until(lambda: not self.client.deployments().deployments, "the end of all deployments")

    def _folder(self, name: str) -> Path:
        return self.state.deployments / "ada" / name

    def _child(self, name: str, unit: str) -> psutil.Process:
        launch = self._folder(name) / "units" / unit / "launch.json"
        [process] = psutil.Process(json.loads(launch.read_text())["pid"]).children()
        return process


def private(pid: int) -> int:
    """Bytes of memory that a process holds for itself."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


class Callers:
    """Programs that ask without a pause, each over a connection that it keeps.

    Attributes:
        answers: How often each (status or error, version of the model) came.
        seconds: Each answer took.
    """

    def __init__(
        self, service: ModelService, body: bytes, name: str = "net", callers: int = 4
    ) -> None:
        self.answers: Counter[tuple[object, str]] = Counter()
        self.seconds: list[float] = []
        self._url = urlsplit(service.url(f"v1/models/{name}:predict", name))
        self._headers = {**service.headers, "Content-Type": "application/json"}
        self._body = body
        self._end = threading.Event()
        self._turns = [0] * callers
        self._threads = [
            threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(callers)
        ]

    @property
    def wrong(self) -> dict[tuple[object, str], int]:
        """Answers other than 200, and none at all."""
        return {key: count for key, count in self.answers.items() if key[0] != 200}

    def more(self, answers: int = 20) -> None:
        """Wait for so many more answers."""
        goal = self.answers.total() + answers
        until(lambda: self.answers.total() >= goal, f"{answers} more answers")

    def all_more(self, turns: int = 3, seconds: float = 150) -> None:
        """Wait until each caller has so many more answers."""
        goals = [turn + turns for turn in self._turns]
        until(
            lambda: all(now >= goal for now, goal in zip(self._turns, goals, strict=True)),
            f"{turns} more answers for each",
            seconds,
        )

    def __str__(self) -> str:
        slowest = max(self.seconds, default=0.0)
        middle = statistics.median(self.seconds) if self.seconds else 0.0
        return (
            f"{self.answers.total()} answers, {sum(self.wrong.values())} failed, "
            f"median {middle * 1e3:.0f} ms, longest {slowest:.1f} s"
        )

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        self.more()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(120)

    def _ask(self, number: int) -> None:
        with closing(
            http.client.HTTPConnection(self._url.hostname or "", self._url.port, timeout=100)
        ) as connection:
            while not self._end.is_set():
                began = time.monotonic()
                try:
                    connection.request("POST", self._url.path, self._body, self._headers)
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException) as exc:
                    self.answers[repr(exc), ""] += 1
                    connection.close()
                    time.sleep(0.01)
                    continue
                self.seconds.append(time.monotonic() - began)
                self.answers[answer.status, answer.getheader("x-model-version", "")] += 1
                self._turns[number] += 1


@contextmanager
def model_service(home: Path, *, gone: bool = True) -> Iterator[ModelService]:
    """One that has started; nothing of it is left.

    Args:
        home: Where everything lies.
        gone: Delete the deployments in the end as a person does; else they are killed.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    envs = home / "envs"
    with (
        running_loop() as loop,
        stub_hub(loop) as hub,
        starting(home, home / "log", port, hub) as start,
        closing(Client(f"http://127.0.0.1:{port}/services/dllab/dllab/api/", "ada-token")) as ada,
    ):
        state = StateDir(home / "state", envs)
        make_image(state, "serving", Path(os.environ["DLLAB_TEST_SERVER"]))
        process = start(DLLAB_ENVS=str(envs))
        up(ada, process)
        service = ModelService(home, port, ada, process)
        try:
            yield service
            if gone:
                service.clear()
        finally:
            service.http.close()
            if process.is_running() and process.status() == psutil.STATUS_STOPPED:
                process.send_signal(signal.SIGCONT)
            end_all(state)
