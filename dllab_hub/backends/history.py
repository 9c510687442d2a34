"""`History`: what is kept of every job, for as long as its owner wants it.

As with `base.Backend`, the public verbs own the policy and the private ones are the mechanism:

    _record  _annotate  _remove_files  _delete  _records  _take_in
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import Conflict, InvalidRequest
from ..specs import (
    MAX_COMPARED,
    Annotation,
    Comparison,
    Imported,
    JobFilter,
    JobRecord,
    RecordPage,
    TrainingJob,
)
from .base import MAX_PAGE
from .comparing import compare
from .foreign import foreign
from .pieces import check_limit

if TYPE_CHECKING:
    from .base import Backend

__all__ = ("History",)


class History(ABC):
    """Keeps jobs after their end. A job of another owner does not exist: `NotFound`.

    Args:
        backend: Whose jobs they are.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def record(self, owner: str, id: str) -> JobRecord:
        """A job with everything that is known of it.

        Raises:
            NotFound: no such job of this owner.
        """
        return await self._record(owner, id)

    async def annotate(self, owner: str, id: str, annotation: Annotation) -> TrainingJob:
        """Write down tags, notes, or that it is a favourite; the job as it is then."""
        await self._backend.get(owner, id)
        return await self._annotate(owner, id, annotation)

    async def remove_files(self, owner: str, id: str) -> TrainingJob:
        """Remove a job's directory and event files; its record stays.

        Raises:
            Conflict: it has not ended.
        """
        job = await self._ended(owner, id)
        return await self._remove_files(owner, id) if job.files else job

    async def delete(self, owner: str, id: str) -> None:
        """Remove a job altogether: files and record.

        Raises:
            Conflict: it has not ended.
        """
        await self._ended(owner, id)
        await self._delete(owner, id)

    async def compare(self, owner: str, ids: Sequence[str]) -> Comparison:
        """Jobs beside each other; the first is what the others are compared with.

        Raises:
            InvalidRequest: fewer than two, more than `MAX_COMPARED`, or one is there twice.
        """
        if not 2 <= len(ids) <= MAX_COMPARED:
            raise InvalidRequest(f"name 2 to {MAX_COMPARED} jobs.", field="id")
        if len(set(ids)) != len(ids):
            raise InvalidRequest("a job is there twice.", field="id")
        return await self._compare(owner, ids)

    async def records(
        self,
        owner: str,
        *,
        where: JobFilter = JobFilter(),  # noqa: B008 - it is frozen
        limit: int = 50,
        after: str | None = None,
    ) -> RecordPage:
        """Records of ended jobs, newest first, for an export.

        Args:
            owner: Person.
            where: Which.
            limit: 1 to `MAX_PAGE`; a page of large records has fewer.
            after: ``next`` of the page before.
        """
        check_limit(limit, MAX_PAGE)
        return await self._records(owner, where, limit, after)

    async def take_in(self, owner: str, records: Sequence[JobRecord]) -> Imported:
        """Keep records that were exported elsewhere, as this owner's. One that is here already
        stays as it is.

        Nothing that a record says of this machine counts: whose it is, where its files are, which
        processes run.

        Raises:
            InvalidRequest: a record is of a job that has not ended, or says what cannot be.
            Conflict: its id is taken by another person's job. None of them is kept then.
        """
        return await self._take_in(
            owner, [foreign(owner, record, index) for index, record in enumerate(records)]
        )

    async def _ended(self, owner: str, id: str) -> TrainingJob:
        job = await self._backend.get(owner, id)
        if not job.state.is_terminal:
            raise Conflict(f"the job is {job.state.value}.", hint="Cancel it first.")
        return job

    async def _compare(self, owner: str, ids: Sequence[str]) -> Comparison:
        records = [await self._record(owner, id) for id in ids]
        return await asyncio.to_thread(compare, records)

    @abstractmethod
    async def _record(self, owner: str, id: str) -> JobRecord: ...

    @abstractmethod
    async def _annotate(self, owner: str, id: str, annotation: Annotation) -> TrainingJob: ...

    @abstractmethod
    async def _remove_files(self, owner: str, id: str) -> TrainingJob: ...

    @abstractmethod
    async def _delete(self, owner: str, id: str) -> None: ...

    @abstractmethod
    async def _records(
        self, owner: str, where: JobFilter, limit: int, after: str | None
    ) -> RecordPage: ...

    @abstractmethod
    async def _take_in(self, owner: str, records: Sequence[JobRecord]) -> Imported: ...
