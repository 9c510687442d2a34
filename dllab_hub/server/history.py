"""What is kept of jobs: notes on them, records, comparison, export and import."""

from __future__ import annotations

from http import HTTPStatus

from ..specs import Annotation, RecordBatch
from .handler import LabHandler, allowed
from .query_jobs import FILTER, REPEATABLE, job_filter

__all__ = ("ROUTES",)

_PAGE = 50


class Compare(LabHandler):
    """``jobs/compare``."""

    @allowed
    async def get(self) -> None:
        """Jobs beside each other; the first is what the others are compared with."""
        ids = self.query(repeatable=("id",)).texts("id")
        self.reply(await self.backend.history.compare(self.owner, ids))


class Records(LabHandler):
    """``jobs/records``."""

    @allowed
    async def get(self) -> None:
        """Records of ended jobs, newest first: a page of an export."""
        query = self.query("limit", "next", *FILTER, repeatable=REPEATABLE)
        limit = query.number("limit")
        self.reply(
            await self.backend.history.records(
                self.owner,
                where=job_filter(query),
                limit=_PAGE if limit is None else limit,
                after=query.text("next"),
            )
        )

    @allowed
    async def post(self) -> None:
        """Keep records that were exported elsewhere."""
        self.query()
        batch = await self.read(RecordBatch.from_wire)
        kept = await self.backend.history.take_in(self.owner, batch.records)
        self.reply(kept, HTTPStatus.CREATED)


class Record(LabHandler):
    """``jobs/{id}/record``."""

    @allowed
    async def get(self, id: str) -> None:
        """All that is known of a job."""
        self.query()
        self.reply(await self.backend.history.record(self.owner, id))


class Files(LabHandler):
    """``jobs/{id}/files``."""

    @allowed
    async def delete(self, id: str) -> None:
        """Remove a job's files; its record stays."""
        self.query()
        self.reply(await self.backend.history.remove_files(self.owner, id))


class Notes(LabHandler):
    """The writing verbs of ``jobs/{id}``."""

    @allowed
    async def patch(self, id: str) -> None:
        """Write down tags, notes, or that it is a favourite."""
        self.query()
        annotation = await self.read(Annotation.from_wire)
        self.reply(await self.backend.history.annotate(self.owner, id, annotation))

    @allowed
    async def delete(self, id: str) -> None:
        """Remove a job altogether."""
        self.query()
        await self.backend.history.delete(self.owner, id)
        self.reply({})


ROUTES = (
    ("jobs/compare", Compare),  # No id has these forms: each has a hyphen.
    ("jobs/records", Records),
    (r"jobs/([^/]+)/record", Record),
    (r"jobs/([^/]+)/files", Files),
)
