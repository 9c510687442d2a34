"""Relaunches of real jobs: they go on whatever happens to the service, and people have the last
word."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from dllab_hub.backends.local import queue
from dllab_hub.errors import Conflict
from dllab_hub.specs import JobState

#: Writes down that it starts, and goes on until a file appears, whatever it is told.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open("starts", "a") as file:
    file.write("x")
while not os.path.exists("go"):
    time.sleep(0.02)
"""


def starts(job) -> int:
    path = Path(job.workspace) / "starts"
    return len(path.read_text()) if path.exists() else 0


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> None:
    """What does not end by itself is killed soon."""
    monkeypatch.setattr(queue, "_PATIENCE", 0.5)


@pytest.fixture
def started(until):
    """Waits until a job has been started so often."""

    async def wait(job, times: int = 1) -> None:
        async def is_so():
            return starts(job) == times

        await until(is_so)

    return wait


@pytest.fixture
def state_of(until):
    """Waits until a job is in a state."""

    async def wait(backend, job, state: JobState) -> None:
        async def is_so():
            return (await backend.get("ada", job.id)).state is state

        await until(is_so)

    return wait


async def pausing(backend, job) -> None:
    while (await backend.get("ada", job.id)).reason != "pausing.":
        await asyncio.sleep(0.01)


async def test_it_goes_on(running, a_state, make_spec, started):
    """It is started once more, and its events say by whom."""
    async with running(a_state, grace=0.5) as backend:
        job = await backend.submit("ada", make_spec(source=STUBBORN))
        await started(job)
        await backend.relaunch("ada", job.id, "the alert X")
        await started(job, 2)
        said = [event.message for event in await backend.events("ada", job.id)]
        (Path(job.workspace) / "go").touch()

    assert "the alert X paused the job." in said
    assert any(each.startswith("the alert X resumed it.") for each in said)


@pytest.mark.parametrize("paused", [False, True])
async def test_a_service_that_is_stopped_meanwhile(paused, running, a_state, make_spec, started):
    """The next one has the job go on, whether it was still ending or paused already."""
    async with running(a_state, grace=0.5, leave=True) as backend:
        job = await backend.submit("ada", make_spec(source=STUBBORN))
        await started(job)
        pause = partial(backend.line(job.spec).pause, job.id, "the alert X", again=True)
        await backend.place.keep(pause)
        while paused and (await backend.get("ada", job.id)).state is not JobState.PAUSED:
            await asyncio.sleep(0.02)

    async with running(a_state, grace=0.5) as backend:
        await started(job, 2)
        (Path(job.workspace) / "go").touch()


async def test_one_that_a_person_paused_stays_so(running, a_state, make_spec, started, state_of):
    """The next service resumes nothing that is not to go on by itself."""
    async with running(a_state, grace=0.5) as backend:
        job = await backend.submit("ada", make_spec(source=STUBBORN))
        await started(job)
        await backend.pause("ada", job.id)
        await state_of(backend, job, JobState.PAUSED)

    async with running(a_state, grace=0.5) as backend:
        await asyncio.sleep(0.3)
        assert JobState.PAUSED is (await backend.get("ada", job.id)).state


@pytest.mark.parametrize(
    ("ask", "end", "why"),
    [
        ("pause", JobState.PAUSED, "paused by ada"),
        ("cancel", JobState.CANCELLED, "the job was cancelled"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
async def test_people_have_the_last_word(
    first, ask, end, why, running, a_state, make_spec, started, state_of
):
    """What a person pauses or cancels, before a relaunch or while it ends for that, stays so; the
    relaunch says that."""
    async with running(a_state, grace=0.5) as backend:
        job = await backend.submit("ada", make_spec(source=STUBBORN))
        await started(job)
        if first:
            await getattr(backend, ask)("ada", job.id)
            with pytest.raises(Conflict, match=r"is being (paused|cancelled)"):
                await backend.relaunch("ada", job.id, "the alert X")
        else:
            relaunch = asyncio.create_task(backend.relaunch("ada", job.id, "the alert X"))
            await pausing(backend, job)
            await getattr(backend, ask)("ada", job.id)
            with pytest.raises(Conflict, match=f"left as it is, {end}: {why}"):
                await relaunch
        await state_of(backend, job, end)
        await asyncio.sleep(0.3)
        assert (end, 1) == ((await backend.get("ada", job.id)).state, starts(job))
