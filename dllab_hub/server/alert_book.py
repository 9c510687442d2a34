"""`AlertBook`: alerts as they are kept, and what people ask of them."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from ..backends.alerts import Alerts
from ..errors import NotFound, StorageFull
from ..specs import Alert, AlertList, Silence
from ..state import StateDir
from .alert_file import AlertFile, Kept
from .silences import ADMINISTRATOR

__all__ = ("AlertBook",)

_LOG = logging.getLogger(__name__)
_ORDER = {"critical": 0, "warning": 1, "info": 2}


class AlertBook(Alerts):
    """Answers people; somebody else writes down what there is.

    Args:
        state: Where it is kept.
        clock: Seconds since the epoch.
    """

    def __init__(self, state: StateDir, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock
        self._file = AlertFile(state.root / "alerts.json")
        self._kept = Kept()
        self._looking = asyncio.Lock()
        self._said = ""
        self._dirty = False
        self._saved = -math.inf  # When, of the monotonic clock: that of the day may be set.
        #: Is told whose alerts have changed.
        self.changed: Callable[[Collection[str] | None], None] = lambda owners: None

    async def list(self, viewer: str | None) -> AlertList:
        return AlertList(alerts=self.of(viewer, pending=True))

    async def silence(self, viewer: str | None, id: str, wish: Silence) -> Alert:
        return await self._quiet(viewer, id, self._clock() + 60 * wish.minutes)

    async def speak(self, viewer: str | None, id: str) -> Alert:
        return await self._quiet(viewer, id, None)

    def of(self, viewer: str | None, *, pending: bool = False) -> tuple[Alert, ...]:
        """A person's alerts, critical ones first, then the newest."""
        mine = (
            self._seen_by(viewer, each.alert)
            for each in self._kept.known.values()
            if (viewer is None or each.alert.owner == viewer)
            and (pending or each.alert.state != "pending")
        )
        return tuple(sorted(mine, key=lambda alert: (_ORDER[alert.severity], -alert.since)))

    # Inside.

    async def _load(self) -> None:
        try:
            self._kept = await asyncio.to_thread(self._file.load)
        except OSError as exc:
            self._say(f"What was known of alerts cannot be read, they begin anew: {exc}")

    async def _quiet(self, viewer: str | None, id: str, until: float | None) -> Alert:
        async with self._looking:
            found = self._kept.known.get(id)
            if found is None or viewer not in (None, found.alert.owner):
                raise NotFound("there is no such alert.")
            silences = self._kept.silences.changed(id, viewer or ADMINISTRATOR, until)
            before, self._kept = self._kept, replace(self._kept, silences=silences)
            try:
                await asyncio.to_thread(self._file.save, self._kept)
            except OSError as exc:
                self._kept = before
                raise StorageFull("there is no room to remember that.") from exc
            self.changed({found.alert.owner})
            return self._seen_by(viewer, found.alert)

    def _seen_by(self, viewer: str | None, alert: Alert) -> Alert:
        until = self._kept.silences.of(alert.id, viewer or ADMINISTRATOR)
        return alert.model_copy(update={"silenced": until})

    async def _save(self) -> None:
        try:
            await asyncio.to_thread(self._file.save, self._kept)
        except OSError as exc:
            self._dirty = True
            self._say(f"Alerts cannot be kept: {exc}")
        else:
            self._dirty, self._saved = False, time.monotonic()

    def _say(self, what: str) -> None:
        """Once, until it is something else."""
        if what != self._said:
            self._said = what
            _LOG.error("%s", what)
