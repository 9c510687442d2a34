"""The index of jobs: quick, and made anew when it is damaged."""

from __future__ import annotations

import logging
import os
import subprocess
import time

import pytest

from dllab_hub.backends.local import index
from dllab_hub.backends.local.index import JOB_ID
from dllab_hub.backends.local.store import Store
from dllab_hub.errors import InvalidRequest, StorageFull
from dllab_hub.specs import Code, JobFilter, JobState, TrainingJob


@pytest.fixture
def make_job(make_spec):
    """Makes jobs with ids that sort like their numbers."""

    def make(number: int = 0, owner: str = "ada", state=JobState.RUNNING, **more) -> TrainingJob:
        id = f"digits-{number:07d}"
        return TrainingJob(
            id=id, owner=owner, spec=make_spec(), state=state, created=1000.5 + number, **more
        )

    return make


@pytest.fixture
def store(tmp_path):
    """An open store without jobs."""
    store = Store(tmp_path)
    store.open()
    yield store
    store.close()


def reopened(store: Store) -> Store:
    store.close()
    store.open()
    return store


def test_what_is_added_is_found(store, make_job):
    """A job is found by its owner and id, after closing too, and by nobody else."""
    job = make_job()
    store.add(job)
    reopened(store)

    assert job == store.find("ada", job.id)
    assert None is store.find("grace", job.id)


def test_live_jobs(store, make_job):
    """Live are those that have not ended, oldest first."""
    for number in (2, 1, 3):
        store.add(make_job(number))
    store.update(make_job(1, state=JobState.SUCCEEDED))

    assert ["digits-0000002", "digits-0000003"] == [job.id for job in store.live()]


@pytest.mark.parametrize("how", ["garbage", "missing", "truncated", "another database"])
def test_a_damaged_index_is_made_anew(store, make_job, tmp_path, caplog, how):
    """A damaged index is kept aside, said in the log, and rebuilt from the journal."""
    running, ended = make_job(1), make_job(2, reason="why", state=JobState.FAILED)
    store.add(running)
    store.add(make_job(2))
    store.update(ended)
    store.close()
    index = tmp_path / "index.sqlite"
    for part in ("index.sqlite-wal", "index.sqlite-shm"):
        (tmp_path / part).unlink(missing_ok=True)
    if how == "garbage":
        index.write_bytes(os.urandom(20000))
    elif how == "truncated":
        index.write_bytes(index.read_bytes()[:5000])
    else:
        index.unlink()
    if how == "another database":
        subprocess.run(
            ["python3", "-c", f"import sqlite3; c=sqlite3.connect({str(index)!r});"
             "c.execute('create table jobs (x)'); c.commit()"],
            check=True,
        )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        store.open()

    assert running == store.find("ada", running.id)
    assert ended == store.find("ada", ended.id)
    assert "Rebuilt" in caplog.text
    assert (how != "missing") == bool(list(tmp_path.glob("index.sqlite.damaged-*")))


def test_a_journal_that_was_cut_off(store, make_job, tmp_path):
    """A last line that was cut off loses only itself, also when the journal goes on."""
    store.add(make_job(1))
    with (tmp_path / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"op": "submit", "job": {"id"')
    store.add(make_job(2))
    store.close()
    (tmp_path / "index.sqlite").unlink()
    store.open()

    assert {"digits-0000001", "digits-0000002"} == store.ids()


def test_ten_thousand_jobs(store, make_job):
    """The first page of 10,000 jobs takes at most 100 ms, any page and filter alike."""
    spec = make_job().spec
    with store._db:
        for number in range(10_000):
            state = JobState.FAILED if number % 1000 == 0 else JobState.SUCCEEDED
            job = make_job(number, state=state).model_copy(update={"spec": spec})
            index.put(store._db, job)

    def timed(*args):
        start = time.perf_counter()
        jobs, following = store.page("ada", *args)
        return time.perf_counter() - start, jobs, following

    first, jobs, following = timed(JobFilter(), 50, None)
    later, more, _ = timed(JobFilter(), 50, following)
    failed, bad, _ = timed(JobFilter(states=(JobState.FAILED,)), 50, None)

    assert max(first, later, failed) <= 0.1
    assert "digits-0009999" == jobs[0].id
    assert "digits-0009949" == more[0].id
    assert 10 == len(bad)


def test_a_page_is_bounded_in_bytes(store, make_job):
    """Jobs with much code make a page shorter, and none of them is left out."""
    code = Code(source="#" * 1_500_000)
    for number in range(3):
        job = make_job(number)
        large = job.spec.model_copy(update={"code": code})
        store.add(job.model_copy(update={"spec": large}))
    found, after = [], None
    for _ in range(3):
        page, after = store.page("ada", JobFilter(), 50, after)
        found += [job.id for job in page]

        assert 1 == len(page)
    assert 3 == len(set(found))
    assert None is after


def test_a_page_of_the_same_moment(store, make_job):
    """Jobs with the same time are each on one page."""
    for number in range(5):
        store.add(make_job(number).model_copy(update={"created": 7.0}))
    first, following = store.page("ada", JobFilter(), 3, None)
    second, end = store.page("ada", JobFilter(), 3, following)

    assert 5 == len({job.id for job in (*first, *second)})
    assert None is end


@pytest.mark.parametrize("cursor", ["bmFu", "bmFuIGRpZ2l0cy0wMDAwMDAx", "4pyT", "=" * 8])
def test_wrong_cursors(store, cursor):
    """A cursor that is not one is refused, also one whose time is not a number."""
    with pytest.raises(InvalidRequest):
        store.page("ada", JobFilter(), 3, cursor)


@pytest.mark.parametrize("id", ["digits-0000001\n", "Digits-0000001", "digits", "a/-0000001"])
def test_ids_match_whole(id):
    """An id with anything around it is none."""
    assert None is JOB_ID.fullmatch(id)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk(tmp_path, make_job):
    """A full disk is StorageFull; what was refused is neither in the index nor in the journal."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        store = Store(disk)
        store.open()
        added = []
        with pytest.raises(StorageFull):  # noqa: PT012 - which one is refused is not known before
            for number in range(10_000):
                store.add(make_job(number))
                added.append(f"digits-{number:07d}")
        assert set(added) == store.ids()
        reopened(store)
        assert set(added) == store.ids()
        store.close()
        for part in disk.glob("index.sqlite*"):
            part.unlink()
        store.open()

        assert set(added) == store.ids()
        store.close()
    finally:
        subprocess.run(["umount", disk], check=True)
