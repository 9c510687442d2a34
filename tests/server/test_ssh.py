"""SSH of a lab: only the lab's key, only its environment, and OpenSSH's own programs all work."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_process import JupyterProcess, jupyter_process
from ssh_person import Person

from dllab_hub.server.ssh import open_ssh
from dllab_hub.server.ssh_session import command, merged

SECRET = "a token, with 'quotes' and {braces} 100%"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Ada, at her own machine."""
    return Person.at(tmp_path_factory.mktemp("ada") / "home")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, person: Person) -> Iterator[JupyterProcess]:
    """A lab whose home has a space and a percent sign in its name."""
    keys = tmp_path_factory.mktemp("lab") / "authorized_keys"
    keys.write_text(person.public_key)
    keys.chmod(0o600)
    env = {
        "DLLAB_SSH": "1",
        "DLLAB_SSH_KEYS": str(keys),
        "DLLAB_LAB_ID": "ada",
        "DLLAB_PYTHON": "/opt/lab/bin/python",
        "CUDA_VISIBLE_DEVICES": "GPU-7",
        "MY_SECRET": SECRET,
        "SHELL": "/bin/bash",
        "JUPYTER_SSHD_PROXY_AUTHORIZED_KEYS_PATH": "none",
    }
    home = tmp_path_factory.mktemp("files") / "a home 50%"
    with jupyter_process(home, "/user/ada@x/", **env) as server:
        person.learn(server.url, server.token)
        yield server


def test_the_shell_is_in_the_lab(lab: JupyterProcess, person: Person) -> None:
    """GPUs, HOME, packages and tokens are those of a kernel of the lab."""
    said = person.ssh("pwd; env -0 | base64 -w0; env | base64 -w0 >/dev/null").split()
    # The directory has blanks, so the last word is the environment.
    pairs = base64.b64decode(said[-1]).decode().split("\0")
    env = dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    assert str(lab.home) == " ".join(said[:-1]) == env["HOME"]
    assert "GPU-7" == env["CUDA_VISIBLE_DEVICES"]
    assert SECRET == env["MY_SECRET"]
    assert "/opt/lab/bin" == env["PATH"].split(":")[0]
    assert "/opt/lab" == env["VIRTUAL_ENV"]
    assert "SSH_CONNECTION" in env
    assert "SSH_ORIGINAL_COMMAND" not in env


def test_no_secret_is_on_a_command_line(lab: JupyterProcess, person: Person) -> None:
    """Every account of a machine can read command lines; the lab's environment is not there."""
    person.ssh("true")
    family = [lab.process, *lab.process.children(recursive=True)]
    lines = [_line(each) for each in family]

    assert any("sshd" in line for line in lines)
    assert not any(SECRET in line or lab.token in line for line in lines)
    told = lab.home / "dllab-ssh-ada.json"
    assert 0o600 == told.stat().st_mode & 0o777
    assert SECRET == json.loads(told.read_text())["env"]["MY_SECRET"]


def test_scp_sftp_and_rsync(lab: JupyterProcess, person: Person) -> None:
    """Files come and go unchanged, relative to the lab's home."""
    data = os.urandom(3_000_000)
    (person.home / "up.bin").write_bytes(data)
    alias = person.alias
    for number, argv in enumerate(
        (
            ("scp", "up.bin", f"{alias}:scp.bin"),
            ("scp", "-O", "up.bin", f"{alias}:old.bin"),
            ("rsync", "-a", "up.bin", f"{alias}:rsync.bin"),
            ("scp", f"{alias}:scp.bin", "down0"),
            ("rsync", f"{alias}:rsync.bin", "down1"),
        )
    ):
        done = person.run(*argv)
        assert 0 == done.returncode, (number, done.stderr)
    done = person.run(
        "sftp", "-b", "-", alias, input="pwd\nput up.bin sftp.bin\nget sftp.bin down2\n"
    )
    assert 0 == done.returncode, done.stderr
    assert str(lab.home) in done.stdout

    assert [data] * 4 == [
        (lab.home / f"{name}.bin").read_bytes() for name in ("scp", "old", "rsync", "sftp")
    ]
    assert [data] * 3 == [(person.home / f"down{n}").read_bytes() for n in range(3)]


