"""A piece of a job's logs, read where it lies: nothing but the piece is ever in memory."""

from __future__ import annotations

import os

from ...errors import NotFound
from ...specs import JobState, LogChunk, TrainingJob
from ..replicas import replica_names
from .rundir import RunDir, Unreadable

__all__ = ("read_log",)


def read_log(
    run: RunDir, job: TrainingJob, replica: str | None, attempt: int | None, offset: int, limit: int
) -> LogChunk:
    """The piece of at most ``limit`` bytes (4 at least) from ``offset``; negative: from the end.

    Args:
        run: Of the job.
        job: As it is now; it says which attempts there are and whether they are over.
        replica: Such as ``worker-0``; None for the merged log.
        attempt: From 1; None for the newest.
        offset: In bytes.
        limit: In bytes.

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
    start, data, size = 0, b"", 0
    try:
        with run.opened("attempts", str(number), f"{replica or 'all'}.log") as (fd, size):
            start = max(size + offset, 0) if offset < 0 else min(offset, size)
            data = os.pread(fd, min(max(limit, 4), size - start), start)
    except Unreadable:
        pass  # Not written yet, or not to be trusted: an empty log either way.
    return LogChunk.cut(
        data,
        replica=replica or "",
        attempt=number,
        offset=start,
        size=size,
        over=job.state.is_terminal or job.state is JobState.PAUSED or number < newest,
        tail=offset < 0,
    )
