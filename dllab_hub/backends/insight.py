"""`Insight`: what can be known of a job beside its state: curves, logs at length, stacks, price.

As with `base.Backend`, the public verbs own the policy and the private ones are the mechanism:

    _curves  _stacks  _search  _follow  _download  _quote  _used
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import AccessDenied, InvalidRequest
from ..specs import (
    NO_LIMITS,
    Curves,
    JobFilter,
    JobLimits,
    LogChunk,
    LogMatches,
    Quote,
    Stack,
    TrainingJob,
    TrainingSpec,
)
from . import quota
from .pieces import check_limit, check_piece
from .quoting import limited, refusal

if TYPE_CHECKING:
    from .base import Backend

__all__ = ("CurveKind", "Download", "Insight", "MAX_MATCHES")

#: Lines that one search returns.
MAX_MATCHES = 1000
_LONGEST_TEXT = 200
CurveKind = Literal["metrics", "usage", "all"]


@dataclass(frozen=True)
class Download:
    """A whole log on its way.

    Attributes:
        name: Of the file, such as ``digits-abc1234-worker-0-attempt-1.log``.
        size: Bytes, as many as will come; a log that grows meanwhile ends there.
        pieces: To be closed by whoever takes them.
    """

    name: str
    size: int
    pieces: AsyncGenerator[bytes]


class Insight(ABC):
    """Looks closely at jobs. A job of another owner does not exist: `NotFound`.

    Args:
        backend: Whose jobs they are.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def curves(self, owner: str, id: str, kind: CurveKind = "all") -> Curves:
        """What the job said and used over time.

        Args:
            owner: Person.
            id: Of the job.
            kind: ``metrics``: what its code said. ``usage``: CPU, memory and GPUs by replica.
        """
        await self._backend.get(owner, id)
        return await self._curves(owner, id, kind)

    async def stacks(self, owner: str, id: str) -> tuple[Stack, ...]:
        """Where each replica is just now; empty when it does not run."""
        await self._backend.get(owner, id)
        return await self._stacks(owner, id)

    async def search(
        self,
        owner: str,
        id: str,
        text: str,
        *,
        replica: str | None = None,
        attempt: int | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> LogMatches:
        """Lines of a log that hold a text; case does not matter. Looks for about a second, and
        says where to go on.

        Args:
            owner: Person.
            id: Of the job.
            text: 1 to 200 characters, without a line break.
            replica: As in `Backend.logs`.
            attempt: As in `Backend.logs`.
            offset: Where to start, in bytes.
            limit: Most matches, 1 to `MAX_MATCHES`.
        """
        if not 1 <= len(text) <= _LONGEST_TEXT or not text.isprintable():
            raise InvalidRequest(
                f"must be 1 to {_LONGEST_TEXT} printable characters.", field="text"
            )
        check_limit(limit, MAX_MATCHES)
        check_piece(attempt, offset, from_end=False)
        await self._backend.get(owner, id)
        return await self._search(owner, id, text, replica, attempt, offset, limit)

    async def follow(
        self,
        owner: str,
        id: str,
        *,
        replica: str | None = None,
        attempt: int | None = None,
        offset: int = 0,
    ) -> AsyncGenerator[LogChunk]:
        """What a log holds from ``offset``, and what comes, until it is complete.

        Who takes it slower than it is written misses a part: the ``offset`` of a piece is then
        larger than the ``next_offset`` before it. Nothing is missing in the log.

        Args:
            owner: Person.
            id: Of the job.
            replica: As in `Backend.logs`.
            attempt: As in `Backend.logs`; None: the one that is newest now.
            offset: As in `Backend.logs`.
        """
        check_piece(attempt, offset)
        await self._backend.get(owner, id)
        return self._follow(owner, id, replica, attempt, offset)

    async def download(
        self, owner: str, id: str, *, replica: str | None = None, attempt: int | None = None
    ) -> Download:
        """All of a log, as it lies there."""
        check_piece(attempt)
        await self._backend.get(owner, id)
        return await self._download(owner, id, replica, attempt)

    async def quote(self, owner: str, spec: TrainingSpec, limits: JobLimits = NO_LIMITS) -> Quote:
        """What a wish would cost, and when it would start. Nothing is reserved.

        Args:
            owner: Person.
            spec: The wish.
            limits: Of the person.
        """
        await self._backend.check(owner, spec)
        made = limited(await self._quote(owner, spec), limits.gpu_hours)
        mine = await self._holding(owner, limits)
        refused = quota.refusal(spec, mine, limits)
        said = [made.message, quota.room_left(mine, limits)]
        return made.model_copy(
            update={
                "message": " ".join(filter(None, said)),
                "refused": made.refused or (refused.message if refused else ""),
            }
        )

    async def check_quota(self, owner: str, spec: TrainingSpec, limits: JobLimits) -> None:
        """Refuse, early and by what is known now, what a person may not have any more.

        The word that counts is that of `Backend.submit`: there others are accepted meanwhile.

        Args:
            owner: Person.
            spec: The wish.
            limits: Of the person.

        Raises:
            AccessDenied: the GPU-hours are used up, or other jobs hold what there is.
        """
        # Where that is counted elsewhere it is refused there too.
        if limits == NO_LIMITS or (used := await self._used(owner)) is None:
            return
        if limits.gpu_hours is not None and (said := refusal(spec.gpus, used, limits.gpu_hours)):
            raise AccessDenied(said, hint="Ask the administrator for more.")
        quota.check_quota(spec, await self._holding(owner, limits), limits)

    async def _holding(self, owner: str, limits: JobLimits) -> list[TrainingJob]:
        """The jobs that count for the limits; none when these do not ask."""
        if limits.jobs is None and limits.gpus is None:
            return []
        where, found, after = JobFilter(states=quota.HOLDING), list[TrainingJob](), None
        while True:
            page = await self._backend.list(owner, where=where, limit=500, after=after)
            found += page.jobs
            if (after := page.next) is None:
                return found

    @abstractmethod
    async def _curves(self, owner: str, id: str, kind: CurveKind) -> Curves: ...

    @abstractmethod
    async def _stacks(self, owner: str, id: str) -> tuple[Stack, ...]: ...

    @abstractmethod
    async def _search(
        self,
        owner: str,
        id: str,
        text: str,
        replica: str | None,
        attempt: int | None,
        offset: int,
        limit: int,
    ) -> LogMatches: ...

    @abstractmethod
    def _follow(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int
    ) -> AsyncGenerator[LogChunk]: ...

    @abstractmethod
    async def _download(
        self, owner: str, id: str, replica: str | None, attempt: int | None
    ) -> Download: ...

    @abstractmethod
    async def _quote(self, owner: str, spec: TrainingSpec) -> Quote: ...

    @abstractmethod
    async def _used(self, owner: str) -> float | None: ...
