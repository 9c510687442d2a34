"""The lab service as the hub starts it: a process of its own, on a stub hub."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from served import until
from service_process import Start, up

from dllab_hub.client import Client
from dllab_hub.errors import DLLabError, Unavailable
from dllab_hub.hub import service as service_module
from dllab_hub.images import find
from dllab_hub.server.lab import Lab
from dllab_hub.shim.ports import free_port
from dllab_hub.specs import Code, JobState, TrainingSpec
from dllab_hub.state import StateDir
from dllab_hub.testing import MemoryBackend


def test_it_serves_and_ends(start: Start, client: Client, port: int, log: Path) -> None:
    """It listens on loopback only, answers who one is, and ends with SIGTERM, saying nothing."""
    process = start()
    status = up(client, process)
    assert (status["user"], status["backend"], status["mode"]) == ("ada", "local", "single-user")
    listening = {c.laddr for c in process.net_connections("inet") if c.status == "LISTEN"}
    assert listening == {("127.0.0.1", port)}
    assert client.gpus().time > 0

    process.terminate()
    assert process.wait(10) == 0
    assert "Traceback" not in log.read_text()
    assert "Unclosed" not in log.read_text()


def test_its_tokens_are_not_logged(start: Start, client: Client, port: int, log: Path) -> None:
    """No token appears in the log, wherever it came."""
    up(client, start())
    url = client.url + "status"
    httpx.get(url, params={"token": "canary-1"}, trust_env=False)
    httpx.get(url, headers={"Authorization": "token canary-2"}, trust_env=False)
    httpx.get(url, headers={"Cookie": "x=canary-3"}, trust_env=False)

    until(lambda: log.read_text().count("status") >= 3)
    assert "canary" not in log.read_text()
    assert "ada-token" not in log.read_text()


def test_one_at_a_time(start: Start, client: Client, log: Path) -> None:
    """While another one has the state directory everybody reads so; then it takes over."""
    first = start()
    up(client, first)
    other = free_port()
    second = start(JUPYTERHUB_SERVICE_URL=f"http://127.0.0.1:{other}")
    waiting = Client(f"http://127.0.0.1:{other}/services/dllab/dllab/api/", "ada-token")

    def refusal() -> str | None:
        try:
            waiting.status()
        except DLLabError as exc:
            return exc.message if "another lab service" in exc.message else None
        raise AssertionError("it must not serve")

    assert str(first.pid) in until(refusal, 20)
    for ask in (waiting.catalog, waiting.gpus, waiting.list):
        with pytest.raises(Unavailable, match="another lab service"):
            ask()
    first.kill()
    first.wait(10)
    assert up(waiting, second)["user"] == "ada"
    waiting.close()
    assert 1 == log.read_text().count("another lab service")


def test_it_ends_with_the_hub(start: Start, client: Client, tmp_path: Path) -> None:
    """When the hub is killed the service ends too, and frees its port."""
    hub = start((sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])"))
    up(client, hub)
    (service,) = hub.children()
    hub.kill()
    hub.wait(10)

    psutil.wait_procs([service], 10)
    assert not service.is_running() or service.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("url", "os_users"),
    [
        ("", "0"),
        ("http://0.0.0.0:8000", "0"),
        ("http://127.0.0.1", "0"),
        ("http://localhost:x", "0"),
        ("http://127.0.0.1:8000", "yes"),
    ],
)
def test_a_wrong_environment(
    url: str, os_users: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says what is wrong, and never listens for other machines or guesses the mode."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", url)
    monkeypatch.setenv("DLLAB_OS_USERS", os_users)
    monkeypatch.setattr(service_module, "_end_with_parent", lambda: None)  # Not these tests' end.

    assert service_module.main() == 2
    assert "started by JupyterHub" in caplog.text


def test_a_taken_port(start: Start, port: int, log: Path) -> None:
    """A port that somebody else has is named."""
    with socket.create_server(("127.0.0.1", port)):
        assert start().wait(20) == 1
    assert f"port {port}: Address already in use" in log.read_text()


@pytest.fixture
async def serving(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[asyncio.Task[None]]:
    """The service in this process, without processes of its own, impatient; ends with SIGTERM."""
    monkeypatch.setenv("DLLAB_HOME", str(tmp_path))
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "a-token")
    monkeypatch.setenv("JUPYTERHUB_API_URL", "http://127.0.0.1:1/hub/api")
    monkeypatch.setattr(service_module, "_CLOSE", 0.05)
    monkeypatch.setattr(service_module, "_SLOWEST", 0.2)
    monkeypatch.setattr(service_module, "LocalBackend", lambda *_, **__: MemoryBackend())
    here = partial(service_module._machine, False)
    task = asyncio.create_task(service_module._serve("127.0.0.1", port, here))
    with caplog.at_level("INFO"):
        async with asyncio.timeout(10):
            while "has started" not in caplog.text:
                await asyncio.sleep(0.01)
            yield task
            if not task.done():
                signal.raise_signal(signal.SIGTERM)
            await task


async def test_letting_go_that_hangs(
    serving: asyncio.Task[None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be let go of is said, and is no error of the port."""

    async def hang(self: Lab) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Lab, "close", hang)
    signal.raise_signal(signal.SIGTERM)
    await serving

    assert "Not everything was let go of" in caplog.text


async def test_a_body_that_never_comes(serving: asyncio.Task[None], port: int) -> None:
    """Nothing is kept for ever for a sender who has vanished."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST /services/dllab/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    writer.write(head + b"a piece")

    async with asyncio.timeout(5):
        assert b"" == await reader.read()
    writer.close()
    assert not serving.done()


def test_jobs_outlive_it(start: Start, client: Client, tmp_path: Path) -> None:
    """A job goes on while the service is killed and started again, and its end is seen."""
    envs = StateDir(tmp_path / "state", tmp_path / "state" / "envs")
    (image,) = [env for env in find(envs) if env.image.name == "pytorch"]
    (image.path / "bin").mkdir(parents=True)
    (image.path / "bin" / "python").symlink_to(sys.executable)
    (image.path / ".complete").write_text("{}")
    first = start()
    up(client, first)
    source = "import time; print('up', flush=True); time.sleep(3); print('done', flush=True)"
    job = client.submit(TrainingSpec(name="long", image="pytorch", code=Code(source=source)))
    until(lambda: "up" in client.logs(job.id).text, 20)
    first.send_signal(signal.SIGKILL)
    first.wait(10)

    up(client, start())
    assert client.wait(job.id, 30).state is JobState.SUCCEEDED
    assert "done" in client.logs(job.id).text


def test_who_asks_while_it_ends_may_ask_again(start: Start, client: Client, port: int) -> None:
    """An answer that is cut off by the service's end says that nobody is there, and no error."""
    url = f"http://127.0.0.1:{port}/services/dllab/dllab/api/jobs?limit=50"
    heads = {"Authorization": "token ada-token"}
    answers: Counter[int] = Counter()
    for _ in range(4):
        service = start()
        up(client, service)
        ended = threading.Event()

        def ask(ended: threading.Event = ended) -> None:
            with httpx.Client(headers=heads, trust_env=False) as http:
                while not ended.is_set():
                    with suppress(httpx.TransportError):
                        answers[http.get(url).status_code] += 1

        people = [threading.Thread(target=ask) for _ in range(6)]
        for person in people:
            person.start()
        until(lambda: answers[200] > 20, 20)
        service.send_signal(signal.SIGTERM)
        service.wait(20)
        ended.set()
        for person in people:
            person.join()
        answers[200] = 0

    assert set(answers) <= {200, 503}, answers
