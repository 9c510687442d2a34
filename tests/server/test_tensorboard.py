"""TensorBoard behind a real Jupyter server: curves come back, no port is opened, idle ends it."""

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from dllab_hub.names import slug
from dllab_hub.server import tensorboard
from dllab_hub.shim.ports import free_port

BOARD = "dllab_hub.server.board"
IDLE = 3.0


@dataclass
class Lab:
    """A Jupyter server with nothing but jupyter-server-proxy."""

    process: psutil.Popen
    logdir: Path
    url: str
    token: str

    def get(self, path: str, **params: str) -> httpx.Response:
        headers = {"Authorization": f"token {self.token}"}
        return httpx.get(self.url + path, params=params, headers=headers, timeout=120)

    def boards(self) -> list[psutil.Process]:
        """Processes that have to do with TensorBoard; the one that holds the socket first."""
        return [p for p in self.process.children(recursive=True) if BOARD in _argv(p)]

    def running(self) -> list[psutil.Process]:
        """The TensorBoards themselves."""
        return [process for process in self.boards() if "--fd" in _argv(process)]


def _argv(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _until(true: Callable[[], object], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def _write(directory: Path, values: dict[int, float]) -> None:
    """A curve named ``loss``, in an event file of its own."""
    writer = EventFileWriter(str(directory))
    for step, value in values.items():
        summary = Summary(value=[Summary.Value(tag="loss", simple_value=value)])
        writer.add_event(Event(wall_time=1.0, step=step, summary=summary))
    writer.close()


def _start(home: Path, **env: str) -> Lab:
    others = ("dllab_hub", "jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim")
    port = free_port()
    token = secrets.token_hex()
    config = {
        "ip": "127.0.0.1",
        "port": port,
        "port_retries": 0,
        "base_url": "/user/ada/",
        "open_browser": False,
        "allow_root": True,
        "root_dir": str(home),
        "jpserver_extensions": {"jupyter_server_proxy": True} | dict.fromkeys(others, False),
    }
    (home / "jupyter_server_config.json").write_text(
        json.dumps({"ServerApp": config, "IdentityProvider": {"token": token}})
    )
    logdir = home / "tensorboard {ada}"
    dirs = {f"JUPYTER_{name}_DIR": str(home) for name in ("CONFIG", "DATA", "RUNTIME")}
    own = {"HOME": str(home), "TMPDIR": str(home), "DLLAB_TENSORBOARD_LOGDIR": str(logdir)}
    with (home / "log").open("wb") as log:
        process = psutil.Popen(
            [sys.executable, "-m", "jupyter_server"],
            env={**os.environ, **dirs, **own, **env},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    lab = Lab(process, logdir, f"http://127.0.0.1:{port}/user/ada/", token)

    def answers() -> bool:
        assert process.poll() is None, (home / "log").read_text()
        try:
            return lab.get("api/status").is_success
        except httpx.TransportError:
            return False

    _until(answers, 90)
    return lab


def _stop(lab: Lab) -> None:
    family = lab.process.children(recursive=True)
    lab.process.kill()
    lab.process.wait()
    for process in family:
        process.wait(10)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = _start(tmp_path_factory.mktemp("lab"), DLLAB_TENSORBOARD_IDLE=str(IDLE))
    _write(lab.logdir / "first-aaaaaaa", {0: 1.0, 10: 0.5})
    _write(lab.logdir / "second-bbbbbbb", {0: 2.0})
    yield lab
    _stop(lab)


def _curve(lab: Lab, run: str) -> list[tuple[int, float]]:
    answer = lab.get("tensorboard/data/plugin/scalars/scalars", run=run, tag="loss")
    return [(step, value) for _, step, value in answer.json()] if answer.is_success else []


def test_curves_of_all_runs_come_back(lab: Lab) -> None:
    """Each job is a run with its curve, and a running job's next points follow by themselves."""
    page = lab.get("tensorboard/")
    assert (page.status_code, "<title>TensorBoard</title>" in page.text) == (200, True)
    _until(lambda: len(lab.get("tensorboard/data/runs").json()) == 2)

    assert sorted(lab.get("tensorboard/data/runs").json()) == ["first-aaaaaaa", "second-bbbbbbb"]
    assert _curve(lab, "first-aaaaaaa") == [(0, 1.0), (10, 0.5)]
    assert _curve(lab, "second-bbbbbbb") == [(0, 2.0)]

    # A second attempt of the same job writes another file while the first one is still there.
    _write(lab.logdir / "first-aaaaaaa", {20: 0.25})
    _until(lambda: (20, 0.25) in _curve(lab, "first-aaaaaaa"), 20)


def test_it_opens_no_port(lab: Lab) -> None:
    """All of it listens on a unix socket that only this account can reach."""
    assert lab.get("tensorboard/").is_success
    boards = lab.boards()
    paths = {conn.laddr for board in boards for conn in board.net_connections("unix") if conn.laddr}

    assert len(boards) == 2
    assert [conn for board in boards for conn in board.net_connections("inet")] == []
    assert [child for board in lab.running() for child in board.children()] == []
    assert {0o700} == {Path(path).parent.stat().st_mode & 0o777 for path in paths}


def test_strangers_see_nothing(lab: Lab) -> None:
    """Without the server's token there is a login page or a refusal, never data."""
    for path in ("tensorboard/", "tensorboard/data/runs"):
        answer = httpx.get(lab.url + path)
        assert answer.status_code in {302, 401, 403}
        assert "TensorBoard" not in answer.text


def test_looking_at_it_is_not_activity(lab: Lab) -> None:
    """A page that was left open does not keep the lab from being stopped when idle."""
    lab.get("tensorboard/")
    lab.get("api/kernels")  # The last thing that counts.
    before = lab.get("api/status").json()["last_activity"]
    for _ in range(3):
        lab.get("tensorboard/data/runs")
        time.sleep(0.05)

    assert lab.get("api/status").json()["last_activity"] == before


def test_it_ends_when_idle_and_comes_back(lab: Lab) -> None:
    """After some time without requests only the small process stays; a visit starts it again."""
    lab.get("tensorboard/")
    began = time.monotonic()
    _until(lambda: not lab.running(), IDLE + 40)
    took = time.monotonic() - began
    (holder,) = lab.boards()

    assert took > IDLE - 1
    assert holder.memory_info().rss < 40 * 2**20
    assert sorted(lab.get("tensorboard/data/runs").json()) == ["first-aaaaaaa", "second-bbbbbbb"]
    assert len(lab.running()) == 1


def test_who_leaves_in_the_middle_does_not_stay(lab: Lab) -> None:
    """A page that was closed before it had read its answer does not keep TensorBoard for ever."""
    assert lab.get("tensorboard/").is_success
    holder = lab.boards()[0]
    (path,) = {conn.laddr for conn in holder.net_connections("unix") if conn.laddr}
    for _ in range(5):
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(path)
            visitor.sendall(b"GET /index.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert select.select([visitor], [], [], 20)[0]
    _until(lambda: not lab.running(), IDLE + 40)


def test_requests_at_the_moment_it_ends_are_answered(lab: Lab) -> None:
    """Killed or ending, the next request starts another one; none is lost."""
    assert lab.get("tensorboard/").is_success
    (board,) = lab.running()
    board.kill()
    board.wait(10)

    assert lab.get("tensorboard/").is_success


def test_it_ends_with_its_server(tmp_path: Path) -> None:
    """However the Jupyter server ends, TensorBoard ends with it."""
    lab = _start(tmp_path)
    assert lab.get("tensorboard/").is_success, (tmp_path / "log").read_text()
    family = lab.boards()
    lab.process.send_signal(signal.SIGKILL)
    lab.process.wait()
    _, alive = psutil.wait_procs(family, 10)

    assert (len(family), alive) == (2, [])


def test_a_board_that_cannot_start_says_so(tmp_path: Path) -> None:
    """The person sees a sentence, and every visit tries again instead of a loop that spins."""
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "__init__.py").write_text("raise SystemExit(7)")
    path = tmp_path / "s"
    # A broken TensorBoard shadows the real one.
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", BOARD, "--socket", str(path), "--logdir", str(tmp_path)]
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as holder:
        try:
            _until(path.exists)
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=90) as client:
                answers = [client.get("http://x/") for _ in range(2)]
        finally:
            holder.kill()

    assert {503} == {answer.status_code for answer in answers}
    assert "TensorBoard ended with exit code 7." in answers[0].text


class TestSetup:
    """What jupyter-server-proxy is told."""

    def test_keys_are_the_ones_the_proxy_knows(self) -> None:
        """Every key is a trait of its ServerProcess, so none is silently without effect."""
        from jupyter_server_proxy.config import LauncherEntry, ServerProcess

        options: dict[str, Any] = tensorboard.setup()
        entry = options.pop("launcher_entry")

        assert options.keys() <= set(ServerProcess.class_trait_names())
        assert entry.keys() <= set(LauncherEntry.class_trait_names())
        assert ServerProcess(name="tensorboard", **options).update_last_activity is False

    def test_there_is_one_tile(self) -> None:
        """The launcher shows the tile of our front end, and no second one of the proxy's."""
        assert {"enabled": False} == tensorboard.setup()["launcher_entry"]

    def test_without_a_hub_it_is_the_directory_of_the_account(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A plain JupyterLab shows the jobs of the person who started it."""
        monkeypatch.setenv("DLLAB_HOME", str(tmp_path))
        monkeypatch.setenv("USER", "Ada Lovelace")
        monkeypatch.delenv("LOGNAME", raising=False)

        assert tensorboard.logdir() == tmp_path / "tensorboard" / slug("Ada Lovelace")
