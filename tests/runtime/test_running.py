"""A model is asked once at a time, and a run that hangs is noticed whatever else is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy
import pytest

from dllab_hub.runtime.question import Question
from dllab_hub.runtime.running import SMALL, Runner

SHORT = Question({"x": numpy.zeros(1, "float32")}, ("y",))
LARGE = Question({"x": numpy.zeros(SMALL, "float32")}, ("y",))


class Hanging:
    """Answers what is small at once, and what is large when it is let go.

    Attributes:
        threads: Names of those that asked, in order.
        most: Of runs at a time.
    """

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.most = 0
        self.begun, self.let_go = threading.Event(), threading.Event()
        self._now = 0

    def run(self, arrays: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, Any]:
        self.threads.append(threading.current_thread().name)
        self._now += 1
        self.most = max(self.most, self._now)
        if arrays["x"].size > 1:
            self.begun.set()
            assert self.let_go.wait(30)
        self._now -= 1
        return {"y": arrays["x"]}

    async def until_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 10)


@pytest.fixture
def model() -> Iterator[Hanging]:
    model = Hanging()
    yield model
    model.let_go.set()


async def warm(runner: Runner, model: Hanging) -> None:
    """Until what is short is computed where it stands."""
    for _ in range(100):
        await runner.compute(SHORT)
        if model.threads[-1] == threading.current_thread().name:
            return
    pytest.fail("it is never computed at once")


async def test_one_run_at_a_time(model: Hanging) -> None:
    """While a run is in the pool, a short one waits for it, also when its caller has gone."""
    runner = Runner(model.run)
    await warm(runner, model)
    large = asyncio.create_task(runner.compute(LARGE))
    await model.until_begun()
    large.cancel()
    with pytest.raises(asyncio.CancelledError):
        await large
    short = asyncio.create_task(runner.compute(SHORT))
    gone = asyncio.create_task(runner.compute(SHORT))
    await asyncio.sleep(0.05)
    assert not short.done()
    gone.cancel()  # It never began, and must not keep the others from being computed at once.
    model.let_go.set()

    assert [0] == (await short)["y"].tolist()
    assert 1 == model.most
    await warm(runner, model)
    assert 0 == runner.oldest


async def test_a_run_that_hangs_is_noticed(model: Hanging) -> None:
    """Short requests that come meanwhile do not hide it, and good runs do not end anything."""
    runner, ended = Runner(model.run), threading.Event()
    runner.watch(0.6, ended.set)
    await warm(runner, model)
    await asyncio.sleep(1)
    assert not ended.is_set()
    large = asyncio.create_task(runner.compute(LARGE))
    await model.until_begun()
    short = asyncio.create_task(runner.compute(SHORT))

    assert await asyncio.to_thread(ended.wait, 10)
    assert runner.oldest >= 0.6
    model.let_go.set()
    await asyncio.gather(large, short)
    assert 0 == runner.oldest


async def test_how_long_a_run_takes_already(model: Hanging) -> None:
    """Its time counts from its own start, not from that of one before, and ends when it fails."""
    failing = Runner(lambda arrays, outputs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await failing.compute(SHORT)
    assert 0 == failing.oldest

    runner = Runner(model.run)
    first = asyncio.create_task(runner.compute(LARGE))
    await model.until_begun()
    await asyncio.sleep(0.5)
    assert runner.oldest >= 0.5
    model.let_go.set()
    await first
    model.begun.clear(), model.let_go.clear()
    second = asyncio.create_task(runner.compute(LARGE))
    await model.until_begun()
    assert 0 < runner.oldest < 0.5
    model.let_go.set()
    await second
