"""Pause and resume with real processes: what is saved, and who is killed meanwhile."""

from __future__ import annotations

import json
import os
import signal
import textwrap
from pathlib import Path

import pytest

from dllab_hub.backends.local import queue
from dllab_hub.errors import Conflict
from dllab_hub.shim.process import strays
from dllab_hub.specs import Code, JobState

#: Saves step 20, says that it is at 21, and ends when told to or when a file `go` is there. How it
#: meets SIGTERM is its argument: die at once, save step 21 first, or pay no attention.
TRAINING = textwrap.dedent("""
    import json, os, signal, sys, time
    folder = os.environ["DLLAB_CHECKPOINT_DIR"]

    def save(step):
        path = f"{folder}/step-{step:08d}"
        os.makedirs(path, exist_ok=True)
        with open(path + "/state.bin", "w") as file:
            file.write("0123456789")
        files = {"state.bin": {"size": 10}}
        with open(path + "/MANIFEST.json", "w") as file:
            json.dump({"format": 1, "step": step, "time": 5.0, "files": files}, file)

    def end(*args):
        save(21)
        sys.exit(0)

    if sys.argv[1] == "save":
        signal.signal(signal.SIGTERM, end)
    elif sys.argv[1] == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(os.environ["DLLAB_ATTEMPT"], sorted(os.listdir(folder)), flush=True)
    save(20)
    with open(os.environ["DLLAB_REPORT"], "w") as file:
        json.dump({"step": 21, "metrics": {}, "time": 6.0}, file)
    open("up", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.02)
""")


@pytest.fixture
def train(make_spec):
    """A wish for a training that meets SIGTERM in a way."""
    return lambda how, **more: make_spec(code=Code(source=TRAINING, args=(how,)), **more)


def files(job) -> Path:
    return Path(job.workspace)


def shim_pid(job) -> int:
    return json.loads((files(job).parent / "shim.json").read_text())["pid"]


@pytest.fixture
def up(until):
    """Waits until a training has begun."""

    async def begun(job):
        async def is_up():
            return (files(job) / "up").exists()

        await until(is_up)
        (files(job) / "up").unlink()

    return begun


@pytest.fixture
def state_of(until):
    """Waits for a job to be in a state."""

    async def reached(backend, job, state):
        async def is_so():
            now = await backend.get(job.owner, job.id)
            return now.state is state and now

        return await until(is_so)

    return reached


@pytest.mark.parametrize(
    ("how", "reason", "found"),
    [
        ("die", "paused by ada at step 21; last checkpoint: step 20, so 1 step is lost.", [20]),
        ("save", "paused by ada at step 21; its checkpoint of step 21 has all of it.", [20, 21]),
        (
            "ignore",
            "paused by ada; it did not stop by itself and was killed; what came after its last "
            "checkpoint, of step 20, is lost.",
            [20],
        ),
    ],
)
async def test_what_is_saved(local, train, up, how, reason, found):
    """A pause tells what the checkpoints hold; the next attempt finds them, and ends the job."""
    job = await local.backend.submit("ada", train(how))
    await up(job)
    asked = await local.backend.pause("ada", job.id)
    paused = await local.state(job, JobState.PAUSED)
    left = strays(job.id)
    await local.backend.resume("ada", job.id)
    await up(job)
    (files(job) / "go").touch()
    done = await local.over(job)
    log = (await local.backend.logs("ada", job.id, replica="worker-0")).text

    assert "pausing." == asked.reason
    assert reason == paused.reason
    assert [] == left
    assert (JobState.SUCCEEDED, 2) == (done.state, done.attempt), done.reason
    assert f"2 {[f'step-{step:08d}' for step in found]}\n" == log
    assert 0 < paused.ran < done.ran
    assert paused.started < paused.ended < done.started


