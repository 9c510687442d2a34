"""A log as it grows, for somebody who may be slower than its writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from ...specs import LogChunk
from .logs import Log
from .rundir import RunDir

__all__ = ("follow",)

#: Bytes of one piece.
_PIECE = 256 * 1024
#: Bytes that somebody may be behind; then what lies between is left out.
_BEHIND = 1024 * 1024
#: Seconds between two looks at a log that somebody has read to its end: soon after there was
#: something, later when there was nothing for a while.
_SOON, _LATE = 0.1, 0.5


async def follow(
    run: RunDir, log: Log, offset: int, again: Callable[[], Awaitable[Log]]
) -> AsyncGenerator[LogChunk]:
    """What it holds from ``offset``, then what comes, until it is complete.

    All that is there at first is told. Of what comes later so much is left out as the reader is
    behind by more than 1 MiB: pieces are then read from the end. Once nobody writes to it any more
    nothing is left out.

    Args:
        run: Of the job.
        log: Which.
        offset: In bytes; negative: from the end.
        again: Says whether it is over now.
    """
    there: int | None = None
    pause = _SOON
    while True:
        chunk = await asyncio.to_thread(log.piece, run, offset, _PIECE)
        there = chunk.size if there is None else there
        if chunk.text or chunk.complete:
            yield chunk
            pause = _SOON
        if chunk.complete:
            return
        offset, behind = chunk.next_offset, chunk.size - chunk.next_offset
        if behind > _BEHIND and offset >= there and not log.over:
            offset = -_PIECE
        elif chunk.text and behind > 0:
            continue
        # Only so often, however fast it grows.
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LATE)
        log = await again()
