"""What this machine keeps of its jobs, also when the service goes down halfway."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from workspace_files import archive, sha, workspace

from dllab_hub.backends.local.leftovers import aside
from dllab_hub.errors import Conflict, NotFound
from dllab_hub.specs import Annotation, Code, JobState, TrainingSpec

LEAVES = """
import os, sys
os.makedirs("out/__pycache__")
open("out/model.bin", "wb").write(b"x" * 5000)
open("out/small.txt", "w").write("1")
open("out/__pycache__/a.pyc", "w").write("1")
os.symlink("/etc/passwd", "out/passwd")
os.mkfifo("out/fifo")
print("ü" * 50_000)
print("the end")
"""


@pytest.fixture
def record_file(a_state):
    """Where the record of a job of ada's lies."""
    return lambda job: a_state.records / "ada" / f"{job.id}.json.gz"


async def recorded(local, until, job, record_file) -> None:
    """Wait until the service has written the record by itself."""

    async def there():
        return record_file(job).exists()

    await until(there)


async def test_a_job_that_ends_has_a_record(local, until, tmp_path, record_file):
    """The record of a job is written by itself, and has what it ran in, was given and left."""
    backend = local.backend
    files = {"helper.py": b"import sys", "conf/a.txt": b"a file"}
    wish = workspace(files)
    await backend.workspaces.announce("ada", wish)
    await backend.workspaces.fill("ada", wish.id, archive(tmp_path / "a.tar", *files.values()))
    spec = TrainingSpec(
        name="digits", image="here", code=Code(source=LEAVES), workspace=wish.id, tags=("t",)
    )
    job = await local.over(await backend.submit("ada", spec))
    await recorded(local, until, job, record_file)
    record = await backend.history.record("ada", job.id)

    assert JobState.SUCCEEDED is job.state, job.reason
    assert 0o600 == record_file(job).stat().st_mode & 0o777
    assert 0o700 == record_file(job).parent.stat().st_mode & 0o777
    environment = record.environment
    assert ("here", ".".join(map(str, sys.version_info[:3]))) == (
        environment.image,
        environment.python,
    )
    assert {"pydantic", "tornado", "dllab-hub"} <= set(environment.packages)
    assert {("helper.py", sha(b"import sys")), ("conf/a.txt", sha(b"a file"))} == {
        (file.path, file.sha256) for file in record.files
    }
    assert [("workspace/out/model.bin", 5000), ("workspace/out/small.txt", 1)] == [
        (one.path, one.size) for one in record.artefacts
    ]
    log = record.logs["worker-0"]
    assert log.endswith("üü\nthe end\n")
    assert 65_000 < len(log.encode()) <= 65_536
    assert "�" not in log


async def test_gpu_seconds(local):
    """What a job held is GPUs times seconds, over its pauses, and stays when it is deleted."""
    backend = local.backend
    job = await local.submit("ada", code=None, gpus=2)
    await local.state(job, JobState.RUNNING)
    await backend.pause("ada", job.id)
    paused = await local.state(job, JobState.PAUSED)
    await backend.resume("ada", job.id)
    await local.state(job, JobState.RUNNING)
    await backend.cancel("ada", job.id)
    done = await local.over(job)

    assert 0 < paused.gpu_seconds == pytest.approx(2 * paused.ran)
    assert paused.gpu_seconds < done.gpu_seconds == pytest.approx(2 * done.ran)
    store = backend.place.store
    assert done.gpu_seconds == pytest.approx(store.gpu_seconds("ada", done.created))
    await backend.history.delete("ada", job.id)
    assert done.gpu_seconds == pytest.approx(store.gpu_seconds("ada", done.created))
    assert 0 == store.gpu_seconds("ada", done.ended + 1)
    assert 0 == store.gpu_seconds("grace", 0)


async def test_a_record_outlives_everything(a_state, running, make_spec, until, record_file):
    """Index, journal and directories are lost: the jobs that have ended are still known."""
    async with running(a_state) as backend:
        job = await backend.submit("ada", make_spec(source="print('hello')", tags=("t",)))

        async def over():
            now = await backend.get("ada", job.id)
            return now.state.is_terminal and record_file(job).exists()

        await until(over)
        await backend.history.annotate("ada", job.id, Annotation(notes="kept"))
    for part in a_state.root.glob("index.sqlite*"):
        part.unlink()
    (a_state.root / "journal.jsonl").unlink()
    shutil.rmtree(a_state.jobs / job.id)
    async with running(a_state) as backend:

        async def known():
            return (await backend.list("ada")).jobs

        (back,) = await until(known)
        record = await backend.history.record("ada", job.id)

    assert (JobState.SUCCEEDED, ("t",), False) == (back.state, back.tags, back.files)
    assert {"worker-0": "hello\n"} == record.logs


