"""A piece of a job's logs: `LogChunk`; a page of jobs: `JobPage`."""

from __future__ import annotations

from typing import Self

from .job import TrainingJob
from .wire import Value

__all__ = ("JobPage", "LogChunk", "LogMatch", "LogMatches")


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

    @classmethod
    def cut(
        cls,
        data: bytes,
        *,
        replica: str,
        attempt: int,
        offset: int,
        size: int,
        over: bool,
        tail: bool = False,
    ) -> Self:
        """The piece that ``data``, read at ``offset``, can show.

        A character whose last bytes are not there yet is left for the next piece, so that pieces
        put together are the text of the whole. Bytes that can never become a character are U+FFFD.

        Args:
            data: Bytes of the log from ``offset``; at least four where there are as many, or a
                reader with a small limit would never get past a long character.
            replica: As in the attributes.
            attempt: As in the attributes.
            offset: Where ``data`` starts.
            size: Bytes of the log at present.
            over: Nobody writes to the log any more.
            tail: The start was counted from the end, so it may be moved to the next character.
        """
        while tail and data and data[0] & 0xC0 == 0x80:
            data, offset = data[1:], offset + 1
        end = offset + len(data)
        if not (over and end >= size):
            data = data[: len(data) - _unfinished(data)]
        return cls(
            text=data.decode("utf-8", "replace"),
            replica=replica,
            attempt=attempt,
            offset=offset,
            next_offset=offset + len(data),
            size=size,
            complete=over and offset + len(data) >= size,
        )


def _unfinished(data: bytes) -> int:
    """How many bytes at the end of ``data`` begin a character without ending it: 0 to 3."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:  # A continuation: its lead is further left.
            continue
        length = 4 if byte >> 3 == 30 else 3 if byte >> 4 == 14 else 2 if byte >> 5 == 6 else 1
        return back if length > back else 0
    return 0


class LogMatch(Value):
    """A line that holds what was looked for.

    Attributes:
        offset: Of its first byte in the log.
        text: The line, without control sequences; a long one is cut around the match.
        start: Of the match in ``text``, in characters.
        end: Behind the match.
    """

    offset: int
    text: str
    start: int
    end: int


class LogMatches(Value):
    """What a search has found so far.

    Attributes:
        matches: In the order of the log.
        next_offset: Go on from here; None when the log has been looked through.
        size: Bytes of the log.
    """

    matches: tuple[LogMatch, ...]
    next_offset: int | None = None
    size: int


class JobPage(Value):
    """Some jobs, newest first.

    Attributes:
        jobs: At most as many as asked for.
        next: Hand this back for the following page; None on the last.
    """

    jobs: tuple[TrainingJob, ...]
    next: str | None = None
