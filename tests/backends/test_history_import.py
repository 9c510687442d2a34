"""Records that leave one lab and come into another, some of them written by hand."""

from __future__ import annotations

import time

import pytest

from dllab_hub.errors import Conflict, DLLabError, InvalidRequest
from dllab_hub.specs import Annotation, JobRecord, JobState


async def exported(place, **more) -> JobRecord:
    """The record of a job of ada's that is here no more."""
    job = await place.over(await place.submit("ada", prints="hello\n", **more))
    await place.backend.history.annotate("ada", job.id, Annotation(notes="best", tags=("t",)))
    (record,) = (await place.backend.history.records("ada", limit=1)).records
    await place.backend.history.delete("ada", job.id)
    return JobRecord.from_wire(record.to_wire())


def changed(record: JobRecord, **job) -> JobRecord:
    return record.model_copy(update={"job": record.job.model_copy(update=job)})


async def test_there_and_back(place):
    """A record that was exported, deleted and imported is what it was, without its files."""
    record = await exported(place)
    history = place.backend.history
    first = await history.take_in("ada", (record, record))
    again = await history.take_in("ada", (record,))
    back = await history.record("ada", record.job.id)

    assert ((record.job.id,), ()) == (first.added, first.known)
    assert ((), (record.job.id,)) == (again.added, again.known)
    assert (record.events, record.logs) == (back.events, back.logs)
    assert ("best", ("t",), False) == (back.job.notes, back.job.tags, back.job.files)
    assert record.job.spec == back.job.spec
    with pytest.raises((Conflict, InvalidRequest)):
        await place.backend.resume("ada", record.job.id)
    assert "" == (await place.backend.logs("ada", record.job.id)).text or back.logs


async def test_another_persons_record(place):
    """A record becomes the property of who imports it, and of nobody else."""
    record = await exported(place)
    await place.backend.history.take_in("grace", (record,))

    assert "ada" != (await place.backend.get("grace", record.job.id)).owner
    assert () == (await place.backend.list("ada")).jobs
    with pytest.raises(Conflict):
        await place.backend.history.take_in("ada", (record,))


async def test_what_a_record_says_of_this_machine(place):
    """Places, processes and the owner that a record names do not count."""
    record = await exported(place)
    lies = {
        "owner": "root",
        "workspace": "/etc",
        "tensorboard": "/etc",
        "replicas": tuple(one.model_copy(update={"pid": 1}) for one in record.job.replicas),
        "files": True,
        "position": 1,
    }
    await place.backend.history.take_in("ada", (changed(record, **lies),))
    job = await place.backend.get("ada", record.job.id)

    assert ("", "", False, None) == (job.workspace, job.tensorboard, job.files, job.position)
    assert "root" != job.owner
    assert [None] == [one.pid for one in job.replicas]


@pytest.mark.parametrize(
    "lie",
    [
        {"id": "../../etc/passwd"},
        {"id": "digits-bcdfghj\n"},
        {"id": "other-bcdfghj"},
        {"id": ""},
        {"id": "digits-bcdfghj/../../x"},
        {"id": "<img onerror>-bcdfghj"},
        {"state": JobState.RUNNING},
        {"state": JobState.PAUSED},
        {"created": 9e10},
        {"created": -1.0},
        {"ended": 9e10},
        {"gpu_seconds": -1e9},
        {"ran": -1.0},
    ],
    ids=str,
)
async def test_records_that_cannot_be(place, lie):
    """A record whose id, state or times cannot be is refused, and so are those beside it."""
    record = await exported(place)
    good = changed(record, id="digits-" + "b" * 7)
    with pytest.raises(InvalidRequest):
        await place.backend.history.take_in("ada", (good, changed(record, **lie)))

    assert () == (await place.backend.list("ada")).jobs


async def test_pages_of_an_export(place):
    """An export goes over pages, newest first, and leaves out what has not ended."""
    ids = [(await place.over(await place.submit("ada"))).id for _ in range(5)]
    running = await place.submit("ada", code=None)
    seen, after = [], None
    while True:
        page = await place.backend.history.records("ada", limit=2, after=after)
        seen += [record.job.id for record in page.records]
        if (after := page.next) is None:
            break

    assert list(reversed(ids)) == seen
    assert running.id not in seen


async def test_time_goes_on(place):
    """A clock that is an hour ahead elsewhere is no reason to refuse a record."""
    record = await exported(place)
    try:
        await place.backend.history.take_in("ada", (changed(record, created=time.time() + 3600),))
    except DLLabError as exc:
        pytest.fail(str(exc))
