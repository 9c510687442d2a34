"""A close look at a job: curves, stacks, its logs at length, and what a wish would cost."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, cast

from tornado.iostream import StreamClosedError

from ..backends.insight import CurveKind
from ..errors import InvalidRequest
from ..specs import TrainingSpec
from .handler import LabHandler, allowed
from .jobs import Wishes

__all__ = ("ROUTES",)

_KINDS = ("all", "metrics", "usage")
_MATCHES = 100
#: Seconds between two signs that a quiet log is still followed.
_SIGN = 10.0


class Metrics(LabHandler):
    """``jobs/{id}/metrics``."""

    @allowed
    async def get(self, id: str) -> None:
        """What the job said and used over time."""
        kind = self.query("kind").text("kind") or "all"
        if kind not in _KINDS:
            raise InvalidRequest(f"must be one of {', '.join(_KINDS)}.", field="kind")
        self.reply(await self.backend.insight.curves(self.owner, id, cast(CurveKind, kind)))


class Stacks(LabHandler):
    """``jobs/{id}/stacks``."""

    @allowed
    async def get(self, id: str) -> None:
        """Where each replica is just now."""
        self.query()
        stacks = await self.backend.insight.stacks(self.owner, id)
        self.reply({"stacks": [stack.to_wire() for stack in stacks]})


class Search(LabHandler):
    """``jobs/{id}/logs/search``."""

    @allowed
    async def get(self, id: str) -> None:
        """Lines that hold a text."""
        query = self.query("text", "replica", "attempt", "offset", "limit")
        limit = query.number("limit")
        self.reply(
            await self.backend.insight.search(
                self.owner,
                id,
                query.text("text") or "",
                replica=query.text("replica"),
                attempt=query.number("attempt"),
                offset=query.number("offset") or 0,
                limit=_MATCHES if limit is None else limit,
            )
        )


class Follow(LabHandler):
    """``jobs/{id}/logs/follow``."""

    @allowed
    async def get(self, id: str) -> None:
        """A `LogChunk` a line, as they come; an empty line says that there is no news."""
        query = self.query("replica", "attempt", "offset")
        chunks = await self.backend.insight.follow(
            self.owner,
            id,
            replica=query.text("replica"),
            attempt=query.number("attempt"),
            offset=query.number("offset") or 0,
        )
        self.set_header("Content-Type", "application/x-ndjson")
        async with aclosing(chunks):
            coming = asyncio.ensure_future(anext(chunks, None))
            try:
                while True:
                    done, _ = await asyncio.wait({coming}, timeout=_SIGN)
                    if done and (chunk := coming.result()) is None:
                        return
                    self.write(f"{chunk.model_dump_json()}\n" if done and chunk else "\n")
                    await self.flush()
                    if done:
                        coming = asyncio.ensure_future(anext(chunks, None))
            except StreamClosedError:
                return  # Whoever followed has gone.
            finally:
                coming.cancel()
                await asyncio.wait({coming})


class Download(LabHandler):
    """``jobs/{id}/logs/download``."""

    @allowed
    async def get(self, id: str) -> None:
        """All of a log, as a file of plain text."""
        query = self.query("replica", "attempt")
        log = await self.backend.insight.download(
            self.owner, id, replica=query.text("replica"), attempt=query.number("attempt")
        )
        # Nothing in a log is ever shown as a page.
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Disposition", f'attachment; filename="{log.name}"')
        self.set_header("Content-Length", str(log.size))
        async with aclosing(log.pieces) as pieces:
            try:
                async for piece in pieces:
                    self.write(piece)
                    await self.flush()
            except StreamClosedError:
                return  # Whoever asked has gone.


class Quotes(Wishes):
    """``jobs/quote``."""

    changes = False

    @allowed
    async def post(self) -> None:
        """What a wish would cost, and when it would start; nothing is started."""
        self.query()
        spec = await self.read(TrainingSpec.from_wire)
        offered = await self.check_offered(spec)
        self.reply(await self.backend.insight.quote(self.owner, spec, offered.job_limits))


ROUTES: tuple[tuple[str, Any], ...] = (
    ("jobs/quote", Quotes),  # No id has this form: each has a hyphen.
    (r"jobs/([^/]+)/metrics", Metrics),
    (r"jobs/([^/]+)/stacks", Stacks),
    (r"jobs/([^/]+)/logs/search", Search),
    (r"jobs/([^/]+)/logs/follow", Follow),
    (r"jobs/([^/]+)/logs/download", Download),
)
