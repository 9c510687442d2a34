"""`LogView`: the end of a log as it grows; `Tail`: the text behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import ipywidgets

from ..job import Job, tail
from ..specs import LogChunk
from .live import Live
from .markup import heading, log

__all__ = ("LogView", "Tail", "of_job")

_Which = TypeVar("_Which")

_BYTES = 256 * 1024  # As much as `job.tail` shows first.


class Tail(Generic[_Which]):
    """The end of a log, read piece by piece.

    Attributes:
        text: At most the last 256 Ki characters.
        complete: Nothing more will come.

    Args:
        ask: Gives a piece of one of several logs, from an offset, of at most so many bytes.
    """

    def __init__(self, ask: Callable[[_Which, int, int], LogChunk]) -> None:
        self.text = ""
        self.complete = False
        self._ask = ask
        self._which: _Which | None = None
        self._offset = -_BYTES

    def read(self, which: _Which) -> None:
        """Fetch what is new. Another log, as of a new attempt, starts empty."""
        if which != self._which:
            self.text, self._which, self._offset = "", which, -_BYTES
        for _ in range(16):  # A log that grows faster than this is shown later, not never.
            chunk = self._ask(which, self._offset, _BYTES)
            self.text = (self.text + chunk.text)[-_BYTES:]
            self._offset, self.complete = chunk.next_offset, chunk.complete
            if not chunk.text or chunk.next_offset >= chunk.size:
                break


def of_job(job: Job, replica: str | None = None) -> Tail[int]:
    """The log of a job; which, is the attempt."""
    return Tail(
        lambda attempt, offset, limit: job.client.logs(
            job.id, replica=replica, attempt=attempt, offset=offset, limit=limit
        )
    )


class LogView(Live):
    """The last lines of a job's log, following it until the job ends.

    Args:
        job: The handle.
        replica: Such as ``worker-0``; None for all.
        attempt: From 1; None for the newest, also when a newer one starts.
        lines: How many are shown.
    """

    def __init__(
        self,
        job: Job,
        *,
        replica: str | None = None,
        attempt: int | None = None,
        lines: int = 100,
        period: float = 1.0,
    ) -> None:
        super().__init__(period=period)
        self.job = job
        self._attempt, self._lines, self._replica = attempt, lines, replica
        self._tail = of_job(job, replica)
        self._first = tail(job.client, job.id, lines, replica=replica, attempt=attempt)

    def text(self) -> str:
        return (self._tail.text or self._first).rstrip("\n") or "no output yet"

    def _build(self) -> list[ipywidgets.Widget]:
        self._log = ipywidgets.HTML()
        who = f"{self.job.id} {self._replica or ''}"
        return [ipywidgets.HTML(heading(who.strip())), self._log]

    def _read(self) -> bool:
        self.job.refresh()
        attempt = self._attempt or self.job.info.attempt
        if attempt:
            self._tail.read(attempt)
        return not (self.job.info.state.is_terminal or self._attempt) or not self._tail.complete

    def _draw(self) -> None:
        self._log.value = log(self._tail.text or self._first, self._lines)
