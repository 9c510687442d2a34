"""`Stream`: what the GPUs do, told to everybody who watches.

One task follows the GPUs while somebody watches. What it hears is made into text once for each
different view of it, and that text is handed to all. Who takes it too slowly misses some, and in
the end the connection: it never piles up here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Protocol, runtime_checkable

from ..specs import GpuHistory, GpuReport, GpuTick, Holder

__all__ = ("Feed", "GpuSource", "Stream", "Watcher", "as_seen")

_LOG = logging.getLogger(__name__)
#: Seconds until a feed that failed by a fault of ours is followed again.
_RETRY = 1.0


class GpuSource(Protocol):
    """Whatever knows the GPUs of this machine."""

    async def report(self) -> GpuReport:
        """The GPUs now."""


@runtime_checkable
class Feed(Protocol):
    """A source that tells by itself what changes."""

    def follow(self) -> AsyncGenerator[GpuReport]:
        """The GPUs now, and then again whenever there is news, about once a second, for ever."""

    def history(self) -> GpuHistory:
        """What it remembers of the last minutes."""


class Watcher(Protocol):
    """Somebody who watches.

    Attributes:
        owner: The person.
    """

    owner: str

    def send(self, *frames: str) -> None:
        """Pass the frames on. Never waits: who has not taken the last ones gets none of these."""

    def end(self) -> None:
        """There will be no more."""


class Stream:
    """All who watch, and the one task that tells them.

    Args:
        feed: What it tells.
        holders: Who holds which GPU of a report, with all names, by UUID.
    """

    def __init__(
        self, feed: Feed, holders: Callable[[GpuReport], Awaitable[Mapping[str, Holder]]]
    ) -> None:
        self._feed = feed
        self._holders = holders
        self._watchers: set[Watcher] = set()
        self._new: set[Watcher] = set()  # Those who came before there was anything to tell.
        self._now: _Views | None = None
        self._past: tuple[GpuHistory, str] | None = None
        self._task: asyncio.Task[None] | None = None

    def join(self, watcher: Watcher) -> None:
        """Tell the past and the present now or soon, and from then on what changes."""
        self._watchers.add(watcher)
        if self._now is None:
            self._new.add(watcher)
        else:
            watcher.send(self._history(), self._now.text(watcher.owner))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dllab-gpu-stream")

    def leave(self, watcher: Watcher) -> None:
        """Tell no more; with the last one the feed is let go."""
        self._watchers.discard(watcher)
        self._new.discard(watcher)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = self._now = self._past = None

    async def close(self) -> None:
        """End all connections."""
        task = self._task
        for watcher in tuple(self._watchers):
            watcher.end()
            self.leave(watcher)
        if task is not None:
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            try:
                async with aclosing(self._feed.follow()) as reports:
                    async for report in reports:
                        self._tell(_Views(report, await self._holders(report)))
            except Exception:
                # Whoever watches goes on waiting: a fault of ours must not be the end of it.
                _LOG.exception("The GPUs could not be followed.")
            await asyncio.sleep(_RETRY)

    def _tell(self, views: _Views) -> None:
        self._now = views
        for watcher in tuple(self._watchers):
            text = views.text(watcher.owner)
            if watcher in self._new:
                watcher.send(self._history(), text)
            else:
                watcher.send(text)
        self._new.clear()

    def _history(self) -> str:
        """As text, made once for all who come within one period."""
        past = self._feed.history()
        if self._past is None or self._past[0].samples[-1:] != past.samples[-1:]:
            self._past = (past, past.model_dump_json())
        return self._past[1]


class _Views:
    """One report as text, for everybody."""

    def __init__(self, report: GpuReport, holders: Mapping[str, Holder]) -> None:
        self._report = report
        self._holders = holders
        self._owners = {holder.owner for holder in holders.values()}
        self._texts: dict[str, str] = {}

    def text(self, owner: str) -> str:
        """As ``owner`` may see it; the same for all who hold nothing."""
        key = owner if owner in self._owners else ""
        text = self._texts.get(key)
        if text is None:
            report = as_seen(self._report, self._holders, key)
            text = self._texts[key] = GpuTick(report=report).model_dump_json()
        return text


def as_seen(report: GpuReport, holders: Mapping[str, Holder], owner: str) -> GpuReport:
    """The report with its holders as ``owner`` may see them: other people's are without names."""
    if not holders:
        return report

    def seen(uuid: str) -> Holder | None:
        holder = holders.get(uuid)
        return holder and holder.seen_by(owner)

    gpus = (gpu.model_copy(update={"holder": seen(gpu.uuid)}) for gpu in report.gpus)
    return report.model_copy(update={"gpus": tuple(gpus)})
