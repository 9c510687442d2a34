"""A piece of a job's logs: `LogChunk`; a page of jobs: `JobPage`."""

from __future__ import annotations

from .training import TrainingJob
from .wire import Value

__all__ = ("JobPage", "LogChunk")


class LogChunk(Value):
    """Part of one replica's log, or of the merged view of all replicas.

    Attributes:
        text: Decoded as UTF-8; bytes that are not UTF-8 are shown as U+FFFD.
        replica: ``worker-0``; empty for the merged view, whose lines start with ``[worker-0] ``.
        attempt: Launch that wrote it, from 1.
        offset: Where the piece starts; for the merged view an opaque number to hand back.
        next_offset: Ask from here for what follows.
        size: Bytes there are at present.
        complete: Nothing more will be written and ``next_offset`` is the end.
    """

    text: str
    replica: str
    attempt: int
    offset: int
    next_offset: int
    size: int
    complete: bool


class JobPage(Value):
    """Some jobs, newest first.

    Attributes:
        jobs: At most as many as asked for.
        next: Hand this back for the following page; None on the last.
    """

    jobs: tuple[TrainingJob, ...]
    next: str | None = None
