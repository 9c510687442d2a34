"""What must not get lost between a person, the service, the API server and the controllers."""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from contextlib import suppress

import pytest

from dllab_hub.backends.kubernetes.kinds import JOBSETS
from dllab_hub.errors import Conflict, Unavailable
from dllab_hub.specs import JobState

COMPLETED = {"conditions": [{"type": "Completed", "status": "True"}]}


async def until(backend, job, *states, seconds=10.0):
    give_up = time.monotonic() + seconds
    while (now := await backend.get(job.owner, job.id)).state not in states:
        assert time.monotonic() < give_up, now
        await asyncio.sleep(0.05)
    return now


async def test_a_cancel_at_once_leaves_nothing(played, wish):
    """However a submit and a cancel meet, no JobSet goes on that nobody answers for."""
    async with played.service() as backend:
        jobs = await asyncio.gather(*(backend.submit("ada", wish()) for _ in range(25)))
        await asyncio.gather(*(backend.cancel("ada", job.id) for job in jobs))
        played.fake.fail("apply", "unsaid", times=2)  # Done, and nobody ever hears of it.
        late = asyncio.create_task(backend.submit("ada", wish()))
        await asyncio.sleep(1)
        for job in (await backend.list("ada")).jobs:
            await backend.cancel("ada", job.id)
        jobs.append(await late)
        await backend.cancel("ada", jobs[-1].id)
        for job in jobs:
            await until(backend, job, JobState.CANCELLED, seconds=40)

    assert [] == [key for key in played.fake.objects if key[0] == "jobsets"]


async def test_what_goes_on_unasked_is_removed(played, wish, monkeypatch):
    """A JobSet whose job has ended is not left to hold what it holds."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish())
        copy = played.jobset(job)
        await backend.cancel("ada", job.id)
        await until(backend, job, JobState.CANCELLED)
        played.fake.put(JOBSETS, {**copy, "metadata": {**copy["metadata"], "uid": "again"}})
        give_up = time.monotonic() + 20
        other = await backend.submit("ada", wish())  # Something happens, so that it looks.
        while played.jobset(job) is not None:
            assert time.monotonic() < give_up
            backend.cluster._jobs._swept = float("-inf")
            await asyncio.sleep(0.05)

        assert played.jobset(other) is not None


async def test_an_end_beats_what_is_asked_late(played, wish):
    """A job that has succeeded is not paused, and none that was in time is out of time."""
    async with played.service() as backend:
        paused = await backend.submit("ada", wish())
        limited = await backend.submit("ada", wish(time_limit=2))
        for job in (paused, limited):
            played.pod(job, running=True)
            await until(backend, job, JobState.RUNNING)
    for job in (paused, limited):
        played.wrote(job, 0, 1, 0)
        played.set_status(job, **COMPLETED)
    await asyncio.sleep(2)  # Nobody looks, and the limit passes.
    async with played.service() as backend:
        with suppress(Conflict):  # It may have been seen already.
            await backend.pause("ada", paused.id)
        ends = [await until(backend, job, JobState.SUCCEEDED) for job in (paused, limited)]

    assert all(0 < job.ran < 2 for job in ends), ends


async def test_a_job_does_not_say_how_long_it_ran(played, wish):
    """Times that code has written into its files count only within what the cluster has seen."""
    for number in (1.0, 1e17, 1.7e308, math.nan, math.inf, "x", None):
        async with played.service() as backend:
            job = await backend.submit("ada", wish())
            played.pod(job, running=True)
            runs = await until(backend, job, JobState.RUNNING)
            played.wrote(job, 0, 1, 0)
            path = played.state.jobs / job.id / "run/attempts/1/worker-0.status.json"
            said = json.loads(path.read_text())
            said["processes"][0] |= {"started": number, "ended": number, "cpu": number}
            path.write_text(json.dumps(said))
            played.pod(job, code=0)
            played.set_status(job, **COMPLETED)
            done = await until(backend, job, JobState.SUCCEEDED)
            page = await backend.list("ada")

        assert runs.started <= done.ended <= time.time() + 1
        assert 0 <= done.ran < 60
        assert done.id in {one.id for one in page.jobs}


async def test_a_queue_that_takes_a_place_back(played, wish):
    """Time in Kueue's queue is no time in which the job ran."""
    path = played.state.root / "catalog.toml"
    path.write_text(path.read_text() + 'queue = "team"\n')
    async with played.service() as backend:
        job = await backend.submit("ada", wish(time_limit=3))
        made = played.jobset(job)
        played.fake.put(JOBSETS, {**made, "spec": {**made["spec"], "suspend": False}})
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)
        made = played.jobset(job)
        played.fake.put(JOBSETS, {**made, "spec": {**made["spec"], "suspend": True}})
        waits = await until(backend, job, JobState.RESTARTING)
        await asyncio.sleep(4)
        still = await backend.get("ada", job.id)

    assert (None, JobState.RESTARTING) == (waits.started, still.state)
    assert still.ran < 3