async def test_files_and_event_files_are_removed(local, record_file, a_state):
    """Directory and event files go; events and the end of the logs are answered from the record."""
    source = "import os; open(os.environ['DLLAB_TENSORBOARD_DIR'] + '/e', 'w').write('x')"
    job = await local.submit("ada", prints="hello\n", code=0)
    job = await local.over(job)
    other = await local.backend.submit("ada", TrainingSpec(
        name="other", image="here", code=Code(source=source)
    ))  # fmt: skip
    other = await local.over(other)
    for one in (job, other):
        await local.backend.history.remove_files("ada", one.id)
    events = await local.backend.events("ada", job.id)

    assert [] == list(a_state.jobs.iterdir())
    assert [] == list((a_state.tensorboard / "ada").iterdir())
    assert {"Submitted", "FilesRemoved"} <= {event.reason for event in events}
    assert "hello\n" in (await local.backend.logs("ada", job.id, replica="worker-0")).text
    assert () == await local.backend.checkpoints("ada", job.id)


@pytest.mark.parametrize("when", ["set aside", "noted", "half removed"])
async def test_a_removal_that_was_cut_short(a_state, running, make_spec, until, when, record_file):
    """What a service that was killed has begun to remove is removed by the next one."""
    async with running(a_state) as backend:
        job = await backend.submit("ada", make_spec())

        async def over():
            return record_file(job).exists()

        await until(over)
        if when != "set aside":
            gone = {"files": False, "checkpoint": None}
            await backend._keep(backend.place.lines.note, "ada", job.id, gone)
    folder = a_state.jobs / job.id
    folder.rename(aside(folder))
    if when == "half removed":
        shutil.rmtree(aside(folder) / "run")
    async with running(a_state) as backend:

        async def swept():
            now = await backend.get("ada", job.id)
            return not now.files and not list(a_state.jobs.iterdir())

        await until(swept)
        assert {"worker-0": "hello\n"} == (await backend.history.record("ada", job.id)).logs
        await backend.history.delete("ada", job.id)
    async with running(a_state) as backend:
        with pytest.raises(NotFound):
            await backend.get("ada", job.id)


async def test_a_record_that_was_not_written(a_state, running, make_spec, until, record_file):
    """A job whose record is missing, because the service was killed, gets it at the next start."""
    async with running(a_state) as backend:
        job = await backend.submit("ada", make_spec())

        async def over():
            return record_file(job).exists()

        await until(over)
    record_file(job).unlink()
    async with running(a_state) as backend:
        await until(over)


async def test_a_damaged_record(local, until, record_file):
    """A record that cannot be read is made again as long as the files are there."""
    job = await local.over(await local.submit("ada", prints="hello\n"))
    await recorded(local, until, job, record_file)
    about = record_file(job).stat()
    record_file(job).write_bytes(os.urandom(100))
    os.utime(record_file(job), ns=(about.st_mtime_ns, about.st_mtime_ns))
    record = await local.backend.history.record("ada", job.id)

    assert {"worker-0": "hello\n"} == record.logs


async def test_a_job_that_ends_again(local, until, record_file):
    """A job that was resumed has the record of its last end."""
    job = await local.over(await local.submit("ada", prints="hello\n", code=3))
    await recorded(local, until, job, record_file)
    first = await local.backend.history.record("ada", job.id)
    await local.backend.resume("ada", job.id)
    again = await local.over(job)
    record = await local.backend.history.record("ada", job.id)

    assert (1, 2) == (first.job.attempt, record.job.attempt)
    assert again.ended == record.job.ended
    assert "Resumed" in {event.reason for event in record.events}


async def test_removed_as_soon_as_it_has_ended(local, a_state):
    """A job that was cancelled a moment ago can be deleted: its last process is waited for."""
    job = await local.submit("ada", code=None)
    await local.state(job, JobState.RUNNING)
    await local.backend.cancel("ada", job.id)
    await local.over(job)
    await local.backend.history.delete("ada", job.id)

    assert [] == list(a_state.jobs.iterdir())


async def test_a_resume_meanwhile(local):
    """A job that goes on while its files are to be removed keeps them."""
    job = await local.over(await local.submit("ada", code=3))
    await local.backend.history.record("ada", job.id)
    history = local.backend.history
    await local.backend.resume("ada", job.id)
    with pytest.raises(Conflict):
        await history.clear("ada", job.id, "test")

    assert Path((await local.backend.get("ada", job.id)).workspace).is_dir()
