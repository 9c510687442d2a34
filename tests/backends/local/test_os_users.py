"""OS-user mode: each job runs as its owner's own account, and cannot reach what is not theirs."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

import dllab_hub
from dllab_hub.backends.local.account import known_account
from dllab_hub.backends.local.look import shim_of
from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import JobState
from dllab_hub.state import StateDir

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("useradd") is None,
    reason="making accounts and running jobs as them needs root and useradd",
)
NAME = "dllab-test-ada"


@pytest.fixture(scope="module")
def ada():
    """A temporary account."""
    subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", NAME], check=True)
    yield pwd.getpwnam(NAME)
    subprocess.run(["userdel", NAME], check=True)


@pytest.fixture
def ground(ada):
    """A directory that accounts can pass through (those of pytest are closed), with the package.

    The interpreter of the tests may lie in root's home; another one of the machine does as well,
    because a shim needs the standard library only.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp") as path:
        ground = Path(path)
        ground.chmod(0o711)
        shutil.copytree(Path(dllab_hub.__file__).parent, ground / "lib" / "dllab_hub")
        subprocess.run(["chmod", "-R", "a+rX", ground / "lib"], check=True)
        yield ground


@pytest.fixture
def python(ada):
    """A Python that the account may run."""
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        check = [path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if not subprocess.run(check, user=ada.pw_uid, cwd="/", capture_output=True).returncode:
                return path
        except OSError:
            continue
    pytest.skip("no Python 3.11 that another account may run")


@pytest.fixture
async def backend(ground, python, running, monkeypatch):
    """A backend in OS-user mode."""
    monkeypatch.setenv("PYTHONPATH", str(ground / "lib"))
    monkeypatch.setenv("TORCH_HOME", "/opt/torch")
    state = StateDir(ground / "state", ground / "envs")
    async with running(state, os_users=True, python=python) as backend:
        yield backend


SPY = textwrap.dedent("""
    import json, os, sys
    from pathlib import Path
    run = Path(os.environ["DLLAB_WORKSPACE"]).parent
    root = run.parent.parent.parent

    def tries(path):
        try:
            os.listdir(path) if path.is_dir() else path.read_bytes()
            return "read"
        except PermissionError:
            return "denied"

    secrets = [run.parent / "job.json", run.parent / "shim.lock", root / "index.sqlite",
               root / "journal.jsonl", root / "service.lock", root / "leases", root / "jobs",
               root / "tensorboard", root]
    print(json.dumps({
        "uid": os.getuid(), "euid": os.geteuid(), "gid": os.getgid(), "groups": os.getgroups(),
        "home": os.environ["HOME"], "user": os.environ["USER"], "torch": "TORCH_HOME" in os.environ,
        "secrets": {path.name: tries(path) for path in secrets},
        "modes": [oct(path.stat().st_mode & 0o777) for path in (run, run / "plan.json")],
        "owners": sorted({path.lstat().st_uid for path in (run, *run.rglob("*"))}),
        "writable": os.access(os.environ["DLLAB_TENSORBOARD_DIR"], os.W_OK),
    }))
""")


async def over(backend, job, until):
    async def ended():
        now = await backend.get(job.owner, job.id)
        return now.state.is_terminal and now

    return await until(ended)


async def test_a_job_is_its_owners(backend, ada, make_spec, until):
    """A job runs with the account's ids, home and files, and can read nothing of the service."""
    job = await backend.submit(NAME, make_spec(source=SPY, gpus=1))
    done = await over(backend, job, until)
    text = (await backend.logs(NAME, job.id, replica="worker-0")).text

    assert JobState.SUCCEEDED is done.state, f"{done.reason} {text}"
    seen = json.loads(text)
    assert (ada.pw_uid, ada.pw_uid, ada.pw_gid) == (seen["uid"], seen["euid"], seen["gid"])
    assert [ada.pw_gid] == seen["groups"]
    assert (ada.pw_dir, NAME, False) == (seen["home"], seen["user"], seen["torch"])
    assert {"denied"} == set(seen["secrets"].values())
    assert ["0o700", "0o600"] == seen["modes"]
    assert [ada.pw_uid] == seen["owners"]
    assert seen["writable"]


THIEF = textwrap.dedent("""
    import ctypes, os
    libc, shim = ctypes.CDLL(None), os.pidfd_open(os.getppid())
    # 438 is pidfd_getfd: a copy of another process's open file.
    print("taken", [fd for fd in range(64) if libc.syscall(438, shim, fd, 0) >= 0])
""")


async def test_locks_cannot_be_taken_out_of_a_shim(backend, make_spec, until):
    """No process of the account can copy a GPU's lock and hold it after the job has ended."""
    job = await backend.submit(NAME, make_spec(source=THIEF, gpus=1))
    done = await over(backend, job, until)

    assert JobState.SUCCEEDED is done.state
    assert "taken []\n" == (await backend.logs(NAME, job.id, replica="worker-0")).text


async def test_cancel_across_accounts(backend, make_spec, until):
    """The service ends jobs of accounts, and their strays."""
    job = await backend.submit(NAME, make_spec(source="import time; time.sleep(600)"))
    await backend.cancel(NAME, job.id)

    assert JobState.CANCELLED is (await over(backend, job, until)).state


@pytest.mark.parametrize("owner", ["no-such-account", "root", "", "a\0b"])
async def test_who_has_no_account(backend, make_spec, owner):
    """A person without an account cannot run jobs, and nobody runs them as root."""
    with pytest.raises(InvalidRequest):
        await backend.submit(owner, make_spec())


async def test_a_false_name_tag(backend, ada, make_spec, until):
    """A shim.json that names somebody else's process is not believed."""
    source = (
        "import json, os; path = os.path.join(os.environ['DLLAB_WORKSPACE'], '..', 'shim.json')\n"
        f"data = json.load(open(path)); data['pid'] = {os.getpid()}\n"
        "json.dump(data, open(path, 'w')); print('done', flush=True)\nimport time; time.sleep(600)"
    )
    job = await backend.submit(NAME, make_spec(source=source))

    async def done():
        return (await backend.logs(NAME, job.id)).text

    await until(done)
    folder = backend._folder(job.id)
    real = shim_of(folder)
    (folder.path / "launch.json").rename(folder.path / "aside.json")
    without = shim_of(folder)
    (folder.path / "aside.json").rename(folder.path / "launch.json")

    assert os.getpid() != real["pid"]
    assert None is without
    assert ada.pw_uid == known_account(folder.path, NAME).uid


async def test_a_volume_is_read_as_the_account(backend, ada, ground, make_spec, until):
    """A directory volume is what the account may read of it; one that is closed to it says so."""
    for name, owner in (("open", ada.pw_uid), ("closed", 0)):
        folder = ground / name / "inside"
        folder.mkdir(parents=True)
        (folder / "labels.txt").write_text(name)
        os.chown(folder, owner, owner)
        os.chown(folder.parent, owner, owner)
        folder.parent.chmod(0o700)
    (ground / "state" / "catalog.toml").write_text(
        "\n".join(
            f'[[volumes]]\nname = "{name}"\ntitle = "{name}"\npath = "{ground / name / "inside"}"'
            for name in ("open", "closed")
        )
    )
    source = "import os; print(open('data/open/labels.txt').read(), os.lstat('data/open').st_uid)"
    job = await over(
        backend, await backend.submit(NAME, make_spec(source=source, volumes=("open",))), until
    )
    text = (await backend.logs(NAME, job.id, replica="worker-0")).text
    assert (JobState.SUCCEEDED, f"open {ada.pw_uid}\n") == (job.state, text)

    refused = await over(backend, await backend.submit(NAME, make_spec(volumes=("closed",))), until)
    assert (JobState.FAILED, True) == (refused.state, "closed to your account" in refused.reason)


async def test_files_are_removed_through_no_link(backend, ada, ground, make_spec, until):
    """What a job leaves is removed by root, and nothing that its links and folders lead to."""
    precious = ground / "precious"
    precious.mkdir()
    (precious / "of-root").write_text("mine")
    source = textwrap.dedent(f"""
        import os
        from pathlib import Path
        boards = Path(os.environ["DLLAB_TENSORBOARD_DIR"])
        os.makedirs("a/b")
        os.symlink({str(precious)!r}, "a/b/link")
        os.symlink({str(precious)!r}, "overlay")
        os.mkfifo("fifo")
        os.chmod("a", 0)
        boards.rename(boards.with_name("aside"))
        boards.symlink_to({str(precious)!r})
    """)
    job = await over(backend, await backend.submit(NAME, make_spec(source=source)), until)
    boards = Path(job.tensorboard)
    assert JobState.SUCCEEDED is job.state, job.reason
    assert boards.is_symlink()
    record = await backend.history.record(NAME, job.id)
    await backend.history.remove_files(NAME, job.id)

    assert [] == [one.path for one in record.artefacts]
    assert not os.path.lexists(boards)
    assert [] == list((ground / "state" / "jobs").iterdir())
    assert "mine" == (precious / "of-root").read_text()
    records = ground / "state" / "records"
    assert (0o700, 0) == (records.stat().st_mode & 0o777, records.stat().st_uid)