async def test_a_stopped_shim_is_killed(a_state, running, train, up, state_of, monkeypatch):
    """A pause that is not obeyed in time is enforced, and the job can be resumed."""
    monkeypatch.setattr(queue, "_PATIENCE", 0.5)
    async with running(a_state, grace=0.5) as backend:
        job = await backend.submit("ada", train("die"))
        await up(job)
        os.kill(shim_pid(job), signal.SIGSTOP)
        await backend.pause("ada", job.id)
        paused = await state_of(backend, job, JobState.PAUSED)
        left = strays(job.id)
        await backend.resume("ada", job.id)
        await up(job)

    assert "it did not stop by itself and was killed" in paused.reason
    assert "of step 20, is lost" in paused.reason
    assert [] == left


async def test_a_pause_outlives_the_service(a_state, running, train, up, state_of):
    """A service that is gone before the pause is done leaves it to the next one."""
    async with running(a_state) as backend:
        job = await backend.submit("ada", train("die"))
        await up(job)
        backend.machine.queue._live[job.id].folder.note("pause.json", {"by": "ada"})
        backend.machine.queue._live.clear()
        await backend._keep(backend.machine.adopt)
        backend.machine.wake()
        paused = await state_of(backend, job, JobState.PAUSED)

    assert "paused by ada at step 21" in paused.reason


async def test_a_shim_killed_while_it_pauses(a_state, running, train, up):
    """Whoever was asked to pause and is killed meanwhile is paused, and not lost; it stays so."""
    async with running(a_state, leave=True) as backend:
        job = await backend.submit("ada", train("die"))
        await up(job)
        os.kill(shim_pid(job), signal.SIGSTOP)
        await backend.pause("ada", job.id)
        os.kill(shim_pid(job), signal.SIGKILL)
    for _ in range(2):
        async with running(a_state) as backend:
            paused = await backend.get("ada", job.id)
            events = await backend.events("ada", job.id)

    assert JobState.PAUSED is paused.state
    assert "was killed" in paused.reason
    assert 1 == [event.reason for event in events].count("Paused")
    assert [] == strays(job.id)


async def test_a_cancel_wins(local, train, up):
    """A job that is cancelled while it is being paused ends; it cannot be paused then."""
    job = await local.backend.submit("ada", train("save"))
    await up(job)
    os.kill(shim_pid(job), signal.SIGSTOP)
    await local.backend.pause("ada", job.id)
    asked = await local.backend.cancel("ada", job.id)
    with pytest.raises(Conflict):
        await local.backend.pause("ada", job.id)
    os.kill(shim_pid(job), signal.SIGCONT)
    done = await local.over(job)

    assert "cancelling." == asked.reason
    assert JobState.CANCELLED is done.state, done.reason


async def test_the_time_limit_counts_over_pauses(local, train, up):
    """What a job has run counts for the next launch; when it is used up there is no resume."""
    job = await local.backend.submit("ada", train("die", time_limit=600))
    await up(job)
    await local.backend.pause("ada", job.id)
    paused = await local.state(job, JobState.PAUSED)
    await local.backend.resume("ada", job.id)
    await up(job)
    plan = json.loads((files(job).parent / "plan.json").read_text())
    await local.backend.cancel("ada", job.id)
    ended = await local.over(job)
    used_up = ended.model_copy(update={"ran": 600.0})
    await local.backend._keep(local.backend._store.update, used_up)
    with pytest.raises(Conflict, match="time limit"):
        await local.backend.resume("ada", job.id)

    assert (2, pytest.approx(paused.ran)) == (plan["first_attempt"], plan["ran"])
    assert pytest.approx(600 - paused.ran) == plan["time_limit"]
    assert ended.ran > paused.ran > 0


async def test_a_resume_waits_for_the_shim_of_before(local, train, up, monkeypatch):
    """No shim is started beside one that is about to end."""
    job = await local.backend.submit("ada", train("die"))
    await up(job)
    await local.backend.pause("ada", job.id)
    await local.state(job, JobState.PAUSED)
    really, looks = queue.has_shim, []

    def still_there(folder):
        looks.append(folder.path.name)
        return len(looks) < 4 or really(folder)

    monkeypatch.setattr(queue, "has_shim", still_there)
    again = await local.backend.resume("ada", job.id)

    assert (JobState.RUNNING, 2) == (again.state, again.attempt)
    assert len(looks) >= 4
