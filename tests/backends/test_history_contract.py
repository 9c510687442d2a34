"""What every backend promises of the jobs it keeps, run on each of them."""

from __future__ import annotations

import pytest

from dllab_hub.backends.filtering import is_wanted
from dllab_hub.errors import Conflict, InvalidRequest, NotFound
from dllab_hub.specs import Annotation, JobFilter, JobState


async def ended(place, owner="ada", **more):
    return await place.over(await place.submit(owner, **more))


async def test_tags_begin_with_the_wish(place):
    """A job has the tags of its wish until somebody changes them."""
    job = await place.submit("ada", tags=("baseline", "lr/0.1"))

    assert ("baseline", "lr/0.1") == job.tags
    assert job.tags == (await place.backend.get("ada", job.id)).tags


@pytest.mark.parametrize("code", [0, None], ids=["ended", "running"])
async def test_what_a_person_writes_down(place, code):
    """Tags, notes and the favourite of an ended or running job are kept; None leaves them."""
    job = await place.submit("ada", code=code, tags=("old",))
    await place.state(job, JobState.RUNNING if code is None else JobState.SUCCEEDED)
    history = place.backend.history
    await history.annotate("ada", job.id, Annotation(notes="<b>ü</b>\n学", favourite=True))
    await history.annotate("ada", job.id, Annotation(tags=("new", "ü-2")))

    now = await place.backend.get("ada", job.id)
    assert ("new", "ü-2") == now.tags
    assert ("<b>ü</b>\n学", True) == (now.notes, now.favourite)
    if code is None:
        await place.backend.cancel("ada", job.id)
        now = await place.over(job)
        assert (("new", "ü-2"), True) == (now.tags, now.favourite)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, {"a", "b", "c", "d"}),
        ({"name": "mnist"}, {"b", "d"}),
        ({"tag": "fast"}, {"a", "b"}),
        ({"tag": "fas"}, set()),
        ({"tag": "ast"}, set()),
        ({"favourite": True}, {"c"}),
        ({"states": (JobState.FAILED,)}, {"d"}),
        ({"states": (JobState.FAILED, JobState.SUCCEEDED), "name": "mnist"}, {"b", "d"}),
        ({"text": "ADAM"}, {"a"}),
        ({"text": "adam fast"}, {"a"}),
        ({"text": "adam slow"}, set()),
        ({"text": "straße"}, {"c"}),
        ({"text": "STRASSE"}, {"c"}),
        ({"text": "100%"}, {"b"}),
        ({"text": "learned_rate"}, set()),
        ({"text": "'; DROP TABLE jobs"}, set()),
        ({"text": "mnist- here"}, {"b", "d"}),
        ({"image": "here"}, {"a", "b", "c", "d"}),
        ({"image": "pytorch"}, set()),
        ({"until": 1.0}, set()),
        ({"since": 1.0}, {"a", "b", "c", "d"}),
    ],
)
async def test_a_filter(place, where, found):
    """Each field of a filter leaves out what it says, as the rule that all backends share."""
    annotate = place.backend.history.annotate
    jobs = {
        "a": await ended(place, tags=("fast",)),
        "b": await ended(place, name="mnist", tags=("fast", "faster")),
        "c": await ended(place),
        "d": await ended(place, name="mnist", code=3),
    }
    await annotate("ada", jobs["a"].id, Annotation(notes="with Adam\nand learned-rate"))
    await annotate("ada", jobs["b"].id, Annotation(notes="100% of it"))
    await annotate("ada", jobs["c"].id, Annotation(notes="in the Straße", favourite=True))
    wanted = JobFilter(**where)
    page = await place.backend.list("ada", where=wanted)

    assert {jobs[name].id for name in found} == {job.id for job in page.jobs}
    now = [await place.backend.get("ada", job.id) for job in jobs.values()]
    assert {job.id for job in page.jobs} == {job.id for job in now if is_wanted(job, wanted)}


