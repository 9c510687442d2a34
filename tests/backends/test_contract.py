"""What every backend promises, run on each of them."""

from __future__ import annotations

import asyncio
import re
import time

import pytest
from remote_place import EachTheirOwn

from dllab_hub.errors import InvalidRequest, NotFound
from dllab_hub.specs import Holder, JobState

STRANGE_IDS = (
    "nosuch-bcdfghj",
    "",
    ".",
    "..",
    "../../etc/passwd",
    "a/b",
    "a\0b",
    "Ä-bcdfghj",
    "x" * 300,
)


async def test_a_job_succeeds(place):
    """A job whose replicas all return 0 ends as SUCCEEDED, with times and exit codes."""
    job = await place.submit("ada", prints="hello\n", replicas=2)
    done = await place.over(job)

    assert JobState.SUCCEEDED is done.state, done.reason
    assert re.fullmatch(r"digits-[a-z0-9]{7}", done.id)
    assert [(0, 1), (0, 1)] == [(r.exit_code, r.attempt) for r in done.replicas]
    assert ["worker-0", "worker-1"] == [r.name for r in done.replicas]
    assert done.created <= done.started <= done.ended


async def test_a_job_fails(place):
    """A job whose replica returns another code ends as FAILED and says why."""
    done = await place.over(await place.submit("ada", code=3))

    assert JobState.FAILED is done.state
    assert 3 == done.replicas[0].exit_code
    assert done.reason


async def test_logs_of_one_replica_and_of_all(place):
    """A replica's log is its text as it is; the merged log names the replica before each line."""
    job = await place.submit("ada", prints="eins\nzwei ü 学\n", replicas=2)
    await place.over(job)

    one = await place.backend.logs("ada", job.id, replica="worker-1")
    both = await place.backend.logs("ada", job.id)

    assert ("eins\nzwei ü 学\n", "worker-1", 1, True) == (
        one.text,
        one.replica,
        one.attempt,
        one.complete,
    )
    assert sorted(
        f"[worker-{i}] {line}" for i in (0, 1) for line in ("eins", "zwei ü 学")
    ) == sorted(both.text.splitlines())


@pytest.mark.parametrize("limit", [1, 5, 7, 1000])
async def test_pieces_of_a_log_are_the_log(place, limit):
    """Reading piece by piece gives the whole text, however the pieces cut characters."""
    text = "aä学😀\n" * 5
    job = await place.submit("ada", prints=text)
    await place.over(job)

    seen, offset = "", 0
    while True:
        piece = await place.backend.logs(
            "ada", job.id, replica="worker-0", offset=offset, limit=limit
        )
        assert offset == piece.offset
        seen, offset = seen + piece.text, piece.next_offset
        if piece.complete:
            break

    assert text == seen


async def test_the_end_of_a_log(place):
    """A negative offset counts from the end and never starts within a character."""
    job = await place.submit("ada", prints="学学")
    await place.over(job)

    piece = await place.backend.logs("ada", job.id, replica="worker-0", offset=-4)

    assert ("学", 3, 6, 6) == (piece.text, piece.offset, piece.next_offset, piece.size)


async def test_logs_that_are_not_there(place):
    """A replica or attempt that the job does not have is not found; the message lists them."""
    job = await place.submit("ada")
    await place.over(job)

    with pytest.raises(NotFound, match="worker-0"):
        await place.backend.logs("ada", job.id, replica="../../job")
    with pytest.raises(NotFound, match="1"):
        await place.backend.logs("ada", job.id, attempt=2)


async def test_cancel_ends_a_job(place, until):
    """A running job that is cancelled ends as CANCELLED; cancelling it again changes nothing."""
    job = await place.submit("ada", code=None, prints="up\n")

    async def up():
        return (await place.backend.logs("ada", job.id)).text

    from_log = await until(up)
    start = time.monotonic()
    await place.backend.cancel("ada", job.id)
    took = time.monotonic() - start
    done = await place.over(job)

    assert "up" in from_log
    assert took < 1
    assert JobState.CANCELLED is done.state
    assert done == await place.backend.cancel("ada", job.id)