async def test_a_part_of_a_gang_is_not_running(played, wish):
    """A job whose other replicas find no machine uses up neither its time nor its hours."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish(2, time_limit=1))
        played.pod(job, 0, running=True)
        await asyncio.sleep(2.5)
        waits = await backend.get("ada", job.id)
        played.pod(job, 1, running=True)
        runs = await until(backend, job, JobState.RUNNING)

    assert (JobState.PENDING, None, 0.0) == (waits.state, waits.started, waits.ran)
    assert runs.started > waits.created + 1


async def test_another_namespace_in_the_settings(played, wish):
    """A job whose objects are elsewhere is not taken for lost; its reason says where they are."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish())
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)
    path = played.state.root / "catalog.toml"
    path.write_text(path.read_text() + 'namespace = "other"\n')
    async with played.service() as backend:
        give_up = time.monotonic() + 10
        while "dllab-jobs" not in (now := await backend.get("ada", job.id)).reason:
            assert time.monotonic() < give_up, now
            await asyncio.sleep(0.1)

    assert JobState.RUNNING is now.state
    assert "the namespace dllab-jobs, not in other" in now.reason


async def test_a_role_that_is_missing(played, wish):
    """What the service may not do is no fault of the job, which says so and waits."""
    async with played.service() as backend:
        played.fake.denied.add(("apply", "jobsets"))
        job = await backend.submit("ada", wish())
        give_up = time.monotonic() + 10
        while "starts when it can" not in (now := await backend.get("ada", job.id)).reason:
            assert time.monotonic() < give_up, now
            await asyncio.sleep(0.1)
        played.fake.denied.clear()
        while played.jobset(job) is None:
            assert time.monotonic() < give_up + 10
            await asyncio.sleep(0.1)

    assert JobState.PENDING is now.state


async def test_a_delete_that_fails_is_not_asked_without_end(played, wish):
    """While the API server cannot remove an object it is asked now and then only."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish())
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)
        played.fake.fail("delete", 500, times=None)
        await backend.cancel("ada", job.id)
        for number in range(20):
            played.pod(job, running=True, suffix=f"-{number}")
            await asyncio.sleep(0.2)
        asked = len(played.fake.asked("delete", JOBSETS))
        played.fake.heal()
        await until(backend, job, JobState.CANCELLED, seconds=20)

    assert 1 <= asked <= 3


async def test_a_claim_that_is_not_mounted(played, wish):
    """A service without the directory of its jobs does not start, and takes none for lost."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish())
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)
        shared = played.state.shared
        os.rename(shared, shared.with_name("away"))
        await asyncio.sleep(3)
        assert JobState.RUNNING is backend.cluster.find(job.id).state
    with pytest.raises(Unavailable, match="not the directory that it was"):
        async with played.service():
            pass
    os.rename(shared.with_name("away"), shared)
    async with played.service() as backend:
        assert JobState.RUNNING is (await until(backend, job, JobState.RUNNING)).state


async def test_training_is_on_once_jobset_is_there(played, wish, monkeypatch):
    """What the administrator installs later is found, whatever went wrong in between."""
    monkeypatch.setattr("dllab_hub.backends.kubernetes.line._ANEW", 0.3)
    monkeypatch.setattr("dllab_hub.backends.kubernetes.line._AGAIN", 0.3)
    played.fake.unserved.add("jobsets")
    async with played.service() as backend:
        with pytest.raises(Unavailable):
            await backend.submit("ada", wish())
        async with played.fake.outage(500):
            await asyncio.sleep(1)
        played.fake.unserved.clear()
        give_up = time.monotonic() + 15
        while True:
            try:
                job = await backend.submit("ada", wish())
                break
            except Unavailable:
                assert time.monotonic() < give_up
                await asyncio.sleep(0.2)
        assert played.jobset(job) is not None
