"""OS-user mode: every person's lab is their own account's, and the accounts are a fence.

Needs root and a Python below /usr that every account may run: these tests make two accounts, and
virtual environments around what is installed already.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from browser_session import Refused
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from running_hub import RunningHub, environment_with_images, marked, until, write_state

from dllab_hub import images
from dllab_hub.errors import NotFound
from dllab_hub.hub.lab import Lab
from dllab_hub.state import StateDir

SYSTEM = Path("/usr/bin/python3")
PASSWORD = "correct-horse-7"


def _system_version() -> str:
    if not SYSTEM.exists():
        return ""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([SYSTEM, "-c", code], capture_output=True, text=True).stdout.strip()


pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start labs as other accounts"),
    pytest.mark.skipif(shutil.which("useradd") is None, reason="needs useradd"),
    pytest.mark.skipif(
        _system_version() != f"{sys.version_info.major}.{sys.version_info.minor}",
        reason=f"{SYSTEM} is another version than the Python of these tests",
    ),
]


def venv_around(path: Path, packages: list[str]) -> Path:
    """An environment that every account may run and that imports what others have installed."""
    subprocess.run([SYSTEM, "-m", "venv", "--without-pip", path], check=True, umask=0o022)
    [site] = path.glob("lib/python*/site-packages")
    # As .pth, not PYTHONPATH: editable installs among them bring .pth files of their own.
    lines = [f"import site; site.addsitedir({package!r})" for package in packages]
    (site / "around.pth").write_text("\n".join(lines) + "\n")
    (site / "around.pth").chmod(0o644)
    for name in ("share", "etc"):  # Where Jupyter looks for the pages of JupyterLab.
        if (Path(sys.prefix) / name).exists():
            (path / name).symlink_to(Path(sys.prefix) / name)
    return path / "bin" / "python"


def own_packages() -> list[str]:
    """Where the packages of this interpreter lie, and this checkout."""
    checkout = Path(images.__file__).parents[2]
    return [*(path for path in sys.path if path.endswith("site-packages")), str(checkout)]


@dataclass
class Machine:
    """A hub in OS-user mode and its two accounts."""

    hub: RunningHub
    users: list[str]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    # Not pytest's directory: that one is closed to other accounts.
    top = Path(tempfile.mkdtemp(prefix="dllab-os-users-"))
    top.chmod(0o755)
    users = [f"dllab{os.getpid()}{letter}" for letter in "ab"]
    hub = None
    try:
        for user in users:
            subprocess.run(["useradd", "--create-home", "-K", "HOME_MODE=0700", user], check=True)
            subprocess.run(["chpasswd"], input=f"{user}:{PASSWORD}", text=True, check=True)
        environ = environment_with_images(top / "images")
        for built in images.find(StateDir(top, Path(environ["DLLAB_ENVS"]))):
            if built.ready:
                [packages] = built.path.glob("lib/python*/site-packages")
                venv_around(top / "envs" / built.path.name, [str(packages)])
                shutil.copy(built.path / ".complete", top / "envs" / built.path.name)
        proxy = Path(environ["DLLAB_ENVS"]) / "configurable-http-proxy"
        if proxy.exists():  # Made by the other hub of these tests.
            (top / "envs" / proxy.name).symlink_to(proxy)
        (top / "volume").mkdir()
        write_state(top / "state", top / "volume")
        hub = RunningHub(
            top / "state",
            {**environ, "DLLAB_ENVS": str(top / "envs")},
            python=str(venv_around(top / "venv", own_packages())),
            options=("--os-users",),
        )
        hub.start()
        yield Machine(hub, users)
    finally:
        if hub is not None and hub.process is not None:
            hub.stop()
        for user in users:
            subprocess.run(["userdel", "--remove", user], capture_output=True)
        shutil.rmtree(top)


def job_uids(job: str) -> set[int]:
    """Whose processes a job runs, as soon as its two workers are there."""
    pids: list[int] = until(lambda: len(found := marked(f"DLLAB_LEASE={job}")) >= 2 and found)
    return {Path(f"/proc/{pid}").stat().st_uid for pid in pids or ()}


def server_of(hub: RunningHub, user: str) -> int:
    """Jupyter Server of a person's lab."""
    for pid in hub.of_lab(user):
        if b"jupyterhub.singleuser" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return pid
    raise AssertionError(f"no server of {user} runs")


def environ_of(pid: int) -> dict[str, str]:
    """A process's variables."""
    lines = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(line.decode().split("=", 1) for line in lines if b"=" in line)


@cache
def a_key() -> str:
    """A public key as people paste it."""
    key = Ed25519PrivateKey.generate().public_key()
    text = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return f"{text.decode()} somebody@laptop"


async def test_labs_are_fenced(machine: Machine) -> None:
    """Labs and jobs run with their account's uid, and read nothing of another's or the hub's."""
    hub, (ada, bob) = machine.hub, machine.users
    sessions = {user: hub.session(user, PASSWORD) for user in machine.users}
    for session in sessions.values():
        session.start(
            {
                **{"form": "1", "image": "pytorch", "gpus": "0", "volumes": "digits"},
                **{"ssh": "on", "ssh_key": a_key()},
            }
        )
    for session in sessions.values():
        session.wait_for_lab(120)
    uids = {
        user: {Path(f"/proc/{pid}").stat().st_uid for pid in hub.of_lab(user)}
        for user in machine.users
    }
    job = sessions[bob].post(
        "dllab/api/jobs",
        {
            "name": "mine",
            "image": "pytorch",
            "code": {"source": "import time; time.sleep(120)"},
            "roles": [{"replicas": 2}],
        },
    )["id"]
    uids["job"] = await asyncio.to_thread(job_uids, job)
    foreign = sessions[ada].http.get(f"{sessions[ada].lab}dllab/api/jobs/{job}")
    closed = [
        f"{hub.state.jobs}/{job}/run",
        f"{hub.state.jobs}/{job}/job.json",
        str(hub.state.jobs),
        f"/home/{bob}",
        f"{hub.state.labs}/{bob}/run",
        f"{hub.state.labs}/{bob}/lab.json",
        str(hub.state.labs),
        str(hub.state.hub),
        str(hub.state.leases),
        f"{hub.state.labs}/{bob}/lab.log",
        f"{hub.state.tensorboard}/{bob}",
        str(hub.state.tensorboard),
    ]
    theirs = environ_of(server_of(hub, bob))
    closed += [
        f"{hub.state.labs}/{bob}/overlay",
        f"{hub.state.labs}/{bob}/overlay/pytorch/bin/python",
        f"{hub.state.labs}/{bob}/authorized_keys",
        f"/proc/{server_of(hub, bob)}/environ",
    ]
    kernel = await sessions[ada].kernel()
    said = await kernel.run(
        f"""
import os, pathlib, sys, urllib.error, urllib.request
print(os.getuid(), os.getcwd(), os.path.islink("data/digits"))
for path in {closed!r}:
    try:
        os.listdir(path) if os.path.isdir(path) else open(path).read()
        print("READ", path)
    except PermissionError:
        pass
try:  # Somebody else's GPU.
    os.open({str(hub.state.leases / "GPU-x.lock")!r}, os.O_RDWR | os.O_CREAT)
    print("LOCKED")
except PermissionError:
    pass
for path in ("api/contents", "dllab/api/jobs", "files/welcome.ipynb", "sshd/"):
    try:
        urllib.request.urlopen({theirs["JUPYTERHUB_SERVICE_URL"]!r} + path, timeout=10)
        print("ANSWERED", path)
    except urllib.error.HTTPError as exc:
        if exc.code not in (403, 404):
            print("ANSWERED", path, exc.code)
own = [os.environ["DLLAB_" + name] for name in ("OVERLAY", "SSH_KEYS", "TENSORBOARD_LOGDIR")]
mine = [os.stat(path).st_uid == os.getuid() for path in own]
print(*mine, os.path.realpath(sys.prefix) == own[0])
print(open(own[1]).read().strip() == {a_key()!r})
""",
        60,
    )
    await kernel.close()
    sessions[bob].post(f"dllab/api/jobs/{job}/cancel", {})
    for user in machine.users:
        hub.end(user)

    first = pwd.getpwnam(ada)
    assert f"{first.pw_uid} {first.pw_dir} True\nTrue True True True\nTrue" == said.strip()
    owners = {ada: ada, bob: bob, "job": bob}
    assert {what: {pwd.getpwnam(owner).pw_uid} for what, owner in owners.items()} == uids
    assert 404 == foreign.status_code
    assert until(lambda: not marked(f"DLLAB_LEASE={job}"), 20)
    assert [] == [pid for user in machine.users for pid in hub.of_lab(user)]


def test_a_wrong_password_is_refused(machine: Machine) -> None:
    """The accounts' own passwords count."""
    with pytest.raises(Refused, match="login answered 403"):
        machine.hub.session(machine.users[0], "wrong")


def test_a_name_without_account_gets_no_lab(tmp_path: Path) -> None:
    """A person whom the machine does not know is refused with a sentence."""
    lab = Lab(StateDir(tmp_path, tmp_path), "x", "nobody-of-this-name", "", os_user=True)

    with pytest.raises(NotFound, match="this machine has no account nobody-of-this-name"):
        print(lab.home)


def test_root_gets_no_lab(machine: Machine) -> None:
    """A notebook that runs as root would undo the fence."""
    answer = machine.hub.spawn("root", {})

    assert 403 == answer.status_code
    assert "there are no labs for root" in answer.json()["message"]


def test_a_closed_interpreter_is_said_before_anything_starts(tmp_path: Path) -> None:
    """The hub names the directory that other accounts cannot pass, and what to do."""
    tmp_path.chmod(0o700)
    python = venv_around(tmp_path / "venv", own_packages())
    hub = RunningHub(tmp_path / "state", dict(os.environ), str(python), ("--os-users",))

    done = subprocess.run(
        hub.command(), env=hub.environ, capture_output=True, text=True, timeout=30, cwd="/"
    )

    said = done.stdout + done.stderr
    assert 0 != done.returncode
    assert f"other accounts cannot run {python}" in said
    assert "is closed to them" in said
    assert "/opt/dllab-hub" in said
    assert not hub.home.exists()
