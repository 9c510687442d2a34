"""A copy of the objects of one kind that keeps itself up to date: one list, then a watch for good.

What it stands: a past that the API server has forgotten (list again), requests that are refused or
lost or hang (back off, come back by itself), and events that come twice, late or in another order
(an object never goes back to an older state). An event that the server never sends on a connection
that holds is not missed by anybody; API servers do not do that.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any

from ...errors import DLLabError, Unavailable
from .api import Api
from .kinds import Kind
from .trouble import Answered, Gone, Unreachable

__all__ = ("Mirror",)

_LOG = logging.getLogger(__name__)
_Object = dict[str, Any]
#: Objects that are not there any more, of which late news could come.
_REMEMBERED = 1000


class Mirror:
    """The objects of one kind, as far as somebody wants them.

    Args:
        api: Where they are.
        kind: Of object.
        namespace: None for all of them.
        labels: A label selector.
        fields: A field selector.
        keep: What to keep of an object, which it may change; None keeps nothing of it.
        changed: Called on the event loop after `objects` has changed.

    Attributes:
        watch: Seconds of one watch; a little more is added at random, so that not all end at once.
        floor: Seconds from one request to the next while something is wrong.
        cap: The most that this grows to; with the wait for a last answer it has to be less than
            the 15 seconds in which we promise to be back.
        quiet: Seconds without a word after which a watch is taken for dead and all is listed
            again, if the server sends bookmarks (once a minute).
        moment: Seconds without a watch for which the copy still counts as live.
    """

    watch, floor, cap, quiet, moment = 300.0, 3.0, 9.0, 150.0, 5.0

    def __init__(
        self, api: Api, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "",
        keep: Callable[[_Object], _Object | None] = lambda obj: obj,
        changed: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._api, self._kind, self._namespace = api, kind, namespace
        self._chosen = {"labels": labels, "fields": fields}
        self._keep, self._changed = keep, changed
        self._objects: dict[str, _Object] = {}
        #: Of every object that is there, and of those that have gone since the last list.
        self._versions: dict[str, str] = {}
        self._gone: dict[str, str] = {}
        self._listed = ""  # The resourceVersion of the last list.
        self._since = ""  # That from which a watch goes on; empty to list first.
        self._listed_at = self._asked_at = float("-inf")
        self._failures = 0
        self._marked = False  # Whether the server sends bookmarks.
        self._lost_at: float | None = float("-inf")
        self._current = time.monotonic()  # When it was last known to be live.
        self._error: DLLabError | None = None
        self._first = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def objects(self) -> Mapping[str, _Object]:
        """The newest known, by ``namespace/name`` (``/name`` where there are no namespaces)."""
        return MappingProxyType(self._objects)

    @property
    def live(self) -> bool:
        """Whether `objects` is what the cluster has now."""
        return self._lost_at is None or time.monotonic() < self._lost_at + self.moment

    @property
    def current(self) -> float:
        """When `objects` was last what the cluster had, seconds since the epoch; before that was
        ever so, since when it is waited for.
        """
        ago = 0.0 if self._lost_at is None else time.monotonic() - self._current
        return time.time() - ago

    @property
    def trouble(self) -> str:
        """One sentence for people while it is not live; else empty."""
        if self.live:
            return ""
        return str(self._error or "the lab has not heard from its cluster yet.")

    def start(self) -> None:
        """Begin to follow; nothing more if it has begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop following; what is known stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._lose(float("-inf"))

    async def synced(self, seconds: float) -> bool:
        """Wait for the first list; False when it has not come in time."""
        try:
            await asyncio.wait_for(self._first.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _run(self) -> None:
        while True:
            await self._api.pace.turn()
            self._asked_at = time.monotonic()
            try:
                if self._since:
                    await self._follow()
                    self._lose(time.monotonic())
                    wait = self._asked_at + self.floor - time.monotonic()
                else:
                    self._listed_at = self._asked_at
                    await self._list()
                    wait = 0.0
            except Gone:
                self._lose(time.monotonic())
                self._since = ""
                wait = self._listed_at + self.floor - time.monotonic()
            except Answered as exc:
                wait = self._failed(exc)
            except Exception:
                # `keep` or `changed`; a copy that silently stands still would be worse.
                _LOG.exception("An object of kind %s could not be taken in.", self._kind.plural)
                self._error = Unavailable(
                    f"what the cluster says of its {self._kind.plural} is not understood.",
                    hint="The service's log says more.",
                )
                self._versions.clear()  # The next list is news, whatever it says.
                wait = self._failed(None)
            await asyncio.sleep(max(0.0, wait))

    async def _list(self) -> None:
        found: dict[str, _Object] = {}
        versions: dict[str, str] = {}
        newest = ""
        pages = self._api.pages(self._kind, self._namespace, **self._chosen)
        async with aclosing(pages):
            async for items, version in pages:
                newest = version
                for item in items:
                    key, own = _identity(item)
                    kept = self._keep(item)
                    if kept is not None:
                        found[key], versions[key] = kept, own
        news = versions != self._versions or not self._first.is_set()
        self._objects.clear()
        self._objects.update(found)
        self._versions, self._gone = versions, {}
        self._listed = self._since = newest
        self._well()
        self._first.set()
        if news:
            self._changed()

    async def _follow(self) -> None:
        """Until the server ends the watch, as it was asked to."""
        seconds = self.watch * random.uniform(1.0, 1.2)  # noqa: S311
        events = self._api.watch(
            self._kind, self._namespace, **self._chosen,
            since=self._since, seconds=seconds, opened=self._opened,
        )  # fmt: skip
        clock = asyncio.get_running_loop().time
        try:
            async with aclosing(events), asyncio.timeout(None) as alarm:
                if self._marked:
                    alarm.reschedule(clock() + self.quiet)
                async for type_, obj in events:
                    self._marked = self._marked or type_ == "BOOKMARK"
                    if self._marked:
                        alarm.reschedule(clock() + self.quiet)
                    self._take(type_, obj)
        except TimeoutError:
            # The server hangs; or it was restored from a backup: it then says nothing at all to
            # whoever asks for news since a version that it has not reached again.
            _LOG.warning("The watch for %s has gone silent.", self._kind.plural)
            self._since = ""

    def _take(self, type_: str, obj: _Object) -> None:
        key, version = _identity(obj)
        if not _older(version, self._since):
            self._since = version
        if type_ == "BOOKMARK":
            return
        known = self._versions.get(key) or self._gone.get(key) or ""
        if type_ == "DELETED":
            # Its resourceVersion may be that of the last change before.
            if not _older(version, known):
                self._drop(key, version)
            return
        if version in (known, self._listed) or _older(version, known):
            return
        if _older(version, self._listed):
            return
        kept = self._keep(obj)
        if kept is None:
            self._drop(key, version)
            return
        self._objects[key], self._versions[key] = kept, version
        self._gone.pop(key, None)
        self._changed()

    def _drop(self, key: str, version: str) -> None:
        self._gone.pop(key, None)
        self._gone[key] = version
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]
        self._versions.pop(key, None)
        if self._objects.pop(key, None) is not None:
            self._changed()

    def _opened(self) -> None:
        self._failures = 0
        self._well()

    def _well(self) -> None:
        if self._error is not None:
            _LOG.warning("The cluster's %s can be followed again.", self._kind.plural)
        self._lost_at = self._error = None

    def _lose(self, when: float, error: Answered | None = None) -> None:
        if self._lost_at is None:
            self._current = time.monotonic()
        self._lost_at = when if self._lost_at is None else min(when, self._lost_at)
        self._error = error or self._error

    def _failed(self, exc: Answered | None) -> float:
        """Seconds to wait after a failure, counted from now."""
        now = time.monotonic()
        if exc is not None and self._error is None:
            _LOG.warning("The cluster's %s cannot be followed: %s", self._kind.plural, exc)
        passing = isinstance(exc, Unreachable)
        self._lose(now if passing else float("-inf"), exc)
        if not passing:
            self._since = ""
        self._failures += 1
        # Somebody has to change something: no hurry, after a server's start is long over.
        cap = self.cap if passing or self._failures < 10 else 10 * self.cap
        most = min(self.floor * 1.4 * 2 ** min(self._failures - 1, 9), cap)
        wait = self._asked_at + random.uniform(self.floor, most) - now  # noqa: S311
        # Where the last request took its time anyway, a short while: not all come back at once.
        wait = max(wait, random.uniform(0.0, self.floor / 3))  # noqa: S311
        return max(wait, exc.retry_after or 0.0) if exc else wait


def _identity(obj: Mapping[str, Any]) -> tuple[str, str]:
    meta = obj["metadata"]
    key = f"{meta.get('namespace') or ''}/{meta.get('name') or ''}"
    return key, str(meta.get("resourceVersion") or "")


def _older(version: str, than: str) -> bool:
    """Whether both are numbers, and the first is less."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)
