"""Relaunches of jobs on a cluster: they go on, and people have the last word; see the conftest."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from dllab_hub.errors import Conflict
from dllab_hub.manifests.gang import FIRST_ATTEMPT
from dllab_hub.specs import NO_LIMITS, JobState


async def until(condition, seconds: float = 10.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.05)


async def state(backend, job, wanted: JobState) -> None:
    give_up = time.monotonic() + 10
    while (await backend.get("ada", job.id)).state is not wanted:
        assert time.monotonic() < give_up
        await asyncio.sleep(0.05)


async def runs(played, backend, wish):
    job = await backend.submit("ada", wish())
    played.pod(job, running=True)
    played.wrote(job, 0, 1, None)
    await state(backend, job, JobState.RUNNING)
    return job


def made_again(played, job) -> bool:
    there = played.jobset(job)
    return there is not None and there["metadata"]["annotations"][FIRST_ATTEMPT] == "2"


async def test_it_goes_on(played, wish):
    """Its JobSet goes, and another one is made."""
    async with played.service() as backend:
        job = await runs(played, backend, wish)
        await backend.relaunch("ada", job.id, "the alert X")
        await until(lambda: made_again(played, job))


async def test_the_next_service_has_it_go_on(played, wish):
    """One that is stopped when the job is paused leaves the rest to the next."""
    async with played.service() as backend:
        job = await runs(played, backend, wish)
        pause = partial(backend.line(job.spec).pause, job.id, "the alert X", again=True)
        await backend.place.keep(pause)
        backend.line(job.spec).wake()
        await state(backend, job, JobState.PAUSED)
    async with played.service():
        await until(lambda: made_again(played, job))


@pytest.mark.parametrize(
    ("ask", "end"), [("pause", JobState.PAUSED), ("cancel", JobState.CANCELLED)]
)
async def test_people_have_the_last_word(ask, end, played, wish):
    """What a person pauses or cancels, before a relaunch or while it ends for that, stays so."""
    async with played.service() as backend:
        job = await runs(played, backend, wish)
        await backend.place.keep(
            partial(backend.line(job.spec).pause, job.id, "the alert X", again=True)
        )
        await getattr(backend, ask)("ada", job.id)
        await state(backend, job, end)
        line = backend.line(job.spec)
        left = await line.resume(await backend.get("ada", job.id), "X", NO_LIMITS, again=True)
        other = await runs(played, backend, wish)
        await getattr(backend, ask)("ada", other.id)
        with pytest.raises(Conflict):
            await backend.relaunch("ada", other.id, "the alert X")

    assert (end, None) == (left.state, played.jobset(job))
