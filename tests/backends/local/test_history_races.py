"""Records that are written, read and removed at the same time."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from dllab_hub.errors import NotFound


@pytest.fixture
def record_file(a_state):
    """Where the record of a job of ada's lies."""
    return lambda job: a_state.records / "ada" / f"{job.id}.json.gz"


async def test_deleted_while_its_record_is_made(local, monkeypatch, record_file):
    """A job that is deleted as soon as it has ended leaves no record that brings it back."""
    recorder = local.backend.history._recorder
    made, begun, go_on = recorder._made, threading.Event(), threading.Event()

    def slow(*args):
        begun.set()
        assert go_on.wait(20)
        return made(*args)

    monkeypatch.setattr(recorder, "_made", slow)
    job = await local.submit("ada", code=None)
    await local.backend.cancel("ada", job.id)
    await local.over(job)
    assert await asyncio.to_thread(begun.wait, 20)
    deleting = asyncio.create_task(local.backend.history.delete("ada", job.id))
    await asyncio.sleep(0.5)
    go_on.set()
    await deleting
    await asyncio.wait_for(recorder._due.join(), 20)

    assert not record_file(job).exists()
    with pytest.raises(NotFound):
        await local.backend.get("ada", job.id)


async def test_deleted_during_an_export(local, monkeypatch):
    """A job that is deleted after the page was found is left out; the others are exported."""
    jobs = [await local.over(await local.submit("ada")) for _ in range(3)]
    store, history = local.backend.place.store, local.backend.history
    page = store.page
    loop = asyncio.get_running_loop()

    def then_deleted(*args):
        found = page(*args)
        asyncio.run_coroutine_threadsafe(history.delete("ada", jobs[1].id), loop).result(20)
        return found

    monkeypatch.setattr(store, "page", then_deleted)
    records = (await history.records("ada")).records

    assert [jobs[2].id, jobs[0].id] == [record.job.id for record in records]


async def test_a_record_that_cannot_be_read_now(local, monkeypatch, record_file):
    """A disk that fails for a moment does not make an empty record of a good one."""
    job = await local.over(await local.submit("ada", prints="hello\n"))
    await local.backend.history.remove_files("ada", job.id)
    read = Path.read_bytes

    def fails(path: Path) -> bytes:
        if path == record_file(job):
            raise OSError(5, "Input/output error")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fails)
    assert {} == (await local.backend.history.record("ada", job.id)).logs
    monkeypatch.undo()
    assert {"worker-0": "hello\n"} == (await local.backend.history.record("ada", job.id)).logs
