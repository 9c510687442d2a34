"""The line before the GPUs: in order of arrival, and nothing is held for who has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from dllab_hub.errors import Unavailable
from dllab_hub.hub.waiting import Line, in_thread
from dllab_hub.leases import Lease, LeaseDir

GPUS = ["GPU-a", "GPU-b"]


@pytest.fixture
def leases(tmp_path: Path) -> LeaseDir:
    return LeaseDir(tmp_path / "leases")


def line_of(leases: LeaseDir, period: float = 0.01) -> Line:
    return Line(lambda: {u for u, who in leases.held(GPUS).items() if who is None}, period)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def test_first_come_first_served(leases: LeaseDir) -> None:
    """Each GPU that is given back goes to whoever has waited longest."""
    held = [leases.take(GPUS, 1, {"id": "x"}) for _ in GPUS]
    line = line_of(leases)
    order: list[int] = []

    async def wait(number: int) -> None:
        with await line.join(lambda free: leases.take([*free], 1, {"id": str(number)})):
            order.append(number)

    tasks = [asyncio.create_task(wait(number)) for number in range(5)]
    await asyncio.sleep(0.05)
    assert (5, []) == (len(line), order)
    held[0].release()
    await asyncio.gather(*tasks)
    held[1].release()

    assert list(range(5)) == order
    assert {None} == set(leases.held(GPUS).values())


async def test_who_needs_fewer_is_not_held_up(leases: LeaseDir) -> None:
    """One GPU that is free helps somebody, though the first in the line needs two."""
    held = leases.take(GPUS, 1, {"id": "x"})
    line = line_of(leases)
    two = asyncio.create_task(line.join(lambda free: leases.take([*free], 2, {"id": "two"})))
    one = await asyncio.wait_for(line.join(lambda free: leases.take([*free], 1, {"id": "1"})), 5)

    assert not two.done()
    one.release()
    held.release()
    (await asyncio.wait_for(two, 5)).release()


async def test_who_goes_away_holds_nothing(leases: LeaseDir) -> None:
    """However often a start is cancelled, at whatever moment, all GPUs are free in the end."""
    line = line_of(leases, 0.001)
    for number in range(60):
        task = asyncio.create_task(line.join(lambda free: leases.take([*free], 2, {"id": "me"})))
        await asyncio.sleep(number / 10000)
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result().release()
    await until(lambda: not any(leases.held(GPUS).values()))

    assert 0 == len(line)


async def test_an_error_concerns_one(leases: LeaseDir) -> None:
    """A wish that cannot be served ends for its owner, the others wait on."""

    def broken(free: Collection[str]) -> Lease:
        raise Unavailable("the locks are gone.")

    held = leases.take(GPUS, 1, {"id": "x"})
    line = line_of(leases)
    other = asyncio.create_task(line.join(lambda free: leases.take([*free], 2, {"id": "y"})))
    with pytest.raises(Unavailable, match="the locks are gone"):
        await line.join(broken)
    held.release()

    (await asyncio.wait_for(other, 5)).release()


async def test_locks_that_cannot_be_read_are_told(leases: LeaseDir) -> None:
    """Who waits is told that nobody can be served, and the next one is served again."""
    broken = True

    def free() -> set[str]:
        if broken:
            raise Unavailable("the locks do not move.")
        return set(GPUS)

    line = Line(free, 0.01)
    with pytest.raises(Unavailable, match="do not move"):
        await asyncio.wait_for(line.join(lambda free: leases.take([*free], 1, {"id": "x"})), 5)
    broken = False

    with await asyncio.wait_for(line.join(lambda f: leases.take([*f], 1, {"id": "x"})), 5) as got:
        assert 1 == len(got.uuids)


async def test_a_thread_that_nobody_waits_for(leases: LeaseDir) -> None:
    """A lease that comes after the start was cancelled is given back."""
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> Lease:
        loop.call_soon_threadsafe(began.set)
        lease = leases.take(GPUS, 2, {"id": "x"})
        asyncio.run(asyncio.sleep(0.1))
        return lease

    task = asyncio.create_task(in_thread(slow))
    await began.wait()
    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()
    await until(lambda: not any(leases.held(GPUS).values()))