async def test_cancel_at_once(place):
    """A job that is cancelled before its processes are up ends as CANCELLED too."""
    job = await place.submit("ada", code=None)
    await place.backend.cancel("ada", job.id)
    await place.backend.cancel("ada", job.id)

    assert JobState.CANCELLED is (await place.over(job)).state


async def test_list_newest_first_in_pages(place):
    """Pages put together are the owner's jobs, newest first, each once."""
    jobs = [await place.submit("ada", name=f"job-{i}") for i in range(5)]
    await place.submit("grace", name="other")

    seen, after = [], None
    while True:
        page = await place.backend.list("ada", limit=2, after=after)
        assert len(page.jobs) <= 2
        seen += [job.id for job in page.jobs]
        if (after := page.next) is None:
            break

    assert [job.id for job in reversed(jobs)] == seen


async def test_list_by_state(place):
    """A list of states has jobs in these states only."""
    good, bad = await place.submit("ada"), await place.submit("ada", code=1)
    await place.over(good), await place.over(bad)

    page = await place.backend.list("ada", states=[JobState.FAILED, JobState.LOST])

    assert ([bad.id], None) == ([job.id for job in page.jobs], page.next)


@pytest.mark.parametrize("after", ["", "x", "💥", "MTIz", "a" * 5000, "bm90IGEgam9i"])
async def test_a_wrong_page(place, after):
    """What was never handed out as ``next`` is refused."""
    await place.submit("ada")

    with pytest.raises(InvalidRequest) as caught:
        await place.backend.list("ada", after=after)

    assert "next" == caught.value.field


@pytest.mark.parametrize("verb", ["get", "cancel", "logs", "events", "checkpoints"])
async def test_other_peoples_jobs_do_not_exist(place, verb):
    """Another person's job answers exactly like one that never was, and goes on."""
    job = await place.submit("ada", code=None)
    call = getattr(place.backend, verb)

    with pytest.raises(NotFound) as hers:
        await call("grace", job.id)
    with pytest.raises(NotFound) as none:
        await call("grace", "digits-zzzzzzz")

    assert none.value.to_wire() == hers.value.to_wire()
    assert () == (await place.backend.list("grace")).jobs
    assert not (await place.backend.get("ada", job.id)).state.is_terminal


@pytest.mark.parametrize("id", STRANGE_IDS)
async def test_strange_ids(place, id):
    """Whatever is no id is not found."""
    with pytest.raises(NotFound):
        await place.backend.get("ada", id)


async def test_events_tell_the_story(place):
    """Events are in order of time and start with the submit."""
    job = await place.submit("ada")
    await place.over(job)

    events = await place.backend.events("ada", job.id)

    assert "Submitted" == events[0].reason
    assert len(events) > 1
    assert sorted(event.time for event in events) == [event.time for event in events]


async def test_bad_wishes_start_nothing(place, make_spec):
    """An unknown image, a syntax error and too many GPUs are refused, naming the field."""
    wrong = [
        (make_spec(image="nosuch"), "image", None),
        (make_spec(source="x = 1\nfor\n"), "code.source", 2),
        (make_spec(gpus=3), "roles.0.gpus", None),
        (make_spec(cpus=65), "roles.0.cpus", None),
    ]
    for spec, field, line in wrong:
        with pytest.raises(InvalidRequest) as caught:
            await place.backend.submit("ada", spec)
        assert (field, line) == (caught.value.field, caught.value.line)

    assert () == (await place.backend.list("ada")).jobs


async def test_a_job_waits_for_gpus(place, until):
    """Without free GPUs a job waits, says for whom, and runs when they are free."""
    place.own_queue()
    first = await place.submit("ada", name="first", code=None, replicas=2, gpus=1)
    mine = await place.submit("ada", name="mine", code=None, gpus=1)
    hers = await place.submit("grace", name="hers", code=None, gpus=2)

    assert JobState.PENDING is mine.state
    assert "waiting for 1 GPU: none of 2 is free; held by your job 'first'." == mine.reason
    assert "waiting for 2 GPUs: none of 2 is free; held by 1 other person." == hers.reason

    await place.backend.cancel("ada", first.id)
    await place.over(first)
    now = await place.state(mine, JobState.RUNNING)
    assert JobState.PENDING is (await place.backend.get("grace", hers.id)).state

    gone = await place.backend.cancel("grace", hers.id)
    assert JobState.CANCELLED is gone.state
    await until(lambda: has_gpus(place, now))


