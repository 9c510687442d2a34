"""`Runner`: one run of a model at a time, beside a server that goes on answering."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .question import Question

__all__ = ("SHORT", "SMALL", "Runner")

#: A thread costs about 0.1 ms; what is shorter than this (seconds) and small (bytes) is computed
#: where it stands.
SHORT, SMALL = 0.002, 65536


class Runner:
    """Has a model compute what is asked, in a thread of its own or, when that is short, at once.

    Args:
        run: The model's; is never called twice at a time.
    """

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run
        self._mean = float("inf")  # Seconds of a run, of the last few.
        self._pool = ThreadPoolExecutor(1, "model")
        self._handed: set[Future[Any]] = set()  # To the pool, and not done yet.
        self._began: dict[object, float] = {}  # Of each run that is under way.

    async def compute(self, question: Question) -> Any:
        """What the model gives; to be called in the thread of the event loop only."""
        # What is in the pool comes first: the model is asked from one thread at a time.
        if not self._handed and self._mean < SHORT and question.size < SMALL:
            return self._timed(question)
        job = self._pool.submit(self._timed, question)
        self._handed.add(job)
        # Not when this coroutine ends: a caller may go, and the run goes on.
        job.add_done_callback(self._handed.discard)
        return await asyncio.wrap_future(job)

    @property
    def oldest(self) -> float:
        """For how many seconds a run has been under way, the longest one; 0 when there is none."""
        began = tuple(self._began.values())
        return time.perf_counter() - min(began) if began else 0.0

    def watch(self, longest: float, end: Callable[[], object]) -> None:
        """Call ``end`` from a thread of its own, once, when a run takes ``longest`` seconds.

        A run cannot be stopped, and one that never comes to an end keeps all others waiting.
        """

        def watch() -> None:
            while self.oldest < longest:
                time.sleep(min(1.0, longest / 4))
            end()

        threading.Thread(target=watch, name="watch", daemon=True).start()

    def _timed(self, question: Question) -> Any:
        run = object()
        self._began[run] = began = time.perf_counter()
        try:
            found = self._run(question.arrays, question.outputs)
        finally:
            del self._began[run]
        took = time.perf_counter() - began
        self._mean = took if self._mean == float("inf") else 0.9 * self._mean + 0.1 * took
        return found
