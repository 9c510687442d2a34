"""`Told`: the part of a backend that says what a job has said: logs, events, checkpoints."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..specs import Checkpoint, Event, LogChunk
from .pieces import check_limit, check_piece

__all__ = ("MAX_LOG_BYTES", "Told")

#: Most bytes of log one call returns.
MAX_LOG_BYTES = 1024 * 1024


class Told(ABC):
    """Verbs as in `Backend`: a job of another owner does not exist here, `NotFound`."""

    async def logs(
        self,
        owner: str,
        id: str,
        *,
        replica: str | None = None,
        attempt: int | None = None,
        offset: int = 0,
        limit: int = 65536,
    ) -> LogChunk:
        """A piece of the logs.

        Args:
            owner: Person.
            id: Of the job.
            replica: Such as ``worker-0``; None for all, merged by time.
            attempt: From 1; None for the newest.
            offset: Where to start; negative counts from the end.
            limit: Most bytes, 1 to `MAX_LOG_BYTES`.
        """
        check_limit(limit, MAX_LOG_BYTES)
        check_piece(attempt, offset)
        return await self._logs(owner, id, replica, attempt, offset, limit)

    async def events(self, owner: str, id: str) -> tuple[Event, ...]:
        """What happened to the job, oldest first."""
        return await self._events(owner, id)

    async def checkpoints(self, owner: str, id: str) -> tuple[Checkpoint, ...]:
        """The job's whole checkpoints, newest first."""
        return await self._checkpoints(owner, id)

    @abstractmethod
    async def _logs(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int, limit: int
    ) -> LogChunk: ...

    @abstractmethod
    async def _events(self, owner: str, id: str) -> tuple[Event, ...]: ...

    @abstractmethod
    async def _checkpoints(self, owner: str, id: str) -> tuple[Checkpoint, ...]: ...
