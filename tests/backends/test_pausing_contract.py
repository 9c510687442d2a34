"""Pause, resume and run again: what every backend promises, run on each of them."""

from __future__ import annotations

import pytest

from dllab_hub.errors import Conflict, InvalidRequest, NotFound
from dllab_hub.specs import JobState


async def up(place, job, until):
    """The job once its code has said something."""

    async def said():
        return (await place.backend.logs(job.owner, job.id)).text

    await until(said)
    return await place.backend.get(job.owner, job.id)


async def test_a_running_job_is_paused(place, until):
    """A paused job gives its GPUs to the next, says what is saved, and is not over."""
    job = await place.submit("ada", prints="up\n", code=None, gpus=2, processes=1)
    waiting = await place.submit("ada", name="next", code=None, gpus=1)
    await up(place, job, until)

    asked = await place.backend.pause("ada", job.id)
    paused = await place.state(job, JobState.PAUSED)
    await place.state(waiting, JobState.RUNNING)

    assert asked.state in (JobState.RUNNING, JobState.PAUSED)
    assert (
        "paused by ada. It has saved no checkpoint: a resume starts from the beginning."
        == paused.reason
    )
    assert {JobState.CANCELLED} == {replica.state for replica in paused.replicas}
    assert [None] == [replica.pid for replica in paused.replicas]
    assert paused.ran >= 0
    assert paused == await place.backend.pause("ada", job.id)
    assert (await place.backend.logs("ada", job.id)).complete
    assert [job.id] == [j.id for j in (await place.backend.list("ada", states=["PAUSED"])).jobs]
    assert "Paused" in [event.reason for event in await place.backend.events("ada", job.id)]


async def test_a_paused_job_is_resumed(place, until):
    """A resumed job waits for its turn like any other; its next attempt has a log of its own."""
    place.own_queue()
    job = await place.submit("ada", prints="up\n", code=None, gpus=2, processes=1)
    before = await up(place, job, until)
    await place.backend.pause("ada", job.id)
    await place.state(job, JobState.PAUSED)
    other = await place.submit("ada", name="other", code=None, gpus=2)
    await place.state(other, JobState.RUNNING)

    waits = await place.backend.resume("ada", job.id)
    again = await place.backend.resume("ada", job.id)
    await place.backend.cancel("ada", other.id)
    now = await place.state(job, JobState.RUNNING)

    assert (JobState.PENDING, 1, 1) == (waits.state, waits.position, waits.attempt)
    assert "held by your job 'other'" in waits.reason
    assert (None, None, ()) == (waits.started, waits.ended, waits.replicas)
    assert waits == again
    assert (2, None, before.created) == (now.attempt, now.position, now.created)
    first = await place.backend.logs("ada", job.id, attempt=1)
    assert ("[worker-0] up\n", True) == (first.text, first.complete)
    assert 2 == (await place.backend.logs("ada", job.id)).attempt
    reasons = [event.reason for event in await place.backend.events("ada", job.id)]
    assert reasons.index("Paused") < reasons.index("Resumed")


async def test_a_job_that_waits_is_paused(place):
    """It leaves the queue at once and says so; resumed, it waits behind who came meanwhile."""
    place.own_queue()
    first = await place.submit("ada", name="first", code=None, gpus=2)
    mine = await place.submit("ada", name="mine", code=None, gpus=2)
    hers = await place.submit("grace", name="hers", code=None, gpus=2)

    paused = await place.backend.pause("ada", mine.id)
    assert (JobState.PAUSED, 0, None) == (paused.state, paused.attempt, paused.position)
    assert "paused by ada before it started." == paused.reason
    resumed = await place.backend.resume("ada", mine.id)
    assert (JobState.PENDING, 2) == (resumed.state, resumed.position)

    await place.backend.cancel("ada", first.id)
    await place.state(hers, JobState.RUNNING)
    assert JobState.PENDING is (await place.backend.get("ada", mine.id)).state


