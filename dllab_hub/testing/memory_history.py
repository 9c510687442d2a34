"""`MemoryHistory` and `MemoryNotices`: what a `MemoryBackend` keeps."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal

from ..backends.history import History
from ..backends.notices import Notices
from ..errors import Conflict
from ..specs import (
    Alert,
    Annotation,
    Delivery,
    Imported,
    JobFilter,
    JobRecord,
    NoticeSettings,
    NoticeWish,
    RecordPage,
    TrainingJob,
)
from .memory_record import Record

if TYPE_CHECKING:
    from .memory import MemoryBackend

__all__ = ("MemoryHistory", "MemoryNotices")

By = Literal["webhook", "email"]


class MemoryHistory(History):
    """Keeps records in memory.

    Args:
        backend: Whose jobs they are.
        records: Its jobs by id; the same object.
    """

    _backend: MemoryBackend

    def __init__(self, backend: MemoryBackend, records: dict[str, Record]) -> None:
        super().__init__(backend)
        self._all = records
        self._imported: dict[str, JobRecord] = {}

    async def _record(self, owner: str, id: str) -> JobRecord:
        job = await self._backend.get(owner, id)
        record = self._all[id]
        if (known := self._imported.get(id)) is not None:
            return known.model_copy(update={"job": job})
        logs = record.logs.get(job.attempt, {})
        return JobRecord(
            job=job,
            events=tuple(record.events),
            curves=tuple(record.curves),
            logs={name: log.decode("utf-8", "replace") for name, log in logs.items() if name},
        )

    async def _annotate(self, owner: str, id: str, annotation: Annotation) -> TrainingJob:
        record = self._all[id]
        changes = annotation.model_dump(exclude_none=True)
        record.job = record.job.model_copy(update=changes)
        return record.job

    async def _remove_files(self, owner: str, id: str) -> TrainingJob:
        record = self._all[id]
        record.job = record.job.model_copy(update={"files": False, "checkpoint": None})
        record.checkpoints.clear()
        return record.job

    async def _delete(self, owner: str, id: str) -> None:
        del self._all[id]
        self._imported.pop(id, None)

    async def _records(
        self, owner: str, where: JobFilter, limit: int, after: str | None
    ) -> RecordPage:
        page = await self._backend.list(owner, where=where, limit=limit, after=after)
        ended = [job.id for job in page.jobs if job.state.is_terminal]
        records = [await self._record(owner, id) for id in ended]
        return RecordPage(records=tuple(records), next=page.next)

    async def _take_in(self, owner: str, records: Sequence[JobRecord]) -> Imported:
        taken = [r.job.id for r in records if self._is_anothers(owner, r.job.id)]
        if taken:
            raise Conflict(f"{taken[0]} cannot be kept under its id.", field="records")
        added, known = list[str](), list[str]()
        for record in records:
            job = record.job
            if job.id in self._all:
                known += [job.id] if job.id not in (*added, *known) else []
                continue
            self._all[job.id] = Record(job, since=job.created, events=list(record.events))
            self._imported[job.id] = record
            added.append(job.id)
        return Imported(added=tuple(added), known=tuple(known))

    def _is_anothers(self, owner: str, id: str) -> bool:
        return id in self._all and self._all[id].job.owner != owner


class MemoryNotices(Notices):
    """Remembers what people set and what would have been sent.

    Attributes:
        sent: ``(owner, kind)`` of each test.
        broken: Ways by which nothing arrives.
        told: Alerts, as they were then.
        told_to: Who was told of each of them; the administrator has an empty name.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.broken: set[By] = set()
        self.told: list[Alert] = []
        self.told_to: list[frozenset[str]] = []
        self._settings: dict[str, NoticeSettings] = {}

    async def settings(self, owner: str) -> NoticeSettings:
        """What a person has set."""
        return self._settings.get(owner, NoticeSettings())

    async def set(self, owner: str, wish: NoticeWish) -> NoticeSettings:
        """Set it anew."""
        before = await self.settings(owner)
        secret = wish.secret
        if wish.webhook and secret is None and not before.has_secret:
            secret = secrets.token_urlsafe(32)
        kept = before.model_copy(
            update={
                "webhook": wish.webhook,
                "email": wish.email,
                "on": wish.on,
                "has_secret": before.has_secret or secret is not None,
            }
        )
        self._settings[owner] = kept
        return kept.model_copy(update={"secret": secret})

    async def tell(self, alert: Alert, people: Collection[str] | None = None) -> frozenset[str]:
        """Remember it."""
        self.told.append(alert)
        self.told_to.append(frozenset({alert.owner, ""} if people is None else people))
        return self.told_to[-1]

    async def test(self, owner: str) -> NoticeSettings:
        """Remember a test."""
        now = await self.settings(owner)
        if not now.webhook and not now.email:
            raise Conflict("nothing is set.", hint="Set a webhook or an e-mail address first.")
        self.sent.append((owner, "test"))
        ways: tuple[tuple[By, str | None], ...] = (("email", now.email), ("webhook", now.webhook))
        told = tuple(
            Delivery(
                time=time.time(),
                kind="test",
                by=by,
                state="failed" if by in self.broken else "sent",
            )
            for by, address in ways
            if address
        )
        self._settings[owner] = now.model_copy(update={"deliveries": (*told, *now.deliveries)[:20]})
        return self._settings[owner]
