"""Which log is meant, and a piece of it, read where it lies: nothing but the piece is in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import NotFound
from ...specs import JobState, LogChunk, TrainingJob
from ..replicas import replica_names
from .rundir import RunDir, Unreadable

__all__ = ("Log", "find_log", "read_log")


@dataclass(frozen=True)
class Log:
    """The log of a replica in one attempt, or the merged one.

    Attributes:
        replica: Such as ``worker-0``; empty for the merged log.
        attempt: From 1.
        over: Nobody writes to it any more.
    """

    replica: str
    attempt: int
    over: bool

    @property
    def parts(self) -> tuple[str, str, str]:
        """Where it lies in the run directory."""
        return ("attempts", str(self.attempt), f"{self.replica or 'all'}.log")

    def piece(self, run: RunDir, offset: int, limit: int) -> LogChunk:
        """The piece of at most ``limit`` bytes (4 at least) from ``offset``; negative: from the
        end. A log that is not written yet, or is not to be trusted, is an empty one.
        """
        start, data, size = 0, b"", 0
        try:
            with run.opened(*self.parts) as (fd, size):
                start = max(size + offset, 0) if offset < 0 else min(offset, size)
                data = os.pread(fd, min(max(limit, 4), size - start), start)
        except Unreadable:
            pass
        return self._chunk(data, start, size, tail=offset < 0)

    def piece_of(self, text: Mapping[str, str], offset: int, limit: int) -> LogChunk:
        """A `piece` of what a record has kept of it.

        Args:
            text: The end of each replica's log in the newest attempt, by replica.
            offset: As in `piece`.
            limit: As in `piece`.
        """
        if self.replica:
            whole = text.get(self.replica, "")
        else:
            lines = ((name, line) for name, log in text.items() for line in log.splitlines())
            whole = "".join(f"[{name}] {line}\n" for name, line in lines)
        data = whole.encode()
        start = max(len(data) + offset, 0) if offset < 0 else min(offset, len(data))
        piece = data[start : start + max(limit, 4)]
        return self._chunk(piece, start, len(data), tail=offset < 0)

    def _chunk(self, data: bytes, start: int, size: int, *, tail: bool) -> LogChunk:
        return LogChunk.cut(
            data,
            replica=self.replica,
            attempt=self.attempt,
            offset=start,
            size=size,
            over=self.over,
            tail=tail,
        )


def find_log(job: TrainingJob, replica: str | None, attempt: int | None) -> Log:
    """Which log is meant.

    Args:
        job: As it is now; it says which attempts there are and whether they are over.
        replica: Such as ``worker-0``; None for the merged log.
        attempt: From 1; None for the newest.

    Raises:
        NotFound: no such replica or attempt; the message says which there are.
    """
    newest = max(job.attempt, 1)
    number = attempt or newest
    if number > newest:
        there = "attempt 1" if newest == 1 else f"attempts 1 to {newest}"
        raise NotFound(f"the job has {there} so far.", field="attempt")
    names = replica_names(job.spec)
    if replica is not None and replica not in names:
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if names[20:] else "")
        raise NotFound(f"the job's replicas are {shown}.", field="replica")
    over = job.state.is_terminal or job.state is JobState.PAUSED or number < newest
    return Log(replica or "", number, over)


def read_log(
    run: RunDir, job: TrainingJob, replica: str | None, attempt: int | None, offset: int, limit: int
) -> LogChunk:
    """A `Log.piece` of the log that `find_log` finds."""
    return find_log(job, replica, attempt).piece(run, offset, limit)
