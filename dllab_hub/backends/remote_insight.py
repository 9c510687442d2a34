"""`RemoteInsight`: what can be known of jobs, over the REST interface of a lab service."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import httpx

from ..errors import Unavailable
from ..specs import (
    NO_LIMITS,
    Curves,
    JobLimits,
    LogChunk,
    LogMatches,
    Quote,
    Stack,
    TrainingSpec,
)
from ..transport import AsyncTransport, path
from .base import Backend
from .insight import CurveKind, Download, Insight

__all__ = ("RemoteInsight",)


class RemoteInsight(Insight):
    """Every verb is one request; all checks are the far side's.

    Args:
        backend: Whose jobs they are.
        transport: To the lab service.
    """

    def __init__(self, backend: Backend, transport: AsyncTransport) -> None:
        super().__init__(backend)
        self._transport = transport

    async def quote(self, owner: str, spec: TrainingSpec, limits: JobLimits = NO_LIMITS) -> Quote:
        """What a wish would cost, and when it would start; the far side knows the limits."""
        return await self._quote(owner, spec)

    async def _curves(self, owner: str, id: str, kind: CurveKind) -> Curves:
        return await self._transport.ask(
            "GET", path("jobs", id, "metrics"), Curves.from_wire, kind=kind
        )

    async def _stacks(self, owner: str, id: str) -> tuple[Stack, ...]:
        return await self._transport.ask(
            "GET",
            path("jobs", id, "stacks"),
            lambda answer: tuple(map(Stack.from_wire, answer["stacks"])),
        )

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
        return await self._transport.ask(
            "GET",
            path("jobs", id, "logs", "search"),
            LogMatches.from_wire,
            text=text,
            replica=replica,
            attempt=attempt,
            offset=offset,
            limit=limit,
        )

    async def _follow(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int
    ) -> AsyncGenerator[LogChunk]:
        async with self._transport.stream(
            path("jobs", id, "logs", "follow"), replica=replica, attempt=attempt, offset=offset
        ) as answer:
            async for line in answer.aiter_lines():
                if line:  # One without anything says that the far side is still there.
                    yield _chunk(line)

    async def _download(
        self, owner: str, id: str, replica: str | None, attempt: int | None
    ) -> Download:
        stack = AsyncExitStack()
        answer = await stack.enter_async_context(
            self._transport.stream(
                path("jobs", id, "logs", "download"), replica=replica, attempt=attempt
            )
        )
        given = answer.headers
        name = given.get("Content-Disposition", "").rpartition('filename="')[2].rstrip('"')
        size = int(given.get("Content-Length", "0"))
        return Download(name or f"{id}.log", size, _pieces(stack, answer))

    async def _quote(self, owner: str, spec: TrainingSpec) -> Quote:
        return await self._transport.ask("POST", "jobs/quote", Quote.from_wire, body=spec.to_wire())

    async def _used(self, owner: str) -> None:
        return None  # The lab service counts, and refuses what is too much.


async def _pieces(stack: AsyncExitStack, answer: httpx.Response) -> AsyncGenerator[bytes]:
    async with stack:
        async for piece in answer.aiter_bytes():
            yield piece


def _chunk(line: str) -> LogChunk:
    try:
        return LogChunk.from_wire(json.loads(line))
    except ValueError as exc:
        raise Unavailable(f"the lab's answer is not understood: {exc}.") from exc
