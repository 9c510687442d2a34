"""`Stream`: what the GPUs do, told to everybody who watches.

One task follows the GPUs while somebody watches. What it hears is made into text once for each
different view of it, and that text is handed to all. Who takes it too slowly misses some, and in
the end the connection: it never piles up here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, suppress
from typing import Protocol, runtime_checkable

from ..specs import Alert, AlertFrame, GpuHistory, GpuReport, GpuSample, GpuTick, Holder
from .seen import Fleet, as_seen, is_far

__all__ = ("Bell", "Feed", "GpuSource", "Stream", "Watcher", "as_seen")

_LOG = logging.getLogger(__name__)
#: Seconds until a feed that failed by a fault of ours is followed again.
_RETRY = 1.0
#: Seconds for which nothing is told where there is nothing new: after some more it is taken for
#: lost.
_STILL = 2.5
#: Seconds that a report may come before its time.
_EARLY = 0.5


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


@runtime_checkable
class Bell(Protocol):
    """Knows alerts, and says when they have changed.

    Attributes:
        changed: To be called with whose alerts have; None: with everybody's.
    """

    changed: Callable[[Collection[str] | None], None]

    def of(self, viewer: str | None) -> tuple[Alert, ...] | None:
        """A person's alerts that fire, or did of late; with None everybody's.

        None while they are not known yet: it says when they are.
        """


class Watcher(Protocol):
    """Somebody who watches.

    Attributes:
        owner: The person.
        viewer: The same; None: somebody who sees everybody's names.
        interval: Seconds between two reports that are enough; 0 for all there are.
    """

    owner: str
    viewer: str | None
    interval: float

    def send(self, *frames: str) -> bool:
        """Pass the frames on. Never waits: who has not taken the last ones gets none of these.

        Returns:
            Whether they are on their way, or never can be.
        """

    def end(self) -> None:
        """There will be no more."""


class Stream:
    """All who watch, and the one task that tells them.

    Args:
        feed: What it tells.
        known: A report with whose the processes are, and who holds which GPU, by UUID; with all
            names.

    Attributes:
        dropped: Frames that somebody took too slowly to get.
    """

    dropped = 0
    #: Where alerts come from; None: from nowhere.
    bell: Bell | None = None

    def __init__(
        self,
        feed: Feed,
        known: Callable[[GpuReport], Awaitable[tuple[GpuReport, Mapping[str, Holder] | None]]],
    ) -> None:
        self._feed = feed
        self._known = known
        self._watchers: set[Watcher] = set()
        self._due: dict[Watcher, float] = {}  # Of those who do not want all: when the next one is.
        self._new: set[Watcher] = set()  # Those who came before there was anything to tell.
        self._owed: set[Watcher] = set()  # Those whose alerts are others than they know.
        self._now: _Views | None = None
        self._told = 0.0  # When it was, of the monotonic clock.
        self._past: tuple[GpuHistory, str] | None = None
        self._task: asyncio.Task[None] | None = None

    def ring(self, owners: Collection[str] | None) -> None:
        """Tell those whose alerts have changed; None: all."""
        for watcher in tuple(self._watchers):
            viewer = watcher.viewer
            if watcher not in self._new and (owners is None or viewer is None or viewer in owners):
                self._owed.add(watcher)
                self._send(watcher)

    def _send(self, watcher: Watcher, *frames: str) -> None:
        """These, and alerts that somebody has to know of; also if they are too slow just now."""
        bell = self.bell if watcher in self._owed else None
        alerts = None if bell is None else bell.of(watcher.viewer)
        if alerts is not None:
            frames = (*frames, AlertFrame(alerts=alerts).model_dump_json())
        if watcher.send(*frames) and alerts is not None:
            self._owed.discard(watcher)

    def watched_by(self, owner: str) -> int:
        """How often a person watches."""
        return sum(watcher.owner == owner for watcher in self._watchers)

    @property
    def clients(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def join(self, watcher: Watcher) -> None:
        """Tell the past and the present now or soon, and from then on what changes."""
        self._watchers.add(watcher)
        self._owed.add(watcher)
        if self._now is None:
            self._new.add(watcher)
        else:
            self._is_due(watcher)
            now = self._now
            self._send(watcher, self._history(now, watcher.viewer), now.text(watcher.viewer))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dllab-gpu-stream")

    def leave(self, watcher: Watcher) -> None:
        """Tell no more; with the last one the feed is let go."""
        self._watchers.discard(watcher)
        self._new.discard(watcher)
        self._owed.discard(watcher)
        self._due.pop(watcher, None)
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
                        known = await self._known(report)
                        if self._now is None or not self._now.are_of(*known):
                            self._tell(_Views(*known))
                        elif self._new or time.monotonic() - self._told >= _STILL:
                            self._tell(self._now)  # It has its texts already.
            except Exception:
                # Whoever watches goes on waiting: a fault of ours must not be the end of it.
                _LOG.exception("The GPUs could not be followed.")
            await asyncio.sleep(_RETRY)

    def _tell(self, views: _Views) -> None:
        self._now, self._told = views, time.monotonic()
        for watcher in tuple(self._watchers):
            if not self._is_due(watcher):
                continue
            text = views.text(watcher.viewer)
            if watcher in self._new:
                self._send(watcher, self._history(views, watcher.viewer), text)
            else:
                self._send(watcher, text)
        self._new.clear()

    def _is_due(self, watcher: Watcher) -> bool:
        """Whether it is time to tell somebody; if so, the next time is an interval later."""
        now = time.monotonic()
        if watcher.interval <= 0:
            return True
        if now < self._due.get(watcher, now):
            return False
        # No report comes at an even second; half of one early is not too early.
        self._due[watcher] = now + watcher.interval - _EARLY
        return True

    def _history(self, views: _Views, viewer: str | None) -> str:
        """As text, made once for all who come within one period.

        What is newer than the present is told next, as the present.
        """
        past = self._feed.history()
        samples = tuple(sample for sample in past.samples if sample.time <= views.time)
        if (own := views.own(viewer)) is not None:
            samples = tuple(_part_of(sample, own) for sample in samples if own)
            return past.model_copy(update={"samples": samples}).model_dump_json()
        past = past.model_copy(update={"samples": samples})
        if self._past is None or self._past[0].samples[-1:] != past.samples[-1:]:
            self._past = (past, past.model_dump_json())
        return self._past[1]


class _Views:
    """One report as text, for everybody."""

    def __init__(self, report: GpuReport, holders: Mapping[str, Holder] | None) -> None:
        self.time = report.time
        self._report = report
        self._holders = holders
        self._owners = {holder.owner for holder in (holders or {}).values()} | {
            process.holder.owner
            for gpu in report.gpus
            for process in gpu.processes or ()
            if process.holder is not None
        }
        self._texts: dict[str | None, str] = {}
        far = holders is not None and is_far(report)
        self._fleet = Fleet(report, holders or {}) if far else None

    def are_of(self, report: GpuReport, holders: Mapping[str, Holder] | None) -> bool:
        """Whether these are what they are made of."""
        return report is self._report and holders is self._holders

    def own(self, viewer: str | None) -> Collection[str] | None:
        """UUIDs of the GPUs whose past a person may see; None: all."""
        if viewer is None or self._fleet is None:
            return None
        return {gpu.uuid for gpu in self._fleet.seen_by(viewer).gpus}

    def text(self, viewer: str | None) -> str:
        """As ``viewer`` may see it; the same for all who hold nothing."""
        key = viewer if viewer is None or viewer in self._owners else ""
        text = self._texts.get(key)
        if text is None:
            if self._fleet is not None and key is not None:
                report = self._fleet.seen_by(key)
            else:
                report = as_seen(self._report, self._holders, key)
            text = self._texts[key] = GpuTick(report=report).model_dump_json()
        return text


def _part_of(sample: GpuSample, uuids: Collection[str]) -> GpuSample:
    return sample.model_copy(update={"gpus": tuple(g for g in sample.gpus if g.uuid in uuids)})
