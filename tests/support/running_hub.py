"""`RunningHub`: a real hub, proxy and lab service, started by ``dllab up``; and its machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import stub_lab
from browser_session import BrowserSession

from dllab_hub import __version__, images
from dllab_hub.hub.lab import Lab
from dllab_hub.state import StateDir
from dllab_hub.testing.nvml import FakeNvml

__all__ = (
    "GPUS",
    "PROMETHEUS",
    "RunningHub",
    "environment_with_images",
    "hub_with_gpus",
    "hub_with_stubs",
    "make_image",
    "marked",
    "until",
    "write_state",
)

TOKEN = "a-token-for-the-tests"
PROMETHEUS = "a-token-for-prometheus"
GPUS = 2
CONFIG = f"""
c.JupyterHub.services.append({{"name": "tests", "api_token": "{TOKEN}"}})
c.JupyterHub.load_roles.append(
    {{"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers"]}}
)
"""


def marked(mark: str) -> list[int]:
    """Processes with this text in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true value of the condition; the last value when the time is over."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return value


@dataclass
class RunningHub:
    """``dllab up`` as a person starts it, and the hub's REST interface."""

    home: Path
    environ: dict[str, str]
    python: str = sys.executable
    options: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    sessions: list[BrowserSession] = field(default_factory=list)

    @property
    def state(self) -> StateDir:
        return StateDir(self.home, Path(self.environ["DLLAB_ENVS"]))

    def of_lab(self, id: str) -> list[int]:
        """Processes of one of its labs."""
        return marked(f"DLLAB_LEASE={Lab(self.state, id, '', '', False).mark}")

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".up.log")

    def command(self, port: int = 0) -> list[str]:
        up = ("up", "--no-browser", "--home", str(self.home), "--port", str(port))
        return [self.python, "-m", "dllab_hub.cli", *up, *self.options]

    def start(self, seconds: float = 120) -> None:
        self.facts.clear()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                env=self.environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        wanted = {"address", "user"} if "--os-users" in self.options else {
            "address", "user", "password"
        }  # fmt: skip

        def said() -> bool:
            for word in wanted:
                if found := re.search(rf"^  {word} +(\S+)", self.log.read_text(), re.M):
                    self.facts[word] = found[1]
            assert self.process is not None
            return wanted <= set(self.facts) or self.process.poll() is not None

        until(said, seconds)
        assert wanted <= set(self.facts), self.log.read_text()

    def stop(self) -> int:
        for session in self.sessions:
            session.http.close()
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(90)

    def kill(self) -> None:
        """The hub dies without a word; ``dllab up`` starts it anew, maybe not the first time."""

        def returns() -> int:
            return self.log.read_text().count("the hub is back at")

        before = returns()
        os.kill(json.loads((self.home / "hub" / "hub.json").read_text())["pid"], signal.SIGKILL)
        assert until(lambda: returns() > before, 90), self.hub_log()

    def api(self, method: str, path: str, json: Any = None) -> httpx.Response:
        # Without TLS, whose certificates take longer to read than the hub to answer.
        with httpx.Client(trust_env=False, timeout=60, verify=False) as http:
            return http.request(
                method,
                f"{self.facts['address']}/hub/api{path}",
                json=json,
                headers={"Authorization": f"token {TOKEN}"},
            )

    def add(self, user: str) -> None:
        """Make a user; one that exists already is fine."""
        assert self.api("POST", f"/users/{user}").status_code in (201, 409)

    def spawn(self, user: str, options: Any, server: str = "") -> httpx.Response:
        self.add(user)
        path = f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"
        return self.api("POST", path, options)

    def server(self, user: str, server: str = "") -> dict[str, Any] | None:
        """The hub's model of a server that is active, else None."""
        found: dict[str, Any] = self.api("GET", f"/users/{user}").json()["servers"]
        return found.get(server)

    def wait_ready(self, user: str, server: str = "", seconds: float = 90) -> dict[str, Any]:
        def ready() -> dict[str, Any] | None:
            model = self.server(user, server)
            assert model is not None, self.hub_log()
            return model if model["ready"] else None

        model = until(ready, seconds)
        assert model, self.hub_log()
        return dict(model)

    def end(self, user: str, server: str = "") -> None:
        path = f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"
        self.api("DELETE", path)
        assert until(lambda: self.server(user, server) is None, 60)

    def session(self, user: str, password: str = "") -> BrowserSession:
        session = BrowserSession(self.facts["address"], user)
        self.sessions.append(session)
        session.log_in(password or self.facts["password"])
        return session

    def hub_log(self) -> str:
        return (self.home / "hub" / "hub.log").read_text()[-5000:]