async def test_a_paused_job_is_cancelled(place):
    """It has ended then, at once."""
    await place.submit("ada", code=None, gpus=2)
    job = await place.submit("ada", code=None, gpus=2)
    await place.backend.pause("ada", job.id)
    await place.state(job, JobState.PAUSED)

    gone = await place.backend.cancel("ada", job.id)

    assert JobState.CANCELLED is gone.state
    assert gone == await place.backend.get("ada", job.id)


@pytest.mark.parametrize(("code", "state"), [(3, JobState.FAILED), (None, JobState.CANCELLED)])
async def test_what_has_not_succeeded_is_resumed(place, until, code, state):
    """A job that failed or was cancelled runs again; its attempts go on counting."""
    job = await place.submit("ada", prints="up\n", code=code)
    await up(place, job, until)
    if code is None:
        await place.backend.cancel("ada", job.id)
    ended = await place.over(job)
    await place.backend.resume("ada", job.id)

    async def runs_again():
        now = await place.backend.get("ada", job.id)
        return now.attempt == 2 and now

    again = await until(runs_again)

    assert state is ended.state
    assert job.created == again.created
    # Both have output of their own.
    assert 1 == (await place.backend.logs("ada", job.id, attempt=1)).attempt


async def test_what_cannot_be_paused_or_resumed(place):
    """A job that has succeeded can be neither; one that has failed cannot be paused."""
    done, bad = await place.submit("ada"), await place.submit("ada", code=1)
    await place.over(done), await place.over(bad)

    for verb, job in (("pause", done), ("pause", bad), ("resume", done)):
        with pytest.raises(Conflict) as caught:
            await getattr(place.backend, verb)("ada", job.id)
        assert caught.value.hint

    live = await place.submit("ada", code=None)
    assert live.id == (await place.backend.resume("ada", live.id)).id
    assert 1 == (await place.state(live, JobState.RUNNING)).attempt


@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_other_peoples_jobs_do_not_exist(place, verb):
    """Another person's job answers like one that never was, and goes on."""
    job = await place.submit("ada", code=None)

    with pytest.raises(NotFound):
        await getattr(place.backend, verb)("grace", job.id)

    assert not (await place.backend.get("ada", job.id)).state.is_terminal


async def test_a_job_with_one_change(place):
    """The wish of a job with some fields changed; what is wrong in it is named."""
    job = await place.submit("ada", code=None)
    changed = await place.backend.respec(
        "ada", job.id, {"max_restarts": 7, "code": {"args": ["--lr", "1"]}}
    )

    assert (7, ("--lr", "1"), job.spec.code.source) == (
        changed.max_restarts,
        changed.code.args,
        changed.code.source,
    )
    with pytest.raises(InvalidRequest) as caught:
        await place.backend.respec("ada", job.id, {"roles": [{"replicas": 0}]})
    assert "roles.0.replicas" == caught.value.field


async def test_a_look_before(place, make_spec):
    """A preflight starts nothing; of good code it finds nothing wrong, bad wishes are refused."""
    found = await place.backend.preflight("ada", make_spec())
    with pytest.raises(InvalidRequest) as caught:
        await place.backend.preflight("ada", make_spec(source="x = 1\nfor\n"))

    assert None is found.error
    assert 2 == caught.value.line
    assert () == (await place.backend.list("ada")).jobs


async def test_checkpoints_of_no_job(place, make_spec):
    """A job cannot begin with checkpoints of a job that is not one's own, or that has none."""
    theirs = await place.submit("grace")
    mine = await place.submit("ada")
    await place.over(mine)

    for id in (theirs.id, mine.id, "nosuch-bcdfghj"):
        with pytest.raises(InvalidRequest) as caught:
            await place.backend.submit("ada", make_spec(checkpoint_from=id))
        assert "checkpoint_from" == caught.value.field
    assert [mine.id] == [job.id for job in (await place.backend.list("ada")).jobs]


async def test_no_such_workspace(place, make_spec):
    """A job cannot name files that were never sent; a look says so too."""
    for verb in (place.backend.submit, place.backend.preflight):
        with pytest.raises(InvalidRequest) as caught:
            await verb("ada", make_spec(workspace="0" * 64))
        assert "workspace" == caught.value.field
    assert () == (await place.backend.list("ada")).jobs
