"""`MemoryInsight`: what can be known of the jobs of a `MemoryBackend`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from ..backends.insight import CurveKind, Download, Insight
from ..backends.quoting import quote
from ..specs import (
    Curve,
    Curves,
    JobState,
    LogChunk,
    LogMatch,
    LogMatches,
    Quote,
    Stack,
    TrainingSpec,
)
from .memory_record import Record

if TYPE_CHECKING:
    from .memory import MemoryBackend

__all__ = ("MemoryInsight",)

_USE = ("usage", "gpu")


class MemoryInsight(Insight):
    """Answers from what a test has made happen.

    Attributes:
        stacks_now: What `stacks` answers, by job.
        used: GPU-hours that people have used, by name.

    Args:
        backend: Whose jobs they are.
        records: Its jobs by id; the same object.
    """

    _backend: MemoryBackend

    def __init__(self, backend: MemoryBackend, records: dict[str, Record]) -> None:
        super().__init__(backend)
        self._all = records
        self.stacks_now: dict[str, tuple[Stack, ...]] = {}
        self.used: dict[str, float] = {}

    async def _curves(self, owner: str, id: str, kind: CurveKind) -> Curves:
        curves: list[Curve] = self._all[id].curves
        if kind != "all":
            curves = [c for c in curves if (c.source in _USE) == (kind == "usage")]
        return Curves(curves=tuple(curves))

    async def _stacks(self, owner: str, id: str) -> tuple[Stack, ...]:
        return self.stacks_now.get(id, ())

    async def _search(
        self,
        owner: str,
        id: str,
        text: str,
        replica: str | None,
        attempt: int | None,
        offset: int,
        limit: int,
    ) -> LogMatches:
        data, _ = self._log(id, replica, attempt)
        found: list[LogMatch] = []
        at = 0
        for line in data.splitlines(keepends=True):
            shown = line.decode("utf-8", "replace").rstrip("\r\n")
            start = shown.casefold().find(text.casefold())
            if at >= offset and start >= 0:
                if len(found) == limit:
                    return LogMatches(matches=tuple(found), next_offset=at, size=len(data))
                found.append(LogMatch(offset=at, text=shown, start=start, end=start + len(text)))
            at += len(line)
        return LogMatches(matches=tuple(found), size=len(data))

    async def _follow(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int
    ) -> AsyncGenerator[LogChunk]:
        chunk = self._all[id].read_log(replica, attempt, offset, 65536)
        while True:
            if chunk.text or chunk.complete:
                yield chunk
            if chunk.complete:
                return
            await asyncio.sleep(0.02)
            # A chunk says which attempt it is of: a later one is another log.
            chunk = self._all[id].read_log(replica, chunk.attempt, chunk.next_offset, 65536)

    async def _download(
        self, owner: str, id: str, replica: str | None, attempt: int | None
    ) -> Download:
        data, number = self._log(id, replica, attempt)

        async def pieces() -> AsyncGenerator[bytes]:
            yield data

        name = f"{id}-{replica or 'all'}-attempt-{number}.log"
        return Download(name, len(data), pieces())

    async def _quote(self, owner: str, spec: TrainingSpec) -> Quote:
        page = await self._backend.list(owner, limit=500)
        waiting = [job for job in page.jobs if job.state is JobState.PENDING]
        capacity = await self._backend.capacity(owner, spec.gpus, spec.target)
        used = await self._used(owner)
        return quote(spec, capacity=capacity, ahead=len(waiting), used=used)

    async def _used(self, owner: str) -> float:
        return self.used.get(owner, 0.0)

    def _log(self, id: str, replica: str | None, attempt: int | None) -> tuple[bytes, int]:
        record = self._all[id]
        chunk = record.read_log(replica, attempt, 0, 4)
        return bytes(record.logs.get(chunk.attempt, {}).get(replica or "", b"")), chunk.attempt
