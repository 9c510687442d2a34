"""Launch: spawn to ready against plain SimpleLocalProcessSpawner, hub start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import stub_lab
from browser_session import BrowserSession
from running_hub import TOKEN, RunningHub, hub_with_stubs
from table import Row, Spread, pairs

PAIRS = 10
PASSWORD = "bench-bench-bench"
PLAIN = """
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = {password!r}
c.Authenticator.allow_all = True
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.SimpleLocalProcessSpawner.home_dir_template = {root!r} + "/{{username}}"
c.Spawner.args = ["--allow-root"]
c.Spawner.http_timeout = 60
"""
#: The same hub and spawner, with a server that does nothing and a token for who measures.
STUBS = """
c.Spawner.cmd = {stub!r}
c.JupyterHub.services = [{{"name": "bench", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "bench", "services": ["bench"], "scopes": ["admin:users", "admin:servers"]}}
]
"""
#: People who start a lab in one round of the throughput row, and how many of them at a time.
PEOPLE, AT_ONCE, ROUNDS = 30, 10, 5


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def plain_hub(root: Path, more: str = "") -> tuple[subprocess.Popen[bytes], str]:
    """JupyterHub as its own documentation starts it, with our proxy installation."""
    ports = free_ports(3)
    proxies = Path(os.environ["DLLAB_ENVS"]) / "configurable-http-proxy"
    proxy = str(proxies / "node_modules" / ".bin" / "configurable-http-proxy")
    config = root / "plain.py"
    plain = PLAIN.format(ports=ports, password=PASSWORD, root=str(root), proxy=proxy)
    config.write_text(plain + more)
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterhub", "-f", str(config)],
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=(root / "plain.log").open("wb"),
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{ports[0]}"
    for _ in range(600):
        try:
            if httpx.get(f"{address}/hub/health", trust_env=False).status_code == 200:
                return process, address
        except httpx.TransportError:
            pass  # Not listening yet.
        time.sleep(0.1)
    raise AssertionError((root / "plain.log").read_text()[-2000:])


def spawn(session: BrowserSession, options: dict[str, object]) -> float:
    """Seconds from the request to a server that is ready; it is stopped again afterwards."""
    headers = {"X-XSRFToken": session.xsrf("/hub/home")}
    path = f"/hub/api/users/{session.user}/server"
    began = time.monotonic()
    session.http.post(path, json=options, headers=headers).raise_for_status()
    with session.http.stream("GET", f"{path}/progress", timeout=120) as answer:
        for line in answer.iter_lines():
            if line.startswith("data:") and json.loads(line[5:]).get("ready"):
                break
    took = time.monotonic() - began
    session.http.delete(path, headers=headers).raise_for_status()
    for _ in range(300):
        if not session.http.get(f"/hub/api/users/{session.user}").json()["servers"]:
            return took
        time.sleep(0.1)
    raise AssertionError("the server did not stop")


def rows() -> Iterator[Row]:
    """Measure."""
    ours: list[float] = []
    peer: list[float] = []
    starts: list[float] = []
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        root = Path(name)
        up = RunningHub(root / "state", dict(os.environ))
        began = time.monotonic()
        up.start()
        starts.append(time.monotonic() - began)
        plain, address = plain_hub(root)
        try:
            lab = BrowserSession(up.facts["address"], up.facts["user"])
            lab.log_in(up.facts["password"])
            other = BrowserSession(address, "bench")
            other.log_in(PASSWORD)
            for _ in range(PAIRS):
                ours.append(spawn(lab, {"image": "pytorch", "gpus": 0}))
                peer.append(spawn(other, {}))
        finally:
            plain.terminate()
            plain.wait(30)
            up.stop()
    a, b = Spread(tuple(ours), "s"), Spread(tuple(peer), "s")
    yield Row(
        "launch: spawn to ready, against plain SimpleLocalProcessSpawner",
        a,
        b,
        "median difference <= 0.3 s",
        pairs(a, b, "difference") <= 0.3,
    )
    start = Spread(tuple(starts), "s")
    yield Row("launch: dllab up to address printed, second start", start, None, "<= 15 s",
              start.median <= 15)  # fmt: skip
    yield throughput()


def throughput() -> Row:
    """Labs that a hub starts in a minute, when the server that it starts takes no time."""
    stub = [sys.executable, "-I", "-S", str(Path(stub_lab.__file__))]
    ours: list[float] = []
    peer: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="dllab-bench-") as name,
        hub_with_stubs(Path(name) / "ours", 0) as up,
    ):
        plain, address = plain_hub(Path(name), STUBS.format(stub=stub, token=TOKEN))
        try:
            for hub in (up.facts["address"], address):
                rate(hub)  # Not counted: people are made, caches are filled.
            for _ in range(ROUNDS):
                ours.append(rate(up.facts["address"]))
                peer.append(rate(address))
        finally:
            plain.terminate()
            plain.wait(30)
    a, b = Spread(tuple(ours), "/min"), Spread(tuple(peer), "/min")
    return Row(
        "launch: hub spawns per minute with a stub process, against the plain spawner",
        a,
        b,
        ">= 0.95x",
        pairs(a, b, "ratio") >= 0.95,
    )


def rate(address: str) -> float:
    """Start everybody's lab, `AT_ONCE` at a time; labs per minute. They are stopped again."""
    with (
        httpx.Client(
            base_url=f"{address}/hub/api",
            headers={"Authorization": f"token {TOKEN}"},
            trust_env=False,
            timeout=60,
            limits=httpx.Limits(max_connections=AT_ONCE),
        ) as http,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        users = [f"user{n}" for n in range(PEOPLE)]

        def start(user: str) -> None:
            answer = http.post(f"/users/{user}/server", json={})
            assert answer.status_code == 201, answer.text

        def stop(user: str) -> None:
            http.delete(f"/users/{user}/server").raise_for_status()
            while http.get(f"/users/{user}").json()["servers"]:
                time.sleep(0.05)

        list(pool.map(lambda user: http.post(f"/users/{user}"), users))
        began = time.monotonic()
        list(pool.map(start, users))
        took = time.monotonic() - began
        list(pool.map(stop, users))
    return 60 * PEOPLE / took