async def test_a_filter_goes_over_pages(place):
    """Pages of a filtered list hold each job once, newest first."""
    jobs = [await ended(place, tags=("x",) if number % 2 else ()) for number in range(6)]
    seen, after = [], None
    while True:
        page = await place.backend.list("ada", where=JobFilter(tag="x"), limit=2, after=after)
        seen += [job.id for job in page.jobs]
        if (after := page.next) is None:
            break

    assert [job.id for job in reversed(jobs[1::2])] == seen


async def test_a_record(place):
    """A record has the job, its events and the end of each replica's log."""
    job = await ended(place, prints="hello ü\n", replicas=2)
    record = await place.backend.history.record("ada", job.id)

    assert job.id == record.job.id
    assert {"worker-0": "hello ü\n", "worker-1": "hello ü\n"} == record.logs
    assert any(event.reason == "Submitted" for event in record.events)


async def test_files_that_are_removed(place):
    """The record of a job outlives its files; it cannot be gone on with, and says so."""
    job = await ended(place, prints="hello\n", code=3)
    history = place.backend.history
    gone = await history.remove_files("ada", job.id)
    again = await history.remove_files("ada", job.id)

    assert (False, False) == (gone.files, again.files)
    assert None is gone.checkpoint
    record = await history.record("ada", job.id)
    assert {"worker-0": "hello\n"} == record.logs
    assert JobState.FAILED is record.job.state
    assert job.id in [one.id for one in (await place.backend.list("ada")).jobs]


async def test_a_job_that_is_deleted(place):
    """A deleted job is nowhere any more."""
    job = await ended(place)
    await place.backend.history.delete("ada", job.id)

    with pytest.raises(NotFound):
        await place.backend.get("ada", job.id)
    with pytest.raises(NotFound):
        await place.backend.history.record("ada", job.id)
    assert () == (await place.backend.list("ada")).jobs
    assert () == (await place.backend.history.records("ada")).records


async def test_what_runs_is_not_removed(place):
    """Neither files nor record of a job that runs can be removed."""
    job = await place.submit("ada", code=None)
    history = place.backend.history
    with pytest.raises(Conflict):
        await history.remove_files("ada", job.id)
    with pytest.raises(Conflict):
        await history.delete("ada", job.id)

    assert (await place.backend.get("ada", job.id)).files


async def test_it_is_nobody_elses(place):
    """Another person's job does not exist, whatever is asked of it."""
    job = await ended(place)
    other = await ended(place, owner="grace")
    history = place.backend.history
    for ask in (
        history.record("grace", job.id),
        history.annotate("grace", job.id, Annotation(notes="mine")),
        history.remove_files("grace", job.id),
        history.delete("grace", job.id),
        history.compare("grace", (other.id, job.id)),
    ):
        with pytest.raises(NotFound):
            await ask

    assert "" == (await place.backend.get("ada", job.id)).notes
    assert [other.id] == [one.job.id for one in (await history.records("grace")).records]


async def test_a_comparison(place):
    """Jobs beside each other show what differs in wish and result."""
    first = await ended(place, tags=("a",))
    other = await ended(place, replicas=2, code=3)
    found = await place.backend.history.compare("ada", (first.id, other.id))

    differences = {(d.part, d.field): d.values for d in found.differences}
    assert [first.id, other.id] == [job.id for job in found.jobs]
    assert ("1", "2") == differences["spec", "roles.0.replicas"]
    assert ("SUCCEEDED", "FAILED") == differences["result", "state"]


@pytest.mark.parametrize("count", [0, 1, 9])
async def test_comparisons_that_cannot_be(place, count):
    """A comparison is of two to eight jobs."""
    with pytest.raises(InvalidRequest):
        await place.backend.history.compare("ada", [f"digits-bcdfgh{n}" for n in range(count)])


async def test_nothing_begins_with_files_that_are_gone(place):
    """A job cannot begin with the checkpoints of one whose files are gone, and is told so."""
    job = await ended(place, code=3)
    await place.backend.history.remove_files("ada", job.id)

    with pytest.raises(InvalidRequest, match="files of that job are gone"):
        await place.submit("ada", checkpoint_from=job.id)
    with pytest.raises((Conflict, InvalidRequest)):
        await place.backend.resume("ada", job.id)