async def test_capacity(place):
    """Capacity counts what is free and hides the names of others."""
    free = await place.backend.capacity("ada", 2)
    job = await place.submit("ada", code=None, gpus=1)
    await place.state(job, JobState.RUNNING)
    mine = await place.backend.capacity("ada", 2)
    hers = await place.backend.capacity("grace", 3)

    assert (2, 2, "now") == (free.total, free.free, free.forecast.answer)
    assert (1, "wait", job.id) == (mine.free, mine.forecast.answer, mine.holders[0].id)
    assert ("never", "", "job") == (
        hers.forecast.answer,
        hers.holders[0].id + hers.holders[0].owner + hers.holders[0].name,
        hers.holders[0].kind,
    )


async def test_a_lab_lends_its_gpus(place, until):
    """One's jobs run on what one's lab lends, nobody else's do, and the lab may end before them."""
    with place.lab("ada") as lab:
        mine = await place.submit("ada", name="mine", code=None, gpus=1)
        hers = await place.submit("grace", name="hers", code=None, gpus=1)
        told = "Lend your lab's GPUs to start it now."
        assert mine.reason.endswith(told)
        assert told in (await place.backend.capacity("ada", 1)).forecast.message
        assert "Lend" not in hers.reason

        for person, id in (("grace", lab.id), ("ada", "nosuch"), ("ada", "")):
            with pytest.raises(NotFound):
                await place.backend.lend(person, id, True)
        now = await place.backend.lend("ada", lab.id, True)
        assert (0, [True, True]) == (now.free, [holder.lend for holder in now.holders])
        await place.state(mine, JobState.RUNNING)
        await until(lambda: has_gpus(place, mine))

        seen = await place.backend.capacity("ada", 1)
        others = (await place.backend.capacity("grace", 1)).holders
        assert "now" == seen.forecast.answer
        assert ["mine"] == [holder.lent_to.name for holder in seen.holders if holder.lent_to]
        assert {Holder(kind="lab")} == set(others)
        await place.backend.lend("ada", lab.id, False)
        assert "wait" == (await place.backend.capacity("ada", 1)).forecast.answer
        assert JobState.RUNNING is (await place.backend.get("ada", mine.id)).state
        assert JobState.PENDING is (await place.backend.get("grace", hers.id)).state

    await place.state(hers, JobState.RUNNING)
    after = await place.backend.capacity("ada", None)
    assert (0, {"job"}) == (after.free, {holder.kind for holder in after.holders})


async def has_gpus(place, job):
    replicas = (await place.backend.get(job.owner, job.id)).replicas
    return replicas and all(len(replica.gpus) == 1 for replica in replicas)


async def test_resume_right_after_a_pause(place):
    """A job that is resumed while it is being paused goes on in its next attempt."""
    job = await place.submit("ada", code=None)
    await place.state(job, JobState.RUNNING)

    await place.backend.pause("ada", job.id)
    again = await place.backend.resume("ada", job.id)

    assert again.state in (JobState.PENDING, JobState.RUNNING)
    await until_attempt(place, job, 2)
    await place.backend.cancel("ada", job.id)
    await place.over(job)


async def until_attempt(place, job, number):
    """The job once this attempt runs."""
    for _ in range(400):
        now = await place.backend.get(job.owner, job.id)
        if (now.state, now.attempt) == (JobState.RUNNING, number):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"no attempt {number}: {now}")


async def test_what_lives(place):
    """The service itself knows everybody's jobs that wait or run; a person's way to it, none."""
    mine = await place.submit("ada", code=None)
    hers = await place.submit("grace", code=None)
    await place.state(mine, JobState.RUNNING)
    await place.state(hers, JobState.RUNNING)
    if isinstance(place.backend, EachTheirOwn):
        assert () == await place.backend.backends["ada"].live()
        return
    assert {(mine.id, "ada"), (hers.id, "grace")} == {
        (job.id, job.owner) for job in await place.backend.live()
    }

    await place.backend.cancel("ada", mine.id)
    await place.over(mine)
    assert [hers.id] == [job.id for job in await place.backend.live()]
