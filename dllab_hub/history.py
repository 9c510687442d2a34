"""`HistoryClient`: the verbs about what is kept and known of jobs, over REST."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from .errors import TooLarge
from .specs import (
    Annotation,
    Comparison,
    Curves,
    Imported,
    JobFilter,
    JobRecord,
    LogMatches,
    NoticeSettings,
    NoticeWish,
    Quote,
    RecordBatch,
    RecordPage,
    Stack,
    TrainingJob,
    TrainingSpec,
)
from .transport import Transport, path

__all__ = ("HistoryClient",)

#: Bytes of records that one request sends.
_BATCH = 4 * 1024 * 1024


class HistoryClient:
    """One request for each verb unless it says otherwise; errors are those of `dllab_hub.errors`.

    Args:
        transport: To the lab.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def record(self, id: str) -> JobRecord:
        """All that is known of a job, also when its files are gone."""
        return self._transport.ask("GET", path("jobs", id, "record"), JobRecord.from_wire)

    def annotate(self, id: str, **notes: Any) -> TrainingJob:
        """Write down ``tags=``, ``notes=``, or that it is a ``favourite=``."""
        body = Annotation(**notes).to_wire()
        return self._transport.ask("PATCH", path("jobs", id), TrainingJob.from_wire, body=body)

    def remove_files(self, id: str) -> TrainingJob:
        """Remove the files of a job that has ended; its record stays."""
        return self._transport.ask("DELETE", path("jobs", id, "files"), TrainingJob.from_wire)

    def delete_job(self, id: str) -> None:
        """Remove a job that has ended: its files and its record."""
        self._transport.ask("DELETE", path("jobs", id), dict)

    def compare(self, *ids: str) -> Comparison:
        """Jobs beside each other; the first is what the others are compared with."""
        return self._transport.ask("GET", "jobs/compare", Comparison.from_wire, id=ids)

    def curves(self, id: str, kind: Literal["metrics", "usage", "all"] = "all") -> Curves:
        """What a job said and used over time."""
        return self._transport.ask("GET", path("jobs", id, "metrics"), Curves.from_wire, kind=kind)

    def stacks(self, id: str) -> tuple[Stack, ...]:
        """Where each replica of a job is just now."""
        return self._transport.ask(
            "GET",
            path("jobs", id, "stacks"),
            lambda answer: tuple(map(Stack.from_wire, answer["stacks"])),
        )

    def search_logs(
        self,
        id: str,
        text: str,
        *,
        replica: str | None = None,
        attempt: int | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> LogMatches:
        """Lines of a job's log that hold a text; ``next_offset`` says where to go on."""
        return self._transport.ask(
            "GET",
            path("jobs", id, "logs", "search"),
            LogMatches.from_wire,
            text=text,
            replica=replica,
            attempt=attempt,
            offset=offset,
            limit=limit,
        )

    def download_log(
        self, id: str, file: Path, *, replica: str | None = None, attempt: int | None = None
    ) -> int:
        """Write all of a job's log to a file; the number of bytes."""
        at = path("jobs", id, "logs", "download")
        size = 0
        with (
            self._transport.stream(at, replica=replica, attempt=attempt) as answer,
            file.open("wb") as target,
        ):
            for piece in answer.iter_bytes():
                size += target.write(piece)
        return size

    def quote(self, spec: TrainingSpec) -> Quote:
        """What a wish would cost, and when it would start; nothing is started."""
        return self._transport.ask("POST", "jobs/quote", Quote.from_wire, body=spec.to_wire())

    def export(self, **where: Any) -> Iterator[JobRecord]:
        """Records of all jobs that have ended, newest first. Many requests.

        Args:
            where: Fields of a `JobFilter`.
        """
        query, after = JobFilter(**where).query, None
        while True:
            page = self._transport.ask(
                "GET", "jobs/records", RecordPage.from_wire, **query, next=after
            )
            yield from page.records
            if (after := page.next) is None:
                return

    def take_in(self, records: Iterable[JobRecord]) -> Imported:
        """Keep records that were exported elsewhere. As many requests as their size needs.

        Raises:
            TooLarge: one record alone is larger than a request may be.
        """
        added: list[str] = []
        known: list[str] = []
        for batch in _batches(records):
            body = RecordBatch(records=tuple(batch)).to_wire()
            kept = self._transport.ask("POST", "jobs/records", Imported.from_wire, body=body)
            added += kept.added
            known += kept.known
        return Imported(added=tuple(added), known=tuple(known))

    def notices(self) -> NoticeSettings:
        """How I am told of what became of my jobs, and what was sent of late."""
        return self._transport.ask("GET", "notices", NoticeSettings.from_wire)

    def set_notices(self, **wish: Any) -> NoticeSettings:
        """Set ``webhook=``, ``secret=``, ``email=`` and ``on=``; what is left out is unset, but the
        secret.
        """
        body = NoticeWish(**wish).to_wire()
        return self._transport.ask("PUT", "notices", NoticeSettings.from_wire, body=body)

    def test_notices(self) -> NoticeSettings:
        """Send a test now; its outcomes are the newest deliveries."""
        return self._transport.ask("POST", "notices/test", NoticeSettings.from_wire)


def _batches(records: Iterable[JobRecord]) -> Iterator[list[JobRecord]]:
    batch: list[JobRecord] = []
    size = 0
    for record in records:
        length = len(record.model_dump_json())
        if length > 2 * _BATCH:
            raise TooLarge(f"the record of {record.job.id} has {length >> 20} MiB.")
        if batch and (size + length > _BATCH or len(batch) == 500):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch
