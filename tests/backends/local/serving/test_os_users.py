"""OS-user mode: replicas and balancer run as their owner's own account, and reach nothing else."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest
from serving_place import Load, ServingPlace, end_all, local_serving

import dllab_hub
from dllab_hub.errors import InvalidRequest, Unavailable
from dllab_hub.state import StateDir

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("useradd") is None,
    reason="making accounts and running processes as them needs root and useradd",
)
NAME = "dllab-test-ida"


@pytest.fixture(scope="module")
def ida():
    """A temporary account."""
    subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", NAME], check=True)
    yield pwd.getpwnam(NAME)
    subprocess.run(["userdel", NAME], check=True)


@pytest.fixture
def ground():
    """A directory that accounts can pass through (those of pytest are closed), with the package."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as path:
        ground = Path(path)
        ground.chmod(0o711)
        shutil.copytree(Path(dllab_hub.__file__).parent, ground / "lib" / "dllab_hub")
        subprocess.run(["chmod", "-R", "a+rX", ground / "lib"], check=True)
        yield ground


@pytest.fixture
def python(ida, ground, monkeypatch):
    """A Python with KServe that the account may run.

    The image's own may lie in root's home; another one of the machine can take its packages.
    """
    server = Path(os.environ["DLLAB_TEST_SERVER"])
    packages = next(server.parents[1].glob("lib/python*/site-packages"))
    monkeypatch.setenv("PYTHONPATH", f"{ground / 'lib'}:{packages}")
    for path in (server, Path("/usr/bin/python3"), Path("/usr/local/bin/python3")):
        check = [path, "-P", "-c", "import kserve, onnxruntime"]
        try:
            if not subprocess.run(check, user=ida.pw_uid, cwd="/", capture_output=True).returncode:
                return path
        except OSError:
            continue
    pytest.skip("no Python with the packages of the serving image that another account may run")


@pytest.fixture
async def place(python, ground, onnx_models):
    """A place in OS-user mode, of the account."""
    state = StateDir(ground / "state", ground / "envs")
    for path in (state.root, state.models, state.deployments):  # As `LocalBackend` does.
        path.mkdir()
        path.chmod(0o711)
    options = {"python": str(python), "interpreter": lambda *_: python}
    try:
        async with local_serving(state, os_users=True, **options) as serving:
            place = ServingPlace(serving, onnx_models, NAME)
            place.state_dir = state
            yield place
            await place.clear()
    finally:
        end_all(state)


def processes(state: StateDir) -> list[psutil.Process]:
    """Shims and what runs below them."""
    shims = [
        psutil.Process(json.loads(path.read_text())["pid"])
        for path in state.deployments.glob("*/*/units/*/launch.json")
    ]
    return [one for shim in shims for one in (shim, *shim.children())]


def as_account(uid: int, *command: str) -> bool:
    """Whether the account can do it."""
    return not subprocess.run(command, user=uid, group=uid, cwd="/", capture_output=True).returncode


async def test_a_deployment_is_its_owners(place, ida):
    """All its processes have the account's ids; it answers, rolls and goes without a trace."""
    state = place.state_dir
    await place.served(2)
    uids = [set(one.uids()) for one in processes(state)]
    reply = await place.ask()
    await place.publish()
    async with Load(place) as load:
        await place.deploy(1)
        await place.ready()
        await load.more()
    await place.clear()

    assert [{ida.pw_uid}] * 6 == uids
    assert 200 == reply.status
    assert {} == load.wrong
    assert not state.sockets.exists()


async def test_what_the_account_can_reach(place, ida):
    """The account reads its own model and no other, lists nothing, and writes nothing here."""
    state = place.state_dir
    await place.served(1)
    model = next(state.models.rglob("model.onnx"))
    own = state.deployments / NAME / "digits"
    can = {
        "read": as_account(ida.pw_uid, "cat", str(model)),
        "replace": as_account(ida.pw_uid, "rm", "-f", str(model)),
        "about": as_account(ida.pw_uid, "cat", str(model.with_name("model.json"))),
        "wish": as_account(ida.pw_uid, "cat", str(own / "deployment.json")),
        "unit": as_account(ida.pw_uid, "cat", str(own / "units" / "replica-1" / "unit.json")),
        "list": as_account(ida.pw_uid, "ls", str(state.deployments)),
        "models": as_account(ida.pw_uid, "ls", str(model.parents[1])),
    }
    nobody = pwd.getpwnam("nobody").pw_uid
    others = [
        as_account(nobody, "cat", str(model)),
        as_account(nobody, "ls", str(next(state.sockets.iterdir()))),
    ]

    assert {"read": True} == {what: True for what, possible in can.items() if possible}
    assert [False, False] == others


async def test_a_link_to_a_socket_of_roots(place, ida, ground):
    """A person who puts a link in the balancer's place reaches nobody else's process through us."""
    await place.served(1)
    folder = next(place.state_dir.sockets.iterdir())
    heard = ground / "heard"
    root = subprocess.Popen(
        ["python3", "-c", _LISTENER, str(ground / "root.sock"), str(heard)], stdout=subprocess.PIPE
    )
    with root:
        assert b"listening\n" == root.stdout.readline()
        (folder / "lb.sock").unlink()
        (folder / "lb.sock").symlink_to(ground / "root.sock")
        with pytest.raises(Unavailable):
            await place.ask()
        root.kill()

    assert not heard.exists()


_LISTENER = """
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("listening", flush=True)
while True:
    peer, _ = server.accept()
    if peer.recv(1):
        open(sys.argv[2], "w").close()
    peer.close()
"""


@pytest.mark.parametrize("owner", ["no-such-account", "root"])
async def test_who_has_no_account(place, owner):
    """A person without an account cannot publish, and nobody serves as root."""
    with pytest.raises(InvalidRequest):
        await ServingPlace(place.serving, place._files, owner).publish()