def environment_with_images(tmp: Path) -> dict[str, str]:
    """The environment of a new ``dllab up``: with the built images, or ones around interpreters.

    ``make`` builds the images. Plain interpreters with torch (DLLAB_TEST_PYTHON) and with KServe
    (DLLAB_TEST_SERVER) do as well: three links and a marker make an image of one.
    """
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("DLLAB_", "JUPYTERHUB_"))}
    pythons = {"pytorch": "DLLAB_TEST_PYTHON", "serving": "DLLAB_TEST_SERVER"}
    built = [env for env in images.find(StateDir.default()) if env.ready]
    if pythons.keys() <= {env.image.name for env in built}:
        return {**environ, "DLLAB_ENVS": str(built[0].path.parent)}
    for image, variable in pythons.items():
        if variable not in os.environ:
            pytest.fail(f"no {image} environment: run make .make/image, or set {variable}.")
        make_image(StateDir(tmp, tmp / "envs"), image, Path(os.environ[variable]))
    return {**environ, "DLLAB_ENVS": str(tmp / "envs")}


def make_image(state: StateDir, name: str, python: Path) -> None:
    """The environment of an image, around an interpreter that is there already."""
    env = images.named(state, name)
    env.path.mkdir(parents=True)
    for part in ("bin", "lib", "pyvenv.cfg"):
        (env.path / part).symlink_to(python.parents[1] / part)
    (env.path / ".complete").write_text(f'{{"dllab_hub": "{__version__}"}}')


@contextmanager
def hub_with_gpus(tmp: Path) -> Iterator[RunningHub]:
    """A hub in single-user mode, on a machine with fake GPUs and one volume."""
    (tmp / "volume").mkdir()
    write_state(tmp / "state", tmp / "volume")
    fake = FakeNvml.build(tmp / "nvml", gpus=GPUS)
    running = RunningHub(tmp / "state", {**environment_with_images(tmp), **fake.env})
    running.start()
    yield running
    running.stop()
    assert [] == marked(f"DLLAB_HOME={tmp / 'state'}"), "processes are left over"


@contextmanager
def hub_with_stubs(
    tmp: Path, gpus: int, settings: str = "", **environ: str
) -> Iterator[RunningHub]:
    """A hub whose labs are servers that do nothing, on a machine with so many fake GPUs.

    Args:
        tmp: Directory for all of it.
        gpus: How many.
        settings: More lines for the hub's configuration.
        environ: More variables for the hub.
    """
    (tmp / "volume").mkdir(parents=True)
    write_state(tmp / "state", tmp / "volume")
    config = tmp / "state" / "hub" / "jupyterhub_config.py"
    command = [sys.executable, "-I", "-S", str(Path(stub_lab.__file__))]
    config.write_text(f"{config.read_text()}c.Spawner.cmd = {command!r}\n{settings}\n")
    fake = FakeNvml.build(tmp / "nvml", gpus=gpus)
    environ = {**environment_with_images(tmp), **environ}
    own = tmp / "own-envs"  # So that a test can pretend to build something.
    own.mkdir()
    for path in Path(environ["DLLAB_ENVS"]).iterdir():
        if path.is_dir():
            (own / path.name).symlink_to(path)
    running = RunningHub(tmp / "state", {**environ, "DLLAB_ENVS": str(own), **fake.env})
    running.start()
    yield running
    running.stop()
    assert [] == marked(f"DLLAB_HOME={tmp / 'state'}"), "processes are left over"


def write_state(home: Path, volume: Path) -> None:
    """The administrator's files."""
    (home / "hub").mkdir(parents=True)
    (home / "hub" / "jupyterhub_config.py").write_text(CONFIG)
    (home / "hub" / "prometheus-token").write_text(f"{PROMETHEUS}\n")
    (home / "catalog.toml").write_text(
        f'[[volumes]]\nname = "digits"\ntitle = "Digits"\npath = "{volume}"\nread_only = true\n'
    )