def test_port_forwarding(lab: JupyterProcess, person: Person) -> None:
    """`-L` reaches what listens in the lab."""
    with socket.socket() as inside, socket.socket() as free:
        inside.bind(("127.0.0.1", 0))
        inside.listen()
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        forward = f"{port}:127.0.0.1:{inside.getsockname()[1]}"
        ssh = person.start("-N", "-o", "ExitOnForwardFailure=yes", "-L", forward)
        try:
            outside = _connected(port, ssh)
            near, _ = inside.accept()
            with near, outside:
                near.sendall(b"from the lab")
                assert b"from the lab" == outside.recv(100)
        finally:
            ssh.terminate()
            ssh.communicate(timeout=10)


def test_it_is_no_activity(lab: JupyterProcess, person: Person) -> None:
    """A session that is open, keep-alives and all, does not keep an idle lab from being stopped."""
    before = lab.last_activity()
    person.ssh("echo; sleep 1.2; echo", "-o", "ServerAliveInterval=1")

    assert before == lab.last_activity()


@pytest.mark.parametrize("how", ["password", "keyboard-interactive", "none"])
def test_no_other_way_in(lab: JupyterProcess, person: Person, how: str) -> None:
    """There are no passwords, whatever the machine's own sshd allows."""
    done = person.run("ssh", "-o", f"PreferredAuthentications={how}", person.alias, "true")

    assert 255 == done.returncode
    assert "Permission denied (publickey)" in done.stderr


def test_anothers_key(lab: JupyterProcess, person: Person, tmp_path: Path) -> None:
    """Who has the token but another key is refused; so is another account's name."""
    other = Person.at(tmp_path / "eve")
    other.learn(lab.url, lab.token)
    refused = other.run("ssh", other.alias, "true")
    daemon = person.run("ssh", "-l", "daemon", person.alias, "true")

    assert [255, 255] == [refused.returncode, daemon.returncode]
    assert "Permission denied (publickey)" in refused.stderr
    assert "Permission denied (publickey)" in daemon.stderr


def test_a_wrong_token(lab: JupyterProcess, person: Person, tmp_path: Path) -> None:
    """The command says which page makes tokens, and nothing is written."""
    other = Person.at(tmp_path / "eve")
    done = other.dllab("ssh-config", lab.url, said="wrong\n")

    assert (1, "") == (done.returncode, done.stdout)
    assert "/hub/token" in done.stderr
    assert "wrong" not in done.stderr.replace("wrong token", "")
    assert not (other.home / ".config/dllab-hub").exists()


def test_files_of_the_person(lab: JupyterProcess, person: Person) -> None:
    """The token lies where only they can read it; a file that others can read is refused."""
    (token,) = (person.home / ".config").rglob("token")
    assert 0o600 == token.stat().st_mode & 0o777
    token.chmod(0o644)
    done = person.run("ssh", person.alias, "true")
    token.chmod(0o600)

    assert 255 == done.returncode
    assert f"chmod 600 {token}" in done.stderr


def test_it_ends_with_the_server(tmp_path: Path, person: Person) -> None:
    """Sessions end with the lab, and the file with its environment is gone."""
    env = {"DLLAB_SSH": "1", "DLLAB_SSH_KEY": person.public_key, "DLLAB_LAB_ID": "ada"}
    with jupyter_process(tmp_path / "lab", "/user/ada/", **env) as server:
        ada = Person(person.home)
        ada.learn(server.url, server.token, "--host", "other")
        ssh = ada.start("-tt")
        end = time.monotonic() + 20
        while not (family := server.process.children(recursive=True)) or len(family) < 3:
            assert time.monotonic() < end
            time.sleep(0.1)
    _, alive = psutil.wait_procs(family, 10)
    ssh.communicate(timeout=20)

    assert [] == alive
    assert [] == list(server.home.glob("dllab-ssh-ada.*"))


