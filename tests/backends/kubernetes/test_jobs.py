"""What the lab service does about its jobs, whatever the API server does; see the conftest."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from dllab_hub.backends.kubernetes.kinds import JOBSETS, PODS, WORKLOADS
from dllab_hub.errors import InvalidRequest, NotFound, Unavailable
from dllab_hub.manifests.gang import FIRST_ATTEMPT
from dllab_hub.specs import JobState

OVER = {"conditions": [{"type": "Completed", "status": "True"}]}


def failed(restarts: int = 0) -> dict:
    return {"restarts": restarts, "conditions": [{"type": "Failed", "status": "True"}]}


async def until(backend, job, *states, seconds=10.0):
    give_up = time.monotonic() + seconds
    while (now := await backend.get(job.owner, job.id)).state not in states:
        assert time.monotonic() < give_up, now
        await asyncio.sleep(0.05)
    return now


async def gone(played, job, seconds=10.0):
    give_up = time.monotonic() + seconds
    while played.jobset(job) is not None:
        assert time.monotonic() < give_up
        await asyncio.sleep(0.05)


async def test_a_job_runs_and_succeeds(played, wish):
    """A submit makes one JobSet; its pods and its status are the job's story."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish(2))
        assert played.jobset(job) is not None
        played.pod(job, 0, running=True)
        waits = await until(backend, job, JobState.PENDING)
        played.pod(job, 1, running=True)
        runs = await until(backend, job, JobState.RUNNING)
        played.wrote(job, 0, 1, 0)
        played.wrote(job, 1, 1, 0)
        played.set_status(job, **OVER)
        done = await until(backend, job, JobState.SUCCEEDED)

    assert (None, 0) == (waits.started, waits.gpu_seconds)
    assert ["worker-0", "worker-1"] == [one.name for one in runs.replicas]
    assert [(0, None), (0, None)] == [(one.exit_code, one.pid) for one in done.replicas]
    assert done.created <= done.started <= done.ended


async def test_a_hundred_submits_at_once(played, wish):
    """None is lost and none is doubled."""
    async with played.service() as backend:
        jobs = await asyncio.gather(*(backend.submit("ada", wish()) for _ in range(100)))

    made = [key for key in played.fake.objects if key[0] == "jobsets"]
    assert 100 == len({job.id for job in jobs}) == len(made)
    assert all(played.jobset(job) for job in jobs)


async def test_a_lost_reply_makes_no_second_one(played, wish):
    """What was made and not heard of is found; it is asked for once more at most."""
    async with played.service() as backend:
        played.fake.fail("apply", "lost", times=2)  # The trial, and the making.
        job = await backend.submit("ada", wish())
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)

    assert 1 == len([key for key in played.fake.objects if key[0] == "jobsets"])


async def test_a_service_that_is_killed_in_between(played, wish):
    """What was accepted and not made is made by the next service, once."""
    async with played.service() as backend:
        played.fake.fail("apply", 500, times=None)
        job = await backend.submit("ada", wish())
        assert played.jobset(job) is None
    played.fake.heal()
    async with played.service() as backend:
        played_by = time.monotonic() + 10
        while played.jobset(job) is None:
            assert time.monotonic() < played_by
            await asyncio.sleep(0.05)
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)


async def test_an_outage_is_said_and_ends(played, wish):
    """While the API server is away what was seen stands, and the job's reason says why."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish())
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)
        async with played.fake.outage():
            began = time.monotonic()
            while "last seen" not in (now := await backend.get("ada", job.id)).reason:
                assert time.monotonic() < began + 15, now
                await asyncio.sleep(0.2)
            assert JobState.RUNNING is now.state
            late = await backend.submit("ada", wish())
            assert JobState.PENDING is late.state
        began = time.monotonic()
        while played.jobset(late) is None:
            assert time.monotonic() < began + 20
            await asyncio.sleep(0.1)
        played.set_status(job, **OVER)
        await until(backend, job, JobState.SUCCEEDED)


async def test_a_relaunch(played, wish):
    """A lost replica is a new attempt; its events say who failed first and where it can start."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish())
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)
        played.wrote(job, 0, 1, 3)
        played.set_status(job, restarts=1)
        again = await until(backend, job, JobState.RESTARTING)
        played.pod(job, running=True, restarts=1)
        runs = await until(backend, job, JobState.RUNNING)
        events = await backend.events("ada", job.id)

    assert (2, 2) == (again.attempt, runs.attempt)
    told = next(event for event in events if event.reason == "Relaunched")
    assert "worker-0 exited with code 3. Attempt 2 can start from the beginning." == told.message


