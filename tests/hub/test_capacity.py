"""What the hub knows of the GPUs before anybody starts a lab."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from dllab_hub.errors import Unavailable
from dllab_hub.hub import capacity as module
from dllab_hub.hub.capacity import CapacitySource, LocalCapacity
from dllab_hub.leases import LeaseDir
from dllab_hub.specs import Catalog, GpuInfo, Image
from dllab_hub.state import StateDir

GPUS = tuple(GpuInfo(uuid=f"GPU-{n}", name="NVIDIA T4") for n in range(2))
IMAGE = Image(name="all", title="All", framework="x", version="1")
CATALOG = Catalog(images=(IMAGE,), default_image="all")
LAB = {"kind": "lab", "owner": "grace", "name": "secret", "id": "secret-1"}


@pytest.fixture
def state(tmp_path):
    return StateDir(tmp_path / "state", tmp_path / "envs")


@pytest.fixture
async def source(state):
    source: CapacitySource = LocalCapacity(state, lambda: GPUS)
    yield source
    await source.close()


async def test_the_locks_are_looked_at(source, state):
    """It is told what a wish would meet, and what changed when that is asked for."""
    before = await source.outlook("ada", (), CATALOG)
    with LeaseDir(state.leases).take(["GPU-0", "GPU-1"], 1, LAB):
        cached = await source.forecasts("ada", (), CATALOG)
        source.expire()
        after = await source.outlook("ada", (), CATALOG)

    assert (2, "2 of 2 are free") == (before.gpus, before.held)
    assert ["now", "now", "now"] == [said.answer for said in cached[""]]
    assert ["now", "now", "wait"] == [said.answer for said in after.forecasts[""]]
    assert "1 of 2 is free; held by 1 other person" == after.held


async def test_it_is_fresh_without_a_wait(source, state, monkeypatch):
    """While somebody looks, a change is seen without anybody waiting for a look at the locks."""
    monkeypatch.setattr(module, "_FRESH", 0.1)
    await source.outlook("ada", (), CATALOG)
    with LeaseDir(state.leases).take(["GPU-0", "GPU-1"], 2, LAB):
        await asyncio.sleep(0.4)
        began = time.perf_counter()
        seen = await source.outlook("ada", (), CATALOG)
        took = time.perf_counter() - began

    assert "none of 2 is free; held by 1 other person" == seen.held
    assert took < 0.02


async def test_nobody_looks_for_nobody(source, monkeypatch):
    """When nobody has asked for a while the machine is left alone."""
    monkeypatch.setattr(module, "_FRESH", 0.02)
    monkeypatch.setattr(module, "_WATCHED", 0.1)
    await source.outlook("ada", (), CATALOG)
    await asyncio.sleep(0.3)

    assert source._watching.done()


async def test_a_slow_driver_blocks_nobody_else(state):
    """A hundred who ask cost one look, in a thread, while the event loop goes on."""
    threads: list[str] = []

    def slow():
        threads.append(threading.current_thread().name)
        time.sleep(0.3)
        return GPUS

    source = LocalCapacity(state, slow)
    asked = [asyncio.create_task(source.outlook("ada", (), CATALOG)) for _ in range(100)]
    longest, began = 0.0, time.perf_counter()
    while not all(task.done() for task in asked):
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        longest, began = max(longest, now - began), now
    await source.close()

    assert {2} == {task.result().gpus for task in asked}
    assert longest < 0.2
    assert len(threads) == 1
    assert threading.main_thread().name not in threads


async def test_a_look_from_before_is_not_kept(state):
    """After something was taken, a look that began earlier is no answer to who asks later."""
    looking, go_on, seen = threading.Event(), threading.Event(), [GPUS[:1], GPUS]

    def gpus():
        answer = seen.pop(0)
        if len(answer) == 1:
            looking.set()
            go_on.wait(10)
        return answer

    source = LocalCapacity(state, gpus)
    before = asyncio.create_task(source.outlook("ada", (), CATALOG))
    await asyncio.to_thread(looking.wait, 10)
    source.expire()
    after = await source.outlook("ada", (), CATALOG)
    go_on.set()

    assert (1, 2) == ((await before).gpus, after.gpus)
    assert 2 == (await source.outlook("ada", (), CATALOG)).gpus
    await source.close()


async def test_what_is_out_of_use_is_not_offered(state):
    """A GPU that is withdrawn counts as not there, until it is given back."""
    leases = LeaseDir(state.leases)
    leases.withdraw(GPUS[0].uuid, "It fell off the bus.")
    source = LocalCapacity(state, lambda: GPUS)
    without = await source.outlook("ada", (), CATALOG)
    leases.give_back(GPUS[0].uuid)
    source.expire()

    assert (1, 2) == (without.gpus, (await source.outlook("ada", (), CATALOG)).gpus)
    await source.close()


async def test_a_driver_that_hangs_is_said(state, monkeypatch):
    """Whoever looks at the form gets a sentence in the end, and costs no second thread."""
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    go_on, looks = threading.Event(), []

    def hang():
        looks.append(1)
        go_on.wait(10)
        return GPUS

    source = LocalCapacity(state, hang)
    for _ in range(3):
        with pytest.raises(Unavailable, match="do not answer"):
            await source.outlook("ada", (), CATALOG)
    go_on.set()
    await source.close()

    assert 1 == len(looks)


async def test_trouble_is_told(state):
    """What goes wrong is raised to whoever asks, and the next answer may be good again."""
    answers = [Unavailable("the locks are stuck."), GPUS]

    def gpus():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    source = LocalCapacity(state, gpus)
    with pytest.raises(Unavailable):
        await source.outlook("ada", (), CATALOG)
    seen = await source.outlook("ada", (), CATALOG)
    await source.close()

    assert 2 == seen.gpus
