"""A real HAProxy with real replicas behind it, and clients that ask without a pause."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from serving_place import ServingPlace, end_all, local_serving

from dllab_hub.backends.local.serving.balancer import Balancer, Server
from dllab_hub.state import StateDir

ECHO = Path(__file__).with_name("echo_replica.py")
MAX_BODY = 2_000_000


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for a condition; fails when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{condition} did not come true"
        time.sleep(0.01)


class UnixConnection(http.client.HTTPConnection):
    """HTTP through a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Farm:
    """A balancer, its HAProxy and the replicas that were started for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.balancer = Balancer("net", folder, folder / "haproxy.cfg", max_body=MAX_BODY)
        self.replicas: dict[str, subprocess.Popen[bytes]] = {}
        self.haproxy: subprocess.Popen[bytes] | None = None

    def start(self, *names: str) -> None:
        """Start HAProxy with these replicas in its configuration."""
        self.balancer.write([self.replica(name) for name in names])
        self.run()

    def run(self) -> None:
        """Start HAProxy with the configuration that there is."""
        command = self.balancer.command()
        with open(self.folder / "haproxy.log", "ab") as log:
            self.haproxy = subprocess.Popen(command, stdout=log, stderr=log)
        until(self.balancer.is_up)

    def replica(self, name: str, pool: str = "replicas") -> Server:
        """A replica that listens; the one of the name if it was started before."""
        server = Server(name, self.folder / f"{name}.sock", pool=pool)
        if name not in self.replicas:
            self.replicas[name] = subprocess.Popen([sys.executable, ECHO, server.socket, name])
            until(server.socket.exists)
        return server

    def kill(self, name: str) -> None:
        """SIGKILL for a replica."""
        self.replicas[name].kill()
        self.replicas[name].wait()

    def kill_haproxy(self) -> None:
        """SIGKILL for HAProxy."""
        assert self.haproxy is not None
        self.haproxy.kill()
        self.haproxy.wait()

    def ask(
        self,
        method: str = "POST",
        path: str = "/v1/models/net:predict",
        body: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, object], dict[str, str]]:
        """Status, JSON and headers of the answer on a connection of its own; an iterator as body
        travels in chunks."""
        with contextlib.closing(UnixConnection(self.balancer.socket)) as connection:
            # An answer that came before all of the body was read ends the sending.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), dict(answer.getheaders())

    def count(self, requests: int, **headers: str) -> Counter[str]:
        """How many of so many requests, one after the other, each replica has answered."""
        found: Counter[str] = Counter()
        with contextlib.closing(UnixConnection(self.balancer.socket)) as connection:
            for _ in range(requests):
                connection.request("POST", "/v1/models/net:predict", b"x", headers)
                answer = connection.getresponse()
                about = json.loads(answer.read())
                found[about.get("replica") or str(answer.status)] += 1
        return found

    def close(self) -> None:
        for process in (self.haproxy, *self.replicas.values()):
            if process is not None:
                process.kill()
                process.wait()


class Load:
    """Clients that ask without a pause, each on a connection that it keeps.

    Attributes:
        answers: How often each (status, replica or error) came; 0 is a connection that broke.
    """

    def __init__(self, farm: Farm, size: int, clients: int = 6) -> None:
        self.answers: Counter[tuple[int, str]] = Counter()
        self._farm = farm
        self._body = b"x" * size
        self._end = threading.Event()
        self._turns = [0] * clients
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def more(self, turns: int = 30) -> None:
        """Wait until each client has so many more answers."""
        until_ = [before + turns for before in self._turns]
        until(lambda: all(now >= then for now, then in zip(self._turns, until_, strict=True)))

    def of(self, name: str) -> int:
        """Answers of one replica."""
        return self.answers[200, name]

    def failed(self) -> dict[tuple[int, str], int]:
        """Answers other than 200."""
        return {key: count for key, count in self.answers.items() if key[0] != 200}

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        self.more()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        with contextlib.closing(UnixConnection(self._farm.balancer.socket)) as connection:
            while not self._end.is_set():
                try:
                    connection.request("POST", "/v1/models/net:predict", self._body)
                    answer = connection.getresponse()
                    about = json.loads(answer.read())
                    self.answers[answer.status, about.get("replica") or about["error"]] += 1
                except (OSError, http.client.HTTPException) as exc:
                    self.answers[0, repr(exc)] += 1
                    connection.close()
                    time.sleep(0.01)
                self._turns[number] += 1


@pytest.fixture
def farm() -> Iterator[Farm]:
    """Nothing runs yet. Its folder has a space in its name, and is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="dllab b") as folder:
        place = Farm(Path(folder))
        try:
            yield place
        finally:
            place.close()


@pytest.fixture(params=[20, 200_000], ids=["20B", "200KB"])
def load(farm: Farm, request: pytest.FixtureRequest) -> Callable[[], Load]:
    """Make a load of bodies of one size."""
    return lambda: Load(farm, request.param)


@pytest.fixture
def a_state(tmp_path: Path) -> Iterator[StateDir]:
    """A state directory of nobody; nothing of it runs when the test is over."""
    state = StateDir(tmp_path / "state", tmp_path / "envs")
    yield state
    end_all(state)


@pytest.fixture
async def local(a_state: StateDir, onnx_models: Path) -> AsyncIterator[ServingPlace]:
    """Serving on this machine; nothing runs when the test is over."""
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        yield place
        await place.clear()
