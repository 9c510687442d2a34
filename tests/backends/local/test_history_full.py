"""A disk that is full: what is removed makes room."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from fault_machine import small_disk

from dllab_hub.backends.local.leftovers import lost_records
from dllab_hub.errors import NotFound, StorageFull
from dllab_hub.specs import Code, TrainingSpec

LARGE = "open('large.bin', 'wb').write(b'x' * 1_000_000)"


def fill(path: Path) -> None:
    """Take all the room there is."""
    for size in (4096, 1):
        with suppress(OSError), path.open("ab", buffering=0) as file:
            while True:
                file.write(b"x" * size)


@pytest.mark.parametrize("verb", ["remove_files", "delete"])
async def test_room_is_made_on_a_full_disk(a_state, running, until, verb):
    """The files of a job can be removed when there is no room to write that down first."""
    a_state.root.mkdir(parents=True, exist_ok=True)
    with small_disk(a_state.root, "4m"):
        async with running(a_state) as backend:
            spec = TrainingSpec(name="digits", image="here", code=Code(source=LARGE))
            job = await backend.submit("ada", spec)

            async def recorded():
                return (a_state.records / "ada" / f"{job.id}.json.gz").exists()

            await until(recorded)
            fill(a_state.root / "filler")
            await getattr(backend.history, verb)("ada", job.id)

            assert [] == list(a_state.jobs.iterdir())
        async with running(a_state) as backend:
            if verb == "delete":
                with pytest.raises(NotFound):
                    await backend.get("ada", job.id)
            else:
                assert not (await backend.get("ada", job.id)).files


@pytest.mark.parametrize("verb", ["take_in", "write"])
async def test_a_refused_import(local, monkeypatch, a_state, verb):
    """An import that there is no room for leaves nothing that the next start takes for jobs."""
    backend = local.backend
    jobs = [await local.over(await local.submit("ada")) for _ in range(2)]
    records = (await backend.history.records("ada")).records
    for job in jobs:
        await backend.history.delete("ada", job.id)
    kept = backend.history._records_kept
    real, said = kept.write, []

    def full(*args):
        said.append(args)
        if verb == "write" and len(said) == 1:
            real(*args)  # The first of two fits.
            return
        raise OSError(28, "No space left on device")

    owner, name = (backend.place.store._journal, "append") if verb == "take_in" else (kept, verb)
    monkeypatch.setattr(owner, name, full)
    with pytest.raises(StorageFull):
        await backend.history.take_in("ada", records)
    monkeypatch.undo()
    assert [] == list(a_state.records.glob("*/*"))
    assert [] == lost_records(backend.place, kept)
    assert () == (await backend.list("ada")).jobs
    assert 2 == len((await backend.history.take_in("ada", records)).added)


async def test_there_is_no_room_even_then(local, monkeypatch, a_state):
    """Files whose removal could not be written down are known to be gone when that can be."""
    backend = local.backend
    job = await local.over(await local.submit("ada"))
    await backend.history.record("ada", job.id)

    def full(*args):
        raise StorageFull("the disk is full.")

    monkeypatch.setattr(backend.place.store, "note", full)
    with pytest.raises(StorageFull):
        await backend.history.remove_files("ada", job.id)
    monkeypatch.undo()
    await backend.history._clearing.go_on()

    assert not (await backend.get("ada", job.id)).files
    await backend.history.delete("ada", job.id)
    assert [] == list(a_state.jobs.iterdir())
