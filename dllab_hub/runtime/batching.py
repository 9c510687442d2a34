"""`Batcher`: requests that wait at the same time are computed as one, row by row apart.

A network takes little longer for thirty rows than for one. While one batch is computed the next
one gathers; what cannot be computed together, such as rows of another shape, waits in a batch of
its own. When a batch fails its requests are computed one by one, so only the one at fault fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .model import Model
from .question import Question

if TYPE_CHECKING:
    import numpy

__all__ = ("Batcher", "can_batch")

_Found = Mapping[str, "numpy.ndarray"]


def can_batch(model: Model) -> bool:
    """Whether every input and output has a row for each instance, and any number of them fits."""
    return all(
        tensor.shape and tensor.shape[0] is None for tensor in (*model.inputs, *model.outputs)
    )


@dataclass
class _Waiting:
    question: Question
    rows: int
    key: Hashable
    since: float
    answer: asyncio.Future[_Found]


class Batcher:
    """Answers as ``compute`` would, in fewer calls of it.

    Args:
        compute: One run of a model of which `can_batch` holds.
        most: Rows of one run. A request that has more is computed alone.
        wait: Seconds that a request waits for others at most.
    """

    def __init__(
        self, compute: Callable[[Question], Awaitable[_Found]], *, most: int, wait: float
    ) -> None:
        self._compute = compute
        self._most = most
        self._wait = wait
        self._waiting: list[_Waiting] = []
        self._came = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> _Found:
        """The answer to one request.

        Raises:
            BadRequest: the model refuses its values.
        """
        counts = {array.shape[0] if array.ndim else 0 for array in question.arrays.values()}
        rows = counts.pop()
        if counts or not 0 < rows < self._most:  # Nothing can be added to it.
            return await self._compute(question)
        loop = asyncio.get_running_loop()
        kinds = (
            (name, array.dtype.str, array.shape[1:]) for name, array in question.arrays.items()
        )
        key = (question.outputs, tuple(sorted(kinds)))
        waiting = _Waiting(question, rows, key, loop.time(), loop.create_future())
        self._waiting.append(waiting)
        self._came.set()
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._go_on(), name="dllab-batches")
        return await waiting.answer

    async def _go_on(self) -> None:
        """Batch after batch, until nobody waits."""
        while self._waiting:
            batch = await self._gathered()
            try:
                await self._answer(batch)
            except BaseException as exc:
                for each in batch:
                    if not each.answer.done():
                        each.answer.set_exception(exc)
                if not isinstance(exc, Exception):
                    raise

    async def _gathered(self) -> list[_Waiting]:
        """Those that go with the one that has waited longest."""
        until = self._waiting[0].since + self._wait
        while True:
            self._came.clear()
            self._waiting = [each for each in self._waiting if not each.answer.done()]
            if not self._waiting:
                return []
            first, batch, rows = self._waiting[0], [], 0
            for each in self._waiting:
                if each.key == first.key and rows + each.rows <= self._most:
                    batch.append(each)
                    rows += each.rows
            left = until - asyncio.get_running_loop().time()
            if rows >= self._most or left <= 0:
                break
            try:
                await asyncio.wait_for(self._came.wait(), left)
            except TimeoutError:
                until = 0.0
        taken = set(map(id, batch))
        self._waiting = [each for each in self._waiting if id(each) not in taken]
        return batch

    async def _answer(self, batch: list[_Waiting]) -> None:
        if len(batch) > 1 and await self._answer_together(batch):
            return
        for each in batch:
            try:
                found = await self._compute(each.question)
            except Exception as exc:  # Whoever asked is told; the others go on.
                if not each.answer.done():
                    each.answer.set_exception(exc)
            else:
                if not each.answer.done():  # Nobody waits where it is: the caller has gone.
                    each.answer.set_result(found)

    async def _answer_together(self, batch: list[_Waiting]) -> bool:
        """Whether that was possible."""
        import numpy

        names = batch[0].question.arrays
        joined = {n: numpy.concatenate([each.question.arrays[n] for each in batch]) for n in names}
        rows = sum(each.rows for each in batch)
        try:
            found = await self._compute(Question(joined, batch[0].question.outputs, rows=rows))
        except Exception:  # Of one of them, and nobody knows of which: see the module.
            return False
        if not all(array.ndim and array.shape[0] == rows for array in found.values()):
            return False
        at = 0
        for each in batch:
            part = {name: array[at : at + each.rows] for name, array in found.items()}
            at += each.rows
            if not each.answer.done():
                each.answer.set_result(part)
        return True
