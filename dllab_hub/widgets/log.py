"""`LogView`: the end of a log as it grows; `Tail`: the text behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from ..job import Job, tail
from .live import Live
from .markup import heading, log

if TYPE_CHECKING:
    from ..client import Client

__all__ = ("LogView", "Tail")

_BYTES = 256 * 1024  # As much as `job.tail` shows first.


class Tail:
    """The end of a log, read piece by piece.

    Attributes:
        text: At most the last 256 Ki characters.
        complete: Nothing more will come.
    """

    def __init__(self, client: Client, id: str, replica: str | None = None) -> None:
        self.text = ""
        self.complete = False
        self._client, self._id, self._replica = client, id, replica
        self._attempt = 0
        self._offset = -_BYTES

    def read(self, attempt: int) -> None:
        """Fetch what is new. A new attempt starts an empty log."""
        if attempt != self._attempt:
            self.text, self._attempt, self._offset = "", attempt, -_BYTES
        for _ in range(16):  # A log that grows faster than this is shown later, not never.
            chunk = self._client.logs(
                self._id,
                replica=self._replica,
                attempt=attempt,
                offset=self._offset,
                limit=_BYTES,
            )
            self.text = (self.text + chunk.text)[-_BYTES:]
            self._offset, self.complete = chunk.next_offset, chunk.complete
            if not chunk.text or chunk.next_offset >= chunk.size:
                break


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
        self._tail = Tail(job.client, job.id, replica)
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
