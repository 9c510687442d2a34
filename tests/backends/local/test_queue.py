"""Waiting for GPUs, and what a service takes over."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

from dllab_hub.backends.local import readings
from dllab_hub.backends.local.launch import Launcher
from dllab_hub.backends.local.store import Store
from dllab_hub.errors import StorageFull, Unavailable
from dllab_hub.leases import LeaseDir
from dllab_hub.specs import JobState


@pytest.fixture
def make_sleeper(make_spec):
    """A job that holds its GPUs until it is cancelled."""
    return lambda name, gpus: make_spec(name, "import time; time.sleep(600)", gpus=gpus)


async def test_first_come_first_served(local, make_sleeper):
    """Of jobs that wait those that fit start in the order in which they came."""
    backend = local.backend
    first = await backend.submit("ada", make_sleeper("first", 2))
    waiting = [await backend.submit("ada", make_sleeper(f"next-{i}", 1)) for i in range(3)]
    await backend.cancel("ada", first.id)
    for job in waiting[:2]:
        await local.state(job, JobState.RUNNING)

    assert JobState.PENDING is (await backend.get("ada", waiting[2].id)).state
    assert (
        "your job 'next-0' and your job 'next-1'"
        in (await backend.get("ada", waiting[2].id)).reason
    )


async def test_a_small_job_passes_a_large_one(local, make_sleeper):
    """A job that fits starts although an older one that does not fit waits."""
    backend = local.backend
    await backend.submit("ada", make_sleeper("one", 1))
    large = await backend.submit("ada", make_sleeper("large", 2))
    small = await backend.submit("grace", make_sleeper("small", 1))

    assert JobState.PENDING is large.state
    assert JobState.RUNNING is small.state


async def test_a_lab_holds_the_gpus(local, a_state, make_sleeper):
    """A job waits for the GPUs of a lab, is told so, and starts when the lab ends."""
    holder = {"kind": "lab", "owner": "ada", "name": "mine", "id": "mine-1"}
    with LeaseDir(a_state.leases).take(["GPU-0", "GPU-1"], 2, holder):
        job = await local.backend.submit("ada", make_sleeper("job", 1))
        assert "held by your lab 'mine'." in job.reason
    await local.state(job, JobState.RUNNING)

    reasons = [event.reason for event in await local.backend.events("ada", job.id)]
    assert ["Submitted", "Queued"] == reasons[:2]


async def test_trouble_that_passes_fails_nobody(local, make_sleeper, until):
    """A job whose image is being renewed when its turn comes waits, and starts afterwards."""
    backend = local.backend
    first = await backend.submit("ada", make_sleeper("first", 2))
    waiting = await backend.submit("ada", make_sleeper("next", 1))
    launcher = backend.machine.launcher
    interpreter = launcher._interpreter

    def renewed(image):
        raise Unavailable("the environment is not built.")

    launcher._interpreter = renewed
    await backend.cancel("ada", first.id)

    async def said():
        return "not built" in (await backend.get("ada", waiting.id)).reason

    await until(said)
    assert JobState.PENDING is (await backend.get("ada", waiting.id)).state
    launcher._interpreter = interpreter
    await local.state(waiting, JobState.RUNNING)


async def test_too_many_open_files_fail_nobody(local, make_sleeper, monkeypatch):
    """A job whose start lacks what this process has none of just now waits, and starts later."""
    launch, refusals = Launcher.launch, [OSError(errno.EMFILE, "Too many open files")]

    def once(self, *args):
        if refusals:
            raise refusals.pop()
        return launch(self, *args)

    monkeypatch.setattr(Launcher, "launch", once)
    job = await local.backend.submit("ada", make_sleeper("job", 0))

    assert not refusals
    assert JobState.FAILED is not job.state
    await local.state(job, JobState.RUNNING)


async def test_a_damaged_job_holds_up_nobody(local, make_sleeper):
    """A job whose run directory is gone when its turn comes fails; those behind it start."""
    backend = local.backend
    first = await backend.submit("ada", make_sleeper("first", 2))
    damaged = await backend.submit("ada", make_sleeper("damaged", 1))
    behind = await backend.submit("ada", make_sleeper("behind", 1))
    shutil.rmtree(Path(damaged.workspace).parent)
    await backend.cancel("ada", first.id)

    await local.state(behind, JobState.RUNNING)
    assert "cannot be opened" in (await local.over(damaged)).reason


async def test_a_cancel_that_cannot_be_kept(local, make_sleeper, monkeypatch):
    """A job that was cancelled while it waits never starts, also when that cannot be written."""
    backend = local.backend
    first = await backend.submit("ada", make_sleeper("first", 2))
    waits = await backend.submit("ada", make_sleeper("waits", 1))
    update, launched = Store.update, []

    def full(store, job):
        if job.id == waits.id and job.state is JobState.CANCELLED and not launched:
            raise StorageFull("the disk that holds the lab's state is full.")
        update(store, job)

    monkeypatch.setattr(Store, "update", full)
    launch = backend.machine.launcher.launch
    monkeypatch.setattr(
        backend.machine.launcher,
        "launch",
        lambda *args: (launched.append(args[1].id), launch(*args)),
    )
    await backend.cancel("ada", waits.id)
    await backend.cancel("ada", first.id)
    await local.over(first)
    last = await backend.submit("ada", make_sleeper("last", 2))
    await local.state(last, JobState.RUNNING)
    await local.over(waits)

    assert [last.id] == launched


async def test_gpus_that_are_gone(a_state, running, make_sleeper, until):
    """A job that waits for GPUs the machine lost goes on waiting and says what there is."""
    there = ["GPU-0", "GPU-1"]
    async with running(a_state, gpus=lambda: tuple(there)) as backend:
        await backend.submit("ada", make_sleeper("one", 1))
        job = await backend.submit("ada", make_sleeper("two", 2))
        there.pop()

        async def told():
            return "of 1 is free" in (await backend.get("ada", job.id)).reason

        await until(told)


async def test_directories_nobody_knows(a_state, running, make_spec, until):
    """A job whose submit was cut short before the index is run; half of a directory is removed."""
    async with running(a_state) as backend:
        job = await backend.submit("ada", make_spec())
        await until(lambda: ended(backend, job))
    copy = a_state.jobs / "digits-bcdfghj"
    shutil.copytree(a_state.jobs / job.id, copy)
    about = json.loads((copy / "job.json").read_text())
    (copy / "job.json").write_text(json.dumps({**about, "id": copy.name}))
    for name in ("launch.json", "run/shim.json", "run/exit.rec", "run/state.json"):
        (copy / name).unlink()
    (a_state.jobs / ".new-digits-xxxxxxx").mkdir()
    (a_state.jobs / "digits-zzzzzzz").mkdir()
    async with running(a_state) as backend:
        found = await backend.get("ada", copy.name)
        done = await until(lambda: ended(backend, found))
        names = {path.name for path in a_state.jobs.iterdir()}

    assert JobState.SUCCEEDED is done.state, done.reason
    assert {job.id, copy.name, "digits-zzzzzzz"} == names


async def ended(backend, job):
    now = await backend.get(job.owner, job.id)
    return now.state.is_terminal and now


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ("boot", JobState.LOST, "the machine was restarted while the job ran."),
        ("record", JobState.LOST, "its supervisor was killed"),
        ("directory", JobState.LOST, "its directory is gone."),
    ],
)
async def test_how_a_job_got_lost(a_state, running, make_spec, until, change, state, reason):
    """A job that ended without a record is told with what is known."""
    async with running(a_state) as backend:
        job = await backend.submit("ada", make_spec())
        await until(lambda: ended(backend, job))
    (a_state.root / "index.sqlite").unlink()
    journal = a_state.root / "journal.jsonl"
    journal.write_text(journal.read_text().splitlines()[0] + "\n")  # Its end is forgotten.
    folder = a_state.jobs / job.id
    (folder / "run" / "exit.rec").write_bytes(bytes(4096))
    if change == "boot":
        about = json.loads((folder / "launch.json").read_text())
        (folder / "launch.json").write_text(json.dumps({**about, "boot_id": "another"}))
    elif change == "directory":
        shutil.rmtree(folder)
    async with running(a_state) as backend:
        done = await backend.get("ada", job.id)

    assert state is done.state
    assert reason in done.reason


async def test_a_shim_that_cannot_start(a_state, running, make_spec, until, monkeypatch):
    """A job whose shim does not come up fails with the shim's last words."""
    a_state.root.mkdir()
    (a_state.root / "dllab_hub.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(a_state.root))
    async with running(a_state) as backend:
        job = await backend.submit("ada", make_spec())
        done = await until(lambda: ended(backend, job))

    assert JobState.FAILED is done.state
    assert "could not start" in done.reason
    assert "dllab_hub" in done.reason
    assert None is readings.identity(backend._folder(job.id).run)
