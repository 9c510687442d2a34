"""The extension in a Jupyter server as people start it: a process of its own."""

from __future__ import annotations

import getpass
import json
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest
from jupyter_server.auth import passwd
from served import ONNX, Host, StubHub, until

from dllab_hub.client import Client
from dllab_hub.errors import DLLabError, Unavailable
from dllab_hub.specs import Code, JobState, TrainingSpec

SPEC = TrainingSpec(name="digits", image="here", code=Code(source="print('hello')"), max_restarts=0)


@dataclass
class Server:
    """A running Jupyter server."""

    process: psutil.Popen
    url: str
    token: str
    log: Path
    password: str = ""

    def api(self, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"token {self.token}"} if self.token else {}
        return httpx.request(
            more.pop("method", "GET"), self.url + path, headers=headers, trust_env=False, **more
        )

    def client(self) -> Client:
        return Client(f"{self.url}dllab/api/", self.token)

    def kernel_environment(self) -> dict[str, str]:
        """The environment of a new kernel."""
        if self.token:
            assert self.api("api/kernels", method="POST", json={}).status_code == 201
        else:
            with httpx.Client(base_url=self.url, trust_env=False) as http:
                http.get("login" if self.password else "nowhere")  # A page sets the cookie.
                if self.password:
                    form = {"password": self.password, "_xsrf": http.cookies["_xsrf"]}
                    http.post("login", data=form)
                headers = {"X-XSRFToken": http.cookies["_xsrf"]}
                answer = http.post("api/kernels", headers=headers, json={})
                assert answer.status_code == 201, answer.text
        kernel = until(lambda: [p for p in self.process.children() if "ipykernel" in argv(p)])[0]
        return dict(kernel.environ())

    def stop(self) -> str:
        """End it as a person does; what it has said."""
        if self.process.is_running():
            self.process.terminate()
            self.process.wait(15)
        return self.log.read_text()


