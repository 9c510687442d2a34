"""Jobs that go on after the worst: a killed supervisor, a reboot, a lost index."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from dllab_hub.backends.local.store import Store
from dllab_hub.errors import Conflict, StorageFull
from dllab_hub.shim.process import strays
from dllab_hub.specs import JobState

#: Notes the attempt and goes on until a file appears.
PATIENT = """
import os, time
with open("starts", "a") as file:
    file.write(os.environ["DLLAB_ATTEMPT"] + "\\n")
print("attempt", os.environ["DLLAB_ATTEMPT"], flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
"""


def starts(job) -> list[str]:
    path = Path(job.workspace) / "starts"
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def begun(until):
    """Waits until so many attempts have begun."""

    async def wait(job, count: int = 1):
        async def have():
            return len(starts(job)) >= count

        await until(have)

    return wait


@pytest.fixture
def over(until):
    """Waits for the end of a job."""

    async def wait(backend, job):
        async def has_ended():
            now = await backend.get(job.owner, job.id)
            return now.state.is_terminal and now

        return await until(has_ended)

    return wait


def kill_shim(job) -> None:
    about = json.loads((Path(job.workspace).parent / "shim.json").read_text())
    os.kill(about["pid"], signal.SIGKILL)


async def test_a_lost_job_is_resumed(local, make_spec, begun):
    """A job whose supervisor was killed goes on where its files are, with its logs kept."""
    job = await local.backend.submit("ada", make_spec(source=PATIENT, gpus=1))
    await begun(job)
    await asyncio.sleep(0.5)
    await local.backend.get("ada", job.id)  # Nobody else knows how long it ran.
    kill_shim(job)
    lost = await local.over(job)
    left = strays(job.id)
    again = await local.backend.resume("ada", job.id)
    await begun(job, 2)
    (Path(job.workspace) / "go").touch()
    done = await local.over(job)

    assert (JobState.LOST, JobState.RUNNING) == (lost.state, again.state)
    assert [] == left
    assert (JobState.SUCCEEDED, 2, ["1", "2"]) == (done.state, done.attempt, starts(job))
    assert lost.ran >= 0.4
    first = await local.backend.logs("ada", job.id, replica="worker-0", attempt=1)
    assert "attempt 1\n" == first.text


async def rebooted(a_state, running, make_spec, begun, **spec):
    """A job that went down with the machine; the service is not there."""
    async with running(a_state, leave=True) as backend:
        job = await backend.submit("ada", make_spec(source=PATIENT, **spec))
        await begun(job)
    kill_shim(job)
    folder = a_state.jobs / job.id
    about = json.loads((folder / "launch.json").read_text())
    (folder / "launch.json").write_text(json.dumps({**about, "boot_id": "another"}))
    return job


async def test_after_a_reboot(a_state, running, make_spec, begun, over):
    """A job of somebody who asked for it is started again by the next service."""
    job = await rebooted(a_state, running, make_spec, begun, resume_after_reboot=True)
    async with running(a_state) as backend:
        await begun(job, 2)
        now = await backend.get("ada", job.id)
        (Path(job.workspace) / "go").touch()
        done = await over(backend, job)
        events = await backend.events("ada", job.id)

    assert (JobState.RUNNING, 2, job.created) == (now.state, now.attempt, now.created)
    assert (JobState.SUCCEEDED, ["1", "2"]) == (done.state, starts(job))
    (said,) = [event.message for event in events if event.reason == "Rebooted"]
    assert said.startswith("The machine was restarted")
    assert "Lost" not in [event.reason for event in events]


async def test_cut_short_after_a_reboot(a_state, running, make_spec, begun, monkeypatch):
    """A job that cannot be queued yet after a reboot, as the disk is full, is queued later."""
    job = await rebooted(a_state, running, make_spec, begun, resume_after_reboot=True)
    resume, refused = Store.resume, []

    def full(store, job):
        if not refused:
            refused.append(job.id)
            raise StorageFull("the disk that holds the lab's state is full.")
        resume(store, job)

    monkeypatch.setattr(Store, "resume", full)
    async with running(a_state) as backend:
        await begun(job, 2)
        now = await backend.get("ada", job.id)
        (Path(job.workspace) / "go").touch()

    assert [job.id] == refused
    assert (JobState.RUNNING, 2) == (now.state, now.attempt)


async def test_nobody_asked_for_it(a_state, running, make_spec, begun, over):
    """Without that wish a reboot leaves a job lost; it can be resumed."""
    job = await rebooted(a_state, running, make_spec, begun)
    async with running(a_state) as backend:
        lost = await backend.get("ada", job.id)
        await backend.resume("ada", job.id)
        await begun(job, 2)

    assert (JobState.LOST, "the machine was restarted while the job ran.") == (
        lost.state,
        lost.reason,
    )


async def test_a_paused_job_stays_paused_over_a_reboot(a_state, running, make_spec, begun):
    """Somebody who paused a job does not want it to be started by a reboot."""
    job = await rebooted(a_state, running, make_spec, begun, resume_after_reboot=True)
    (a_state.jobs / job.id / "pause.json").write_text('{"by": "ada"}')
    async with running(a_state) as backend:
        assert JobState.PAUSED is (await backend.get("ada", job.id)).state


@pytest.mark.parametrize("lost", ["the index", "the index and the journal"])
async def test_the_index_is_rebuilt(a_state, running, make_spec, begun, over, lost):
    """A job that was resumed lives, one that was paused is paused, whatever is left to read."""
    async with running(a_state, leave=True) as backend:
        await backend.submit("eve", make_spec("holds", PATIENT, gpus=2))
        job = await backend.submit("ada", make_spec(source=PATIENT))
        waits = await backend.submit("ada", make_spec("waits", gpus=2))
        gone = await backend.submit("ada", make_spec("gone", gpus=2))
        await begun(job)
        kill_shim(job)
        await over(backend, job)
        await backend.resume("ada", job.id)
        await begun(job, 2)
        await backend.pause("ada", waits.id)
        await backend.cancel("ada", gone.id)
    (a_state.root / "index.sqlite").write_bytes(b"damaged" * 1000)
    if "journal" in lost:
        (a_state.root / "journal.jsonl").unlink()
    async with running(a_state) as backend:
        now = {j.id: j for j in (await backend.list("ada")).jobs}
        (Path(job.workspace) / "go").touch()
        done = await over(backend, job)

    assert (JobState.RUNNING, 2) == (now[job.id].state, now[job.id].attempt)
    assert (JobState.PAUSED, JobState.CANCELLED) == (now[waits.id].state, now[gone.id].state)
    assert (JobState.SUCCEEDED, ["1", "2"]) == (done.state, starts(job))


async def test_a_resume_that_is_cut_short(a_state, running, make_spec, over, monkeypatch):
    """A service that dies within a resume leaves the job ended; the next resume works."""
    async with running(a_state) as backend:
        job = await backend.submit("ada", make_spec(source="import sys; sys.exit(3)"))
        await over(backend, job)
        with monkeypatch.context() as patch:
            patch.setattr("dllab_hub.backends.local.store.Store.resume", die)
            with pytest.raises(StorageFull):
                await backend.resume("ada", job.id)
        failed = await backend.get("ada", job.id)
    async with running(a_state) as backend:
        same = await backend.get("ada", job.id)
        again = await backend.resume("ada", job.id)
        done = await over(backend, job)

    assert JobState.FAILED is failed.state is same.state
    assert (JobState.RUNNING, 2) == (again.state, again.attempt)
    assert (JobState.FAILED, 2) == (done.state, done.attempt)


def die(*args):
    raise StorageFull("the disk is full.")


async def test_a_directory_that_is_gone(local, make_spec):
    """Such a job cannot be resumed, and it is said what can be done."""
    job = await local.backend.submit("ada", make_spec(source="import sys; sys.exit(3)"))
    await local.over(job)
    shutil.rmtree(local.backend._state.jobs / job.id)

    with pytest.raises(Conflict) as caught:
        await local.backend.resume("ada", job.id)

    assert "rerun" in caught.value.hint