async def test_pause_and_resume(played, wish):
    """A pause removes the JobSet; a resume makes another one, whose attempts go on."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish())
        played.pod(job, running=True)
        played.wrote(job, 0, 1, None)
        await until(backend, job, JobState.RUNNING)
        await backend.pause("ada", job.id)
        await gone(played, job)
        paused = await until(backend, job, JobState.PAUSED)
        await backend.resume("ada", job.id)
        give_up = time.monotonic() + 10
        while played.jobset(job) is None:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.05)
        played.pod(job, running=True)
        runs = await until(backend, job, JobState.RUNNING)

    assert "paused by ada. It has saved no checkpoint" in paused.reason
    assert "2" == played.jobset(job)["metadata"]["annotations"][FIRST_ATTEMPT]
    assert 2 == runs.attempt
    assert runs.started > paused.ended


async def test_cancel(played, wish):
    """It ends when nothing of it is left; its reason says who wanted that."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish())
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)
        asked = await backend.cancel("ada", job.id)
        done = await until(backend, job, JobState.CANCELLED)

    assert ("cancelling.", "cancelled by ada.") == (asked.reason, done.reason)
    assert played.jobset(job) is None


async def test_objects_that_somebody_has_removed(played, wish):
    """Without objects the replicas' own words count; without these the job is lost, and says so."""
    async with played.service() as backend:
        jobs = [await backend.submit("ada", wish()) for _ in range(3)]
        for job in jobs:
            played.pod(job, running=True)
        for job in jobs:
            await until(backend, job, JobState.RUNNING)
        played.wrote(jobs[0], 0, 1, 0)
        played.wrote(jobs[1], 0, 1, 9)
        for job in jobs:
            played.fake.remove(JOBSETS, "dllab-jobs", played.jobset(job)["metadata"]["name"])
        ended = [await until(backend, job, *(s for s in JobState if s.is_terminal)) for job in jobs]

    assert [JobState.SUCCEEDED, JobState.FAILED, JobState.LOST] == [job.state for job in ended]
    assert "worker-0 exited with code 9." == ended[1].reason
    assert "somebody has removed its objects" in ended[2].reason


async def test_a_job_that_ended_while_nobody_looked(played, wish):
    """It is not started again when its objects have run out of their time to live meanwhile."""
    async with played.service() as backend:
        played.fake.fail("apply", "lost", times=2)
        job = await backend.submit("ada", wish())
    played.wrote(job, 0, 1, 0)
    played.fake.remove(JOBSETS, "dllab-jobs", played.jobset(job)["metadata"]["name"])
    async with played.service() as backend:
        done = await until(backend, job, JobState.SUCCEEDED)
        await asyncio.sleep(0.5)

    assert done.replicas
    assert played.jobset(job) is None


async def test_what_the_cluster_refuses(played, wish):
    """A rule of the cluster is a sentence for the person, and nothing is kept."""
    async with played.service() as backend:
        played.fake.fail("apply", 422, said="jobsets is invalid: images are ours only")
        with pytest.raises(InvalidRequest, match=r"the cluster refuses this job: .*ours only"):
            await backend.submit("ada", wish())
        jobs = (await backend.list("ada")).jobs

    assert () == jobs
    assert [] == list(played.state.jobs.iterdir())


async def test_without_jobset_training_is_off(played, wish):
    """The sentence says what the administrator installs; what was before can be looked at."""
    played.fake.unserved.add("jobsets")
    async with played.service() as backend:
        with pytest.raises(Unavailable, match="training is off: this cluster has no JobSet"):
            await backend.submit("ada", wish())
        jobs = (await backend.list("ada")).jobs

    assert () == jobs


async def test_labels_are_not_believed(played, wish):
    """A pod with the labels of a job and another owner's name is none of the job's."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish())
        played.pod(job, running=True, owner="mallory", suffix="-forged")
        await asyncio.sleep(0.5)
        waits = await backend.get("ada", job.id)
        with pytest.raises(NotFound):
            await backend.get("mallory", job.id)
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)

    assert (JobState.PENDING, ()) == (waits.state, waits.replicas)


async def test_what_a_cluster_does_not_do(played, wish):
    """A wish for what would be left undone without a word is refused, naming the field."""
    async with played.service() as backend:
        for more, field in ({"priority": 5}, "priority"), ({"on_stall": "relaunch"}, "on_stall"):
            with pytest.raises(InvalidRequest) as caught:
                await backend.submit("ada", wish(**more))
            assert field == caught.value.field
        with pytest.raises(InvalidRequest, match="the largest machine has") as caught:
            await backend.submit("ada", wish(1).model_copy(update={
                "roles": (wish().roles[0].model_copy(update={"gpus": 9}),)
            }))  # fmt: skip
        assert "roles.0.gpus" == caught.value.field


async def test_a_time_limit(played, wish):
    """A job that has run as long as it may fails, and its objects go."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish(time_limit=1))
        played.pod(job, running=True)
        done = await until(backend, job, JobState.FAILED)

    assert "it reached its time limit of 1 s." == done.reason
    assert played.jobset(job) is None


