"""`RemoteHistory` and `RemoteNotices`: over the REST interface of a lab service."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..specs import (
    Alert,
    Annotation,
    Comparison,
    Imported,
    JobFilter,
    JobRecord,
    NoticeSettings,
    NoticeWish,
    RecordBatch,
    RecordPage,
    TrainingJob,
)
from ..transport import AsyncTransport, path
from .base import Backend
from .history import History
from .notices import Notices

__all__ = ("RemoteHistory", "RemoteNotices")


class RemoteHistory(History):
    """Every verb is one request; all checks are the far side's.

    Args:
        backend: Whose jobs they are.
        transport: To the lab service.
    """

    def __init__(self, backend: Backend, transport: AsyncTransport) -> None:
        super().__init__(backend)
        self._transport = transport

    async def annotate(self, owner: str, id: str, annotation: Annotation) -> TrainingJob:
        """Write down tags, notes, or that it is a favourite."""
        return await self._annotate(owner, id, annotation)

    async def remove_files(self, owner: str, id: str) -> TrainingJob:
        """Remove a job's directory and event files; its record stays."""
        return await self._remove_files(owner, id)

    async def delete(self, owner: str, id: str) -> None:
        """Remove a job altogether."""
        await self._delete(owner, id)

    async def take_in(self, owner: str, records: Sequence[JobRecord]) -> Imported:
        """Keep records that were exported elsewhere."""
        return await self._take_in(owner, records)

    async def _compare(self, owner: str, ids: Sequence[str]) -> Comparison:
        return await self._transport.ask("GET", "jobs/compare", Comparison.from_wire, id=tuple(ids))

    async def _record(self, owner: str, id: str) -> JobRecord:
        return await self._transport.ask("GET", path("jobs", id, "record"), JobRecord.from_wire)

    async def _annotate(self, owner: str, id: str, annotation: Annotation) -> TrainingJob:
        body = annotation.to_wire()
        return await self._transport.ask(
            "PATCH", path("jobs", id), TrainingJob.from_wire, body=body
        )

    async def _remove_files(self, owner: str, id: str) -> TrainingJob:
        return await self._transport.ask("DELETE", path("jobs", id, "files"), TrainingJob.from_wire)

    async def _delete(self, owner: str, id: str) -> None:
        await self._transport.ask("DELETE", path("jobs", id), dict)

    async def _records(
        self, owner: str, where: JobFilter, limit: int, after: str | None
    ) -> RecordPage:
        return await self._transport.ask(
            "GET", "jobs/records", RecordPage.from_wire, **where.query, limit=limit, next=after
        )

    async def _take_in(self, owner: str, records: Sequence[JobRecord]) -> Imported:
        body = RecordBatch(records=tuple(records)).to_wire()
        return await self._transport.ask("POST", "jobs/records", Imported.from_wire, body=body)


class RemoteNotices(Notices):
    """Every verb is one request.

    Args:
        transport: To the lab service.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def settings(self, owner: str) -> NoticeSettings:
        """What a person has set, and what was sent to them of late."""
        return await self._transport.ask("GET", "notices", NoticeSettings.from_wire)

    async def set(self, owner: str, wish: NoticeWish) -> NoticeSettings:
        """Set it anew."""
        return await self._transport.ask(
            "PUT", "notices", NoticeSettings.from_wire, body=wish.to_wire()
        )

    async def test(self, owner: str) -> NoticeSettings:
        """Send a test now."""
        return await self._transport.ask("POST", "notices/test", NoticeSettings.from_wire)

    async def tell(self, alert: Alert, people: Collection[str] | None = None) -> frozenset[str]:
        """Nothing: the far side knows its alerts, and tells of them by itself."""
        return frozenset({alert.owner, ""} if people is None else people)
