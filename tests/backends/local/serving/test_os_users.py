"""OS-user mode: replicas and balancer run as their owner's own account, and reach nothing else."""

from __future__ import annotations

import json
import os
import pickle
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest
from format_files import SKLEARN, needs
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
def runnable(ida, ground, monkeypatch):
    """Finds a Python with the packages of an image that the account may run.

    The image's own may lie in root's home; another one of the machine can take its packages.
    """

    def runnable(server: Path, packages: str) -> Path:
        found = next(server.parents[1].glob("lib/python*/site-packages"))
        monkeypatch.setenv("PYTHONPATH", f"{ground / 'lib'}:{found}")
        for path in (server, Path("/usr/bin/python3"), Path("/usr/local/bin/python3")):
            check = [path, "-P", "-c", f"import {packages}"]
            try:
                done = subprocess.run(check, user=ida.pw_uid, cwd="/", capture_output=True)
            except OSError:
                continue
            if not done.returncode:
                return path
        pytest.skip("no Python with the packages of the serving image that another account may run")

    return runnable


@pytest.fixture
def python(runnable):
    """A Python with KServe that the account may run."""
    return runnable(Path(os.environ["DLLAB_TEST_SERVER"]), "kserve, onnxruntime")


@pytest.fixture
def state(ground):
    """Where everything lies."""
    state = StateDir(ground / "state", ground / "envs")
    for path in (state.root, state.models, state.deployments):  # As `LocalBackend` does.
        path.mkdir()
        path.chmod(0o711)
    return state


@pytest.fixture
async def place(python, state, onnx_models):
    """A place in OS-user mode, of the account."""
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


class Asking:
    """Writes down, when it is loaded, whom it runs as, and whether it could end its parent."""

    def __init__(self, told: Path) -> None:
        self.told = told

    def __reduce__(self):
        return exec, (f"told = {str(self.told)!r}\n{_ASKING}",)


_ASKING = """
import json, os
try:
    os.kill(os.getppid(), 0)
except PermissionError:
    could = False
else:
    could = True
with open(told, "w") as file:
    json.dump([os.getresuid(), os.getresgid(), os.getgroups(), could], file)
"""


@needs("serving-sklearn")
async def test_whose_process_loads_a_pickle(runnable, state, ida, ground):
    """The account's, as soon as it is published; and that process has no power over the service."""
    python = runnable(Path(SKLEARN), "kserve, sklearn, joblib")
    (state.root / "catalog.toml").write_text("[serving]\npickles = true\n")
    (ground / "open").mkdir()
    (ground / "open").chmod(0o777)
    told, file = ground / "open" / "told", ground / "evil.pkl"
    file.write_bytes(pickle.dumps(Asking(told)))
    options = {"python": str(python), "interpreter": lambda *_: python}
    async with local_serving(state, os_users=True, **options) as serving:
        with pytest.raises(InvalidRequest, match="no predict"):
            await serving.publish(NAME, "digits", file)
    uids, gids, groups, could = json.loads(told.read_text())

    assert ([ida.pw_uid] * 3, [ida.pw_gid] * 3, False) == (uids, gids, could)
    assert {ida.pw_gid} == set(groups)


@pytest.mark.parametrize("owner", ["no-such-account", "root"])
async def test_who_has_no_account(place, owner):
    """A person without an account cannot publish, and nobody serves as root."""
    with pytest.raises(InvalidRequest):
        await ServingPlace(place.serving, place._files, owner).publish()