async def test_idle_jobs_cost_no_requests(played, wish):
    """With many jobs that run, an idle service asks for nothing: it is told."""
    async with played.service() as backend:
        jobs = await asyncio.gather(*(backend.submit("ada", wish()) for _ in range(50)))
        for job in jobs:
            played.pod(job, running=True)
        for job in jobs:
            await until(backend, job, JobState.RUNNING)
        before = len(played.fake.requests)
        await asyncio.sleep(5)
        after = len(played.fake.requests)

    assert before == after
    assert 50 == len(played.fake.asked("apply", JOBSETS)) // 2  # A trial, and the making.
    assert 1 == len(
        {each.query.get("labelSelector") for each in played.fake.asked("watch", PODS)} - {None}
    )


async def test_a_place_in_the_queue(played, wish):
    """With Kueue a job says how many are before it, and why it has not been let go."""
    path = played.state.root / "catalog.toml"
    path.write_text(path.read_text() + 'queue = "team"\n')
    async with played.service() as backend:
        jobs = [await backend.submit("ada", wish()) for _ in range(2)]
        for number, job in enumerate(jobs):
            made = played.jobset(job)
            said = "insufficient unused quota for nvidia.com/gpu in flavor a100, 1 more needed"
            condition = {"type": "QuotaReserved", "status": "False", "message": said}
            played.fake.put(WORKLOADS, {
                "metadata": {"namespace": "dllab-jobs", "name": f"w-{number}",
                             "creationTimestamp": f"2026-01-01T00:00:0{number}Z",
                             "ownerReferences": [{"uid": made["metadata"]["uid"]}]},
                "spec": {"queueName": "team"}, "status": {"conditions": [condition]},
            })  # fmt: skip
        give_up = time.monotonic() + 10
        while (last := await backend.get("ada", jobs[1].id)).position is None:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.05)
        first = await backend.get("ada", jobs[0].id)

    assert (1, 2) == (first.position, last.position)
    assert played.jobset(jobs[0])["spec"]["suspend"]
    assert "GPU" in first.reason
    assert first.diagnosis is not None


async def test_a_machine_is_lost(played, wish):
    """A job whose machine says nothing any more is said to be so, and is not said to run."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish())
        played.pod(job, running=True)
        await until(backend, job, JobState.RUNNING)
        began = time.monotonic()
        unknown = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
        played.pod(job, status={
            "phase": "Running", "conditions": [unknown],
            "containerStatuses": [{"name": "worker", "state": {
                "running": {"startedAt": "2026-01-01T00:00:00Z"}}}],
        })  # fmt: skip
        lost = await until(backend, job, JobState.RESTARTING)
        took = time.monotonic() - began
        played.set_status(job, restarts=1)
        played.pod(job, running=True, restarts=1)
        again = await until(backend, job, JobState.RUNNING)

    assert took < 5
    assert "machine" in lost.reason, lost.reason
    assert 2 == again.attempt


async def test_an_image_without_our_launcher(played, wish):
    """The last words of the container are the reason."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish(max_restarts=0))
        said = "/usr/bin/python3: No module named dllab_hub"
        played.pod(job, status={
            "phase": "Failed",
            "containerStatuses": [{"name": "worker", "state": {"terminated": {
                "exitCode": 1, "message": said, "finishedAt": "2026-01-01T00:00:00Z"}}}],
        })  # fmt: skip
        played.set_status(job, conditions=[{"type": "Failed", "status": "True"}])
        done = await until(backend, job, JobState.FAILED)

    assert f"worker-0 exited with code 1: {said}." == done.reason


async def test_who_is_not_waited_for(played, wish):
    """A pause in which rank 0 has saved and the others were killed is not called a killed one."""
    async with played.service() as backend:
        job = await backend.submit("ada", wish(2))
        for index in (0, 1):
            played.pod(job, index, running=True)
            played.wrote(job, index, 1, None)
        await until(backend, job, JobState.RUNNING)
        for index, code in ((0, 143), (1, 137)):
            played.wrote(job, index, 1, code)
            path = played.state.jobs / job.id / f"run/attempts/1/worker-{index}.status.json"
            said = json.loads(path.read_text())
            killed = "SIGTERM" if code == 143 else "SIGKILL"
            said["processes"][0] |= {"state": "CANCELLED", "exit_code": None, "signal": killed}
            path.write_text(json.dumps(said))
        await backend.pause("ada", job.id)
        paused = await until(backend, job, JobState.PAUSED)

    assert "killed" not in paused.reason
