"""`JobList`: a person's jobs, newest first."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets

from ..specs import TrainingJob
from ..tables import age, jobs_text, progress, saved, why
from .live import Live
from .markup import note, state_cell, table

if TYPE_CHECKING:
    from ..client import Client

__all__ = ("JobList",)


class JobList(Live):
    """The newest jobs.

    Args:
        client: Whom to ask.
        limit: How many; None for all there are.
        where: Fields of a `JobFilter`: only such jobs.
    """

    def __init__(
        self,
        client: Client,
        limit: int | None = 10,
        *,
        where: Mapping[str, Any] | None = None,
        period: float = 1.0,
    ) -> None:
        super().__init__(period=period, lasts=900)
        self._client, self._limit, self._where = client, limit, dict(where or {})
        self.jobs: tuple[TrainingJob, ...] = ()
        self._read()

    def text(self) -> str:
        return jobs_text(self.jobs) if self.jobs or not self._where else "no such jobs"

    def _build(self) -> list[ipywidgets.Widget]:
        self._table = ipywidgets.HTML()
        return [self._table]

    def _read(self) -> bool:
        found: list[TrainingJob] = []
        after: str | None = None
        while True:
            wanted = 500 if self._limit is None else min(500, self._limit - len(found))
            page = self._client.list(limit=wanted, after=after, **self._where)
            found += page.jobs
            after = page.next
            if after is None or len(found) == self._limit:
                break
        self.jobs = tuple(found)
        return True

    def _draw(self) -> None:
        now = time.time()
        several = any(job.spec.target for job in self.jobs)
        rows = [
            [
                job.id,
                state_cell(job.state, "" if job.position is None else f"#{job.position}"),
                f"{job.spec.replicas}",
                progress(job).removeprefix("step "),
                saved(job, now),
                age(now - job.created),
                *([job.spec.target or ""] if several else []),
                ", ".join(job.tags),
                why(job),
            ]
            for job in self.jobs
        ]
        head = ["job", "state", "workers", "step", "checkpoint", "age", "tags", "reason"]
        if several:
            head.insert(6, "where")
        self._table.value = (
            table(head, rows) if rows else note("No such jobs." if self._where else "No jobs yet.")
        )