def test_it_ends_with_a_server_that_is_killed(tmp_path: Path, person: Person) -> None:
    """No sshd is left to let anybody in, also when the lab had no time to say goodbye."""
    env = {"DLLAB_SSH": "1", "DLLAB_SSH_KEY": person.public_key, "DLLAB_LAB_ID": "ada"}
    with jupyter_process(tmp_path / "lab", "/user/ada/", **env) as server:
        ada = Person(person.home)
        ada.learn(server.url, server.token, "--host", "killed")
        ada.ssh("true")
        family = server.process.children(recursive=True)
        server.process.kill()
        _, alive = psutil.wait_procs(family, 10)

    assert family
    assert [] == alive


def test_a_lab_without_ssh(tmp_path: Path, person: Person) -> None:
    """Nothing listens, and the command says what to do."""
    with jupyter_process(tmp_path / "lab", "/user/ada/", DLLAB_SSH="0") as server:
        done = person.dllab("ssh-config", server.url, said=f"{server.token}\n")
        there = server.ask("dllab/ssh/", follow_redirects=True).status_code

    assert (1, 404) == (done.returncode, there)
    assert "started without SSH" in done.stderr


class TestOpening:
    """What can be wrong when a lab starts is said in its view, and the lab goes on."""

    def test_no_sshd(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its package is named."""
        monkeypatch.setattr("dllab_hub.server.ssh._SBIN", ())
        door = open_ssh({"DLLAB_SSH": "1", "PATH": "/nowhere"}, tmp_path)

        assert door is not None
        assert (None, True) == (door.process, "openssh-server" in door.problem)

    def test_no_key(self, tmp_path: Path) -> None:
        """A lab without one lets nobody in."""
        door = open_ssh({"DLLAB_SSH": "1", "DLLAB_SSH_KEY": " "}, tmp_path)

        assert door is not None
        assert (None, True) == (door.process, "public key" in door.problem)

    def test_keys_that_others_can_change(self, tmp_path: Path) -> None:
        """A file, or its directory, that others can write to opens nothing."""
        keys = tmp_path / "inner" / "keys"
        keys.parent.mkdir()
        keys.write_text("ssh-ed25519 AAAA")
        for path, mode, back in ((keys, 0o666, 0o600), (keys.parent, 0o777, 0o700)):
            path.chmod(mode)
            door = open_ssh({"DLLAB_SSH": "1", "DLLAB_SSH_KEYS": str(keys)}, tmp_path)
            path.chmod(back)
            assert door is not None
            assert (None, True) == (door.process, "others could change" in door.problem)


class TestSession:
    """What sshd runs for a login."""

    def test_the_commands(self) -> None:
        """A login is a shell that keeps its PATH, sftp begins at home, all else is the shell's."""
        sftp = "/usr/lib/openssh/sftp-server"

        assert ["/bin/zsh"] == command("", "/bin/zsh", sftp, "/h")
        assert ["/bin/zsh", "-c", "ls | wc"] == command("ls | wc", "/bin/zsh", sftp, "/h")
        assert [sftp, "-d", "/h"] == command("internal-sftp", "/bin/zsh", sftp, "/h")
        assert "not installed" in command("internal-sftp", "/bin/zsh", "", "/h")[2]

    def test_the_environment(self) -> None:
        """The lab's, but the terminal is the session's."""
        session = {"TERM": "xterm", "SSH_TTY": "/dev/pts/1", "HOME": "/root", "LC_ALL": "C"}
        session["SSH_ORIGINAL_COMMAND"] = "ls"
        expected = {"HOME": "/h", "TERM": "xterm", "SSH_TTY": "/dev/pts/1", "LC_ALL": "C"}

        assert expected == merged({"HOME": "/h", "TERM": "dumb"}, session)


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # It has just ended.
        return ""


def _connected(port: int, ssh: subprocess.Popen[str]) -> socket.socket:
    end = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert ssh.poll() is None, ssh.communicate()
            assert time.monotonic() < end
            time.sleep(0.05)
