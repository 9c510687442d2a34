"""What a job finds when it starts: files that travelled, and checkpoints of another job."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import shutil
import tarfile
import textwrap
from pathlib import Path

import pytest

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.luggage import copy_checkpoints
from dllab_hub.backends.local.rundir import RunDir
from dllab_hub.errors import InvalidRequest, StorageFull
from dllab_hub.specs import Code, JobState, Workspace, WorkspaceFile

SAVES = textwrap.dedent("""
    import json, os
    for step in (1, 2, 3):
        folder = os.environ["DLLAB_CHECKPOINT_DIR"] + f"/step-{step:08d}"
        os.mkdir(folder)
        with open(folder + "/state.bin", "w") as file:
            file.write("0123456789")
        files = {"state.bin": {"size": 10 if step < 3 else 11}}
        with open(folder + "/MANIFEST.json", "w") as file:
            json.dump({"step": step, "time": 5.0, "files": files}, file)
""")


@pytest.fixture
def send(tmp_path):
    """Sends files as a workspace."""

    async def sent(backend, owner: str, contents: dict[str, bytes]) -> str:
        digests = {path: hashlib.sha256(data).hexdigest() for path, data in contents.items()}
        workspace = Workspace(
            files=tuple(
                WorkspaceFile(path=path, sha256=digests[path], size=len(data))
                for path, data in contents.items()
            )
        )
        archive = tmp_path / "sent.tar"
        with tarfile.open(archive, "w") as tar:
            for path, data in contents.items():
                about = tarfile.TarInfo(digests[path])
                about.size = len(data)
                tar.addfile(about, io.BytesIO(data))
        await backend.workspaces.announce(owner, workspace)
        assert () == (await backend.workspaces.fill(owner, workspace.id, archive)).missing
        return workspace.id

    return sent


async def test_the_codes_own_files_come_last(local, make_spec, send):
    """What the wish itself carries is newer than the files that travelled with it."""
    id = await send(
        local.backend,
        "ada",
        {"train.py": b"print('old')", "pkg/a.py": b"X = 1", "data.txt": b"there"},
    )
    code = Code(
        source="from pkg.a import X; print(X, open('data.txt').read(), flush=True)",
        files={"pkg/a.py": "X = 2"},
    )
    job = await local.backend.submit("ada", make_spec(code=code, workspace=id))
    done = await local.over(job)

    assert JobState.SUCCEEDED is done.state, done.reason
    text = (await local.backend.logs("ada", job.id, replica="worker-0")).text
    assert "2 there\n" == text


async def test_a_module_of_the_workspace(local, make_spec, send):
    """A module that travelled is run, with its arguments."""
    id = await send(local.backend, "ada", {"pkg/go.py": b"import sys; print(sys.argv[1:])"})
    code = Code(kind="module", module="pkg.go", args=("a b",))
    job = await local.backend.submit("ada", make_spec(code=code, workspace=id))
    await local.over(job)

    assert "['a b']\n" == (await local.backend.logs("ada", job.id, replica="worker-0")).text


async def test_anothers_workspace(local, make_spec, send):
    """What somebody else has sent is not there for anybody but them."""
    id = await send(local.backend, "eve", {"a.txt": b"secret"})
    with pytest.raises(InvalidRequest) as caught:
        await local.backend.submit("ada", make_spec(workspace=id))

    assert "workspace" == caught.value.field
    assert [] == await asyncio.to_thread(os.listdir, local.backend._state.jobs)


async def test_checkpoints_of_another_job(local, make_spec):
    """A job begins with copies of the newest whole checkpoints of another, which keeps its own."""
    first = await local.backend.submit("ada", make_spec(source=SAVES))
    await local.over(first)
    second = await local.backend.submit(
        "ada",
        make_spec(
            source="import os; print(sorted(os.listdir(os.environ['DLLAB_CHECKPOINT_DIR'])))",
            checkpoint_from=first.id,
        ),
    )
    done = await local.over(second)
    log = (await local.backend.logs("ada", second.id, replica="worker-0")).text
    theirs = Path((await local.backend.get("ada", first.id)).checkpoint.path)
    mine = Path(done.checkpoint.path)

    assert "['step-00000001', 'step-00000002']\n" == log
    assert (2, 2) == (done.checkpoint.step, len(await local.backend.checkpoints("ada", first.id)))
    assert theirs != mine
    assert (theirs / "state.bin").stat().st_ino != (mine / "state.bin").stat().st_ino


def test_a_checkpoint_with_a_link(tmp_path):
    """A link that somebody planted in a checkpoint is not followed: nothing of it is copied."""
    run = tmp_path / "run"
    folder = run / "checkpoints" / "step-00000001"
    folder.mkdir(parents=True)
    (folder / "state.bin").symlink_to("/etc/passwd")
    size = os.stat("/etc/passwd").st_size
    (folder / "MANIFEST.json").write_text(
        f'{{"step": 1, "time": 5.0, "files": {{"state.bin": {{"size": {size}}}}}}}'
    )
    new = tmp_path / "new"
    (new / "checkpoints").mkdir(parents=True)

    with pytest.raises(InvalidRequest):
        copy_checkpoints(RunDir(run, Account(None, os.getuid(), os.getgid(), "")), new)
    assert [] == list((new / "checkpoints").rglob("state.bin"))


def test_a_file_with_holes_does_not_fill_the_disk(tmp_path):
    """A checkpoint that is larger than what is free is refused before any of it is copied."""
    size = shutil.disk_usage(tmp_path).free
    step = tmp_path / "old" / "checkpoints" / "step-00000001"
    step.mkdir(parents=True)
    with open(step / "state.bin", "wb") as file:
        file.truncate(size)
    about = {"step": 1, "time": 5.0, "files": {"state.bin": {"size": size}}}
    (step / "MANIFEST.json").write_text(json.dumps(about))
    (tmp_path / "new").mkdir()
    account = Account(None, os.geteuid(), os.getegid(), "/")

    with pytest.raises(StorageFull, match="no room for the checkpoints"):
        copy_checkpoints(RunDir(tmp_path / "old", account), tmp_path / "new")
    assert [] == list((tmp_path / "new").iterdir())


async def test_who_goes_away_while_it_is_written(local, a_state, make_spec):
    """A submit that is cut off in the middle leaves nothing behind."""
    code = Code(source="1", files={f"d/{n}.txt": "x" for n in range(300)})
    task = asyncio.create_task(local.backend.submit("ada", make_spec(code=code)))
    while not list(a_state.jobs.glob(".new-*")):
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0.5)  # What still writes would have come that far.

    assert [] == list(a_state.jobs.glob(".new-*"))
    assert () == (await local.backend.list("ada")).jobs