def argv(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a Jupyter server with the extension enabled as the package enables it."""
    started: list[Server] = []

    def start(token: str | None = None, password: str = "", **env: str) -> Server:
        home = tmp_path / f"jupyter-{len(started)}"
        home.mkdir()
        token = secrets.token_hex() if token is None else token
        others = ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim")
        config = {
            "port": 0,
            "ip": "127.0.0.1",
            "base_url": "/base/",
            "open_browser": False,
            "allow_root": True,
            "root_dir": str(home),
            "jpserver_extensions": {"dllab_hub": True, **dict.fromkeys(others, False)},
        }
        (home / "jupyter_server_config.json").write_text(
            json.dumps(
                {
                    "ServerApp": config,
                    "IdentityProvider": {"token": token},
                    "PasswordIdentityProvider": {
                        "hashed_password": passwd(password) if password else ""
                    },
                }
            )
        )
        dirs = {f"JUPYTER_{name}_DIR": str(home) for name in ("CONFIG", "DATA", "RUNTIME")}
        own = {"DLLAB_HOME": str(tmp_path / "state"), "DLLAB_ENVS": str(tmp_path / "envs")}
        with (home / "log").open("wb") as log:
            process = psutil.Popen(
                [sys.executable, "-m", "jupyter_server"],
                env={**os.environ, **dirs, **own, "HOME": str(home), **env},
                cwd=home,
                stdin=subprocess.DEVNULL,
                stderr=log,
                stdout=log,
            )
        server = Server(process, "", token, home / "log", password)
        started.append(server)
        info = home / f"jpserver-{process.pid}.json"

        def url() -> str | None:
            assert process.poll() is None, server.log.read_text()
            try:
                about = json.loads(info.read_text())
                # It is written before the port is listened on.
                socket.create_connection((about["hostname"], about["port"]), 5).close()
            except (OSError, ValueError):
                return None
            return str(about["url"])

        server.url = until(url, 30)
        return server

    yield start
    for server in started:
        server.stop()


def ready(client: Client) -> dict[str, Any]:
    """The status, once there is one."""

    def status() -> dict[str, Any] | None:
        try:
            return client.status()
        except Unavailable:
            return None

    found: dict[str, Any] = until(status, 20)
    return found


def test_a_plain_jupyter_server(start: Start) -> None:
    """It runs jobs itself, for the account; its kernels know where; it ends without a word."""
    server = start()
    client = server.client()
    status = ready(client)
    assert (status["user"], status["backend"]) == (getpass.getuser(), "local")
    assert client.catalog().default_image == "here"

    environ = server.kernel_environment()
    assert environ["DLLAB_API_URL"] == f"{server.url}dllab/api/"
    inside = Client(environ["DLLAB_API_URL"], environ["DLLAB_API_TOKEN"])
    job = inside.submit(SPEC)
    assert "[worker-0] hello\n" == "".join(inside.follow(job.id))
    assert client.wait(job.id, 20).state is JobState.SUCCEEDED
    assert inside.tensorboard_url() == "/base/tensorboard/"
    boards = server.api("dllab/api/tensorboards").json()["tensorboards"]
    assert job.tensorboard == "" or client.get(job.id).tensorboard.startswith(boards[0]["logdir"])
    inside.close()
    client.close()

    said = server.stop()
    assert environ["DLLAB_API_TOKEN"] not in said
    # A kernel that ends has a complaint of its own about a task of ipykernel's.
    ours = [line for line in said.splitlines() if "ipykernel" not in line]
    assert not re.search("Traceback|never retrieved|dllab.*was destroyed", "\n".join(ours))


@pytest.mark.parametrize("password", ["", "open sesame"], ids=["no sign-in", "password"])
def test_a_server_without_a_token(start: Start, password: str) -> None:
    """Kernels of a server without a token get one that opens the lab's routes and nothing else."""
    server = start(token="", password=password)
    environ = server.kernel_environment()
    address, token = environ["DLLAB_API_URL"], environ["DLLAB_API_TOKEN"]
    with closing(Client(address, token)) as client:
        ready(client)
        assert client.wait(client.submit(SPEC).id, 20).state is JobState.SUCCEEDED

    for wrong in ("", token[:-1], token + "x"):
        headers = {"Authorization": f"token {wrong}"} if wrong else {}
        answer = httpx.post(f"{address}jobs", headers=headers, json=SPEC.to_wire(), trust_env=False)
        assert answer.status_code == 403
    if password:
        headers = {"Authorization": f"token {token}"}
        other = httpx.get(f"{server.url}api/contents", headers=headers, trust_env=False)
        assert other.status_code == 403
    assert token not in server.stop()


def test_two_servers_of_one_account(start: Start) -> None:
    """The second one says who runs the jobs, on every route, and takes over when that one ends."""
    first = start()
    with closing(first.client()) as client:
        ready(client)
    second = start()
    client = second.client()

    def refusal() -> str | None:
        try:
            client.status()
        except DLLabError as exc:
            return exc.message if "another lab service" in exc.message else None
        raise AssertionError("it must not serve")

    assert str(first.process.pid) in until(refusal)
    for path in ("status", "gpus", "jobs", "tensorboards", "openapi.yaml", "jobs/x/logs"):
        assert second.api(f"dllab/api/{path}").status_code == 503
    assert second.api("api/status").is_success
    first.stop()
    assert ready(client)["user"] == getpass.getuser()
    client.close()


def test_in_a_lab_of_a_hub(start: Start, service: Host) -> None:
    """Everything is passed on to the service; a person is there who the lab's token says."""
    server = start(DLLAB_API_URL=service.url, JUPYTERHUB_API_TOKEN="grace-token")
    client = server.client()
    status = ready(client)
    job = client.submit(SPEC)

    assert (status["user"], status["backend"]) == ("grace", "remote")
    assert service.ask("GET", f"jobs/{job.id}", token="grace-token").json()["owner"] == "grace"
    assert service.ask("GET", f"jobs/{job.id}").status_code == 404
    boards = server.api("dllab/api/tensorboards").json()["tensorboards"]
    assert ["/base/tensorboard/"] == [board["url"] for board in boards]
    environ = server.kernel_environment()
    assert environ["DLLAB_API_URL"] == service.url
    assert "DLLAB_API_TOKEN" not in environ
    answer = server.api(f"dllab/api/jobs/{job.id}/logs?replica=worker-9")
    assert (answer.status_code, answer.json()["error"]["field"]) == (404, "replica")
    client.close()


def test_models_in_a_lab_of_a_hub(start: Start, service: Host, a_hub: StubHub) -> None:
    """A file of the lab becomes a model of the service, which serves it at its own address."""
    a_hub.add("lin-token", "lin")
    server = start(DLLAB_API_URL=service.url, JUPYTERHUB_API_TOKEN="lin-token")
    with closing(server.client()) as client:
        ready(client)
    net = server.log.parent / "net.onnx"
    net.write_bytes(ONNX)

    def ask(method: str, path: str, **more: Any) -> httpx.Response:
        return server.api(f"dllab/api/{path}", method=method, **more)

    made = ask("POST", "models/digits/versions", json={"path": "net.onnx"})
    assert (201, len(ONNX), ONNX) == (made.status_code, made.json()["size"], net.read_bytes())
    assert 413 == ask("POST", "models/x/versions", json={"path": "x" * 9_000_000}).status_code
    deployment = ask("POST", "deployments", json={"name": "digits", "model": "digits"}).json()
    assert ("lin", "/services/dllab/serve/lin/digits/") == (deployment["owner"], deployment["url"])
    assert [deployment] == ask("GET", "deployments").json()["deployments"]
    predict = ask("POST", "deployments/digits/predict", json={"instances": [[1.5]]})
    assert {"predictions": [[1.5]]} == predict.json()
    refused = ask("POST", "deployments/digits/predict", json={"instances": []})
    assert (400, "invalid_request") == (refused.status_code, refused.json()["error"]["code"])

    at = service.endpoint("lin", "digits", "v1/models/digits:predict")
    assert service.ask("POST", at, json={"instances": [1]}, token="lin-token").is_success
    # The lab has no endpoint of its own: it ends with the lab.
    assert 404 == server.api("dllab/serve/lin/digits/v2/models/digits/ready").status_code


def test_endpoints_of_a_plain_jupyter_server(start: Start) -> None:
    """They are at the server's own address, behind its own sign-in."""
    server = start()
    with closing(server.client()) as client:
        ready(client)
    at = f"dllab/serve/{quote(getpass.getuser())}/digits/v2/models/digits/ready"

    assert "not_found" == server.api(at).json()["error"]["code"]
    assert 403 == httpx.get(server.url + at, trust_env=False).status_code
    assert {"models": [], "next": None} == server.api("dllab/api/models").json()


def test_a_service_that_is_down(start: Start) -> None:
    """A lab whose service is down says so on its routes, and everything else works."""
    server = start(DLLAB_API_URL="http://127.0.0.1:1/dllab/api/", DLLAB_API_TOKEN="x")
    answer = server.api("dllab/api/jobs")

    assert answer.status_code == 503
    assert "nothing answers" in answer.json()["error"]["message"]
    assert server.api("api/status").is_success
