"""SSH and TensorBoard through the real hub and its proxy, into a lab with a GPU."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browser_session import BrowserSession
from running_hub import RunningHub, until
from ssh_person import Person

USER = "ssh-ada"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Ada, at her own machine."""
    return Person.at(tmp_path_factory.mktemp("ada") / "home")


@pytest.fixture(scope="module")
def ada(hub: RunningHub, person: Person) -> Iterator[BrowserSession]:
    """Ada's browser, with a lab that has a GPU and SSH; her own machine knows the way."""
    wish = {"image": "pytorch", "gpus": 1, "ssh": True, "ssh_key": person.public_key}
    assert hub.spawn(USER, wish).status_code in (201, 202)
    hub.wait_ready(USER)
    session = hub.session(USER)
    session.wait_for_lab(60)
    lab = f"{hub.facts['address']}/user/{USER}/"
    person.learn(lab, session.token())
    yield session
    hub.end(USER)


def test_the_landing(hub: RunningHub, ada: BrowserSession) -> None:
    """It has JupyterLab, TensorBoard and the ssh commands with the hub's own address."""
    page = ada.http.get(f"/user/{USER}/dllab/").raise_for_status()
    for words in (f"ssh dllab-{USER}", f"dllab ssh-config {hub.facts['address']}/user/{USER}/"):
        assert words in page.text
    assert f"{hub.facts['address']}/hub/token" in page.text


async def test_the_same_gpu(ada: BrowserSession, person: Person) -> None:
    """The shell's GPU, home, interpreter and account are those of the lab's kernel."""
    kernel = await ada.kernel()
    code = (
        "import os, sys, getpass; "
        "print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['HOME'], sys.prefix, "
        "getpass.getuser(), sep='|')"
    )
    inside = (await kernel.run(code, 60)).strip()
    await kernel.close()

    assert inside == person.ssh(f'python -c "{code}"').strip()
    assert inside.startswith("GPU-")
    assert "ssh-ada" in person.ssh("dllab doctor | grep service")


def test_openssh_all_of_it(ada: BrowserSession, person: Person) -> None:
    """ssh, scp, sftp and rsync, there and back."""
    data = os.urandom(20_000_000)
    (person.home / "up").write_bytes(data)
    alias = person.alias
    for argv in (
        ("scp", "up", f"{alias}:by-scp"),
        ("scp", f"{alias}:by-scp", "down"),
        ("rsync", "-az", "up", f"{alias}:by-rsync"),
    ):
        done = person.run(*argv)
        assert 0 == done.returncode, (argv, done.stderr)
    assert 0 == person.run("sftp", "-b", "-", alias, input="put up by-sftp\n").returncode
    sums = person.ssh("sha256sum by-scp by-rsync by-sftp").split()[::2]

    assert (1, 3) == (len(set(sums)), len(sums))
    assert data == (person.home / "down").read_bytes()


def test_forwarding_a_port(ada: BrowserSession, person: Person) -> None:
    """`-L`: a web server of the lab answers on one's own machine."""
    with socket.socket() as a, socket.socket() as b:
        a.bind(("127.0.0.1", 0))
        b.bind(("127.0.0.1", 0))
        here, there = a.getsockname()[1], b.getsockname()[1]
    serve = f"cd && echo from the lab > page && exec python -m http.server {there} --bind 127.0.0.1"
    argv = ["-tt", "-L", f"{here}:127.0.0.1:{there}", "-o", "ExitOnForwardFailure=yes"]
    ssh = person.start(*argv, command=serve)

    def answer() -> str:
        try:
            return httpx.get(f"http://127.0.0.1:{here}/page", trust_env=False).text
        except httpx.TransportError:
            return ""

    try:
        assert "from the lab\n" == until(answer, 30)
    finally:
        ssh.terminate()
        ssh.communicate(timeout=10)


def test_another_person(hub: RunningHub, ada: BrowserSession, tmp_path: Path) -> None:
    """Who has a token of their own and not Ada's does not reach her sshd."""
    hub.add("ssh-eve")
    eve = Person.at(tmp_path / "eve")
    token = hub.session("ssh-eve").token()
    done = eve.dllab("ssh-config", f"{hub.facts['address']}/user/{USER}/", said=f"{token}\n")

    assert (1, "") == (done.returncode, done.stdout)
    assert "not accepted for this lab" in done.stderr


def test_a_lab_that_does_not_run(hub: RunningHub, ada: BrowserSession, tmp_path: Path) -> None:
    """The sentence says so, and where to start it."""
    bob = Person.at(tmp_path / "bob")
    done = bob.dllab(
        "ssh-config", f"{hub.facts['address']}/user/{USER}/other/", said=f"{ada.token()}\n"
    )

    assert (1, "") == (done.returncode, done.stdout)
    assert "does not run" in done.stderr
    assert "/hub/home" in done.stderr


async def test_the_magic_of_tensorboard(ada: BrowserSession) -> None:
    """`%tensorboard` in a notebook shows a board that a browser reaches through the hub."""
    kernel = await ada.kernel()
    code = "import os; os.makedirs('magic', exist_ok=True)\n%load_ext tensorboard\n"
    await kernel.run(code + "%tensorboard --logdir magic --port 0", 120)
    code = "from tensorboard import manager; print('port', manager.get_all()[-1].port)"
    port = int((await kernel.run(code, 30)).split("port")[-1])
    shown = await kernel.run("import os; print(os.environ['TENSORBOARD_PROXY_URL'])", 30)
    path = shown.strip().replace("%PORT%", str(port))
    before = ada.get("api/status")["last_activity"]
    page = ada.http.get(path)
    runs = ada.http.get(f"{path}data/runs")
    after = ada.get("api/status")["last_activity"]
    await kernel.run("import os, signal; os.kill(manager.get_all()[-1].pid, signal.SIGTERM)", 30)
    await kernel.close()

    assert "<title>TensorBoard</title>" in page.text
    assert [] == runs.json()
    assert before == after


def test_several_directories(ada: BrowserSession) -> None:
    """A directory of the home is shown beside one's jobs, at the lab's own TensorBoard."""
    home = Path(ada.get("dllab/api/tensorboards")["tensorboards"][0]["logdir"])
    ada.post("api/contents", {"type": "directory"})
    board = ada.post("dllab/api/tensorboards", {"directory": "Untitled Folder", "name": "mine"})
    assert ["mine"] == [each["name"] for each in board["directories"]]
    made = Path(board["directories"][0]["path"])
    _write_curve(made)
    _write_curve(home / "job-aaaaaaa")

    def runs() -> list[str]:
        answer = ada.http.get(f"{board['url']}data/runs")
        return sorted(answer.json()) if answer.is_success else []

    assert ["job-aaaaaaa", "mine"] == until(lambda: len(runs()) == 2 and runs(), 60)


def _write_curve(directory: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(directory))
    summary = Summary(value=[Summary.Value(tag="loss", simple_value=1.0)])
    writer.add_event(Event(wall_time=time.time(), step=1, summary=summary))
    writer.close()
