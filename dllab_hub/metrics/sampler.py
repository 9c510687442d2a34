"""`Sampler`: one thread reads the GPUs, everybody gets the same report.

However many ask or watch, NVML is called once a second; every 15 s while somebody only has to know
of them, such as alerts; and not at all when nobody does. The event loop only ever looks at what the
thread left for it, so a driver that is slow or hangs costs it nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TypeAlias

from ..specs import GpuHistory, GpuReport, GpuState
from . import nvml
from .history import History
from .silent import failed, stale

__all__ = ("Sampler",)

_log = logging.getLogger(__name__)
_Waiter: TypeAlias = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]
#: Seconds between two reads while nobody looks and somebody has to know.
_SLOW = 15.0
#: States of a report that are faults. That there is no GPU is none.
_FAULTS = {GpuState.DRIVER_MISMATCH, GpuState.NOT_PERMITTED, GpuState.FAILED, GpuState.STALE}


class Sampler:
    """The newest `GpuReport`, read in a thread that starts with the first `report`.

    Args:
        read: What the thread calls; whatever it raises becomes a report in state FAILED.
        clock: Monotonic seconds.
        interval: Seconds between two reads while somebody asks.
        linger: Seconds after the last question until the thread falls asleep.
        patience: Seconds `report` waits for a read that is under way, when what it has is old.
        silent: What is said then: of the last report or None, and of seconds since then.
    """

    def __init__(
        self,
        read: Callable[[], GpuReport] = nvml.read,
        clock: Callable[[], float] = time.monotonic,
        *,
        interval: float = 1.0,
        linger: float = 15.0,
        patience: float = 1.0,
        silent: Callable[[GpuReport | None, float], GpuReport] = stale,
    ) -> None:
        self._read = read
        self._clock = clock
        self._interval = interval
        self._linger = linger
        self._patience = patience
        self._silent = silent
        # Guards all below, and wakes the thread. Never held during a read.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._asked = -math.inf
        self._kept: dict[object, float] = {}  # Seconds between two reads that are enough.
        self._latest: GpuReport | None = None
        self._taken = 0.0  # When `_latest` was.
        self._began: float | None = None  # When the read that is under way began.
        self._read_at: float | None = None  # When the last one began that told of the GPUs.
        self._waiting: set[_Waiter] = set()
        self._said: set[type[BaseException]] = set()
        self._errors: Counter[str] = Counter()
        self._hung: float | None = None  # Began so, the last read that was said to hang.
        self._history = History()

    async def report(self) -> GpuReport:
        """The GPUs as of at most one interval ago.

        Waits for a read when there is no such sample, at most ``patience`` seconds after that read
        began. When none comes, the last values in state STALE, with their age in the message.
        """
        with self._changed:
            self._ask()
        return await self._newest()

    async def glance(self) -> GpuReport:
        """The same, for who does not watch: there is at most one read for it, and none after it."""
        release = self.keep("glance", self._interval)
        try:
            return await self._newest()
        finally:
            release()

    async def follow(self, every: float | None = None) -> AsyncGenerator[GpuReport]:
        """The GPUs now, and then every sample as it is taken; while none comes, that.

        Args:
            every: Seconds between two samples that are enough: while nobody asks for more, no more
                are taken. By default as often as they can be had.
        """
        if every is None:
            yield await self.report()
            while True:
                with self._changed:
                    self._ask()
                    waiter = self._waiter()
                yield await self._wait(waiter, 1.5 * self._interval)
        # Old is what is older than it may be at this pace.
        limit = 1.5 * max(every, self._interval)
        release = self.keep("follow", every)
        try:
            yield await self._newest(limit)
            while True:
                with self._changed:
                    waiter = self._waiter()
                yield await self._wait(waiter, limit, limit)
        finally:
            release()

    def keep(self, why: str, every: float = _SLOW) -> Callable[[], None]:
        """Read the GPUs at least at this pace, whoever looks or not. From any thread.

        Args:
            why: In a word.
            every: Seconds.

        Returns:
            To be called when it is not needed any more; the second time it does nothing.
        """
        key = (why, object())
        with self._changed:
            self._kept[key] = max(every, self._interval)
            self._begin()

        def release() -> None:
            with self._changed:
                self._kept.pop(key, None)
                self._changed.notify_all()

        return release

    @property
    def errors(self) -> Mapping[str, int]:
        """How often reading failed, by kind: a `GpuState`, or the name of an exception.

        A read that hangs is one ``stale``, however long it does.
        """
        with self._changed:
            self._hangs()
            return dict(self._errors)

    @property
    def age(self) -> float | None:
        """Seconds since the GPUs could be read, or since that was first tried; None before."""
        with self._changed:
            return None if self._read_at is None else self._clock() - self._read_at

    def history(self) -> GpuHistory:
        """The samples of the last ten minutes, as far as somebody asked or watched."""
        return GpuHistory(period=self._interval, samples=self._history.samples())

    def close(self) -> None:
        """End the thread; does not wait for a read that is under way."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _ask(self) -> None:
        """Keep the thread awake at its best pace, or wake it, or start it."""
        self._asked = self._clock()
        self._begin()

    def _begin(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="dllab-gpu-sampler", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    async def _newest(self, limit: float | None = None) -> GpuReport:
        """One that is not older than ``limit`` seconds; see `report`."""
        with self._changed:
            if self._is_fresh(limit):
                return self._now(limit)
            now = self._clock()
            wait = (self._began if self._began is not None else now) + self._patience - now
            waiter = self._waiter()
        return await self._wait(waiter, wait, limit)

    def _waiter(self) -> _Waiter:
        loop = asyncio.get_running_loop()
        waiter = (loop, loop.create_future())
        self._waiting.add(waiter)
        return waiter

    async def _wait(self, waiter: _Waiter, seconds: float, limit: float | None = None) -> GpuReport:
        """The next sample, or what is known when ``seconds`` have passed without one."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await waiter[1]
        except TimeoutError:
            pass  # What is known now is said below.
        finally:
            with self._changed:
                self._waiting.discard(waiter)
        with self._changed:
            return self._now(limit)

    def _is_fresh(self, limit: float | None = None) -> bool:
        limit = 1.5 * self._interval if limit is None else limit
        return self._latest is not None and self._age() <= limit

    def _now(self, limit: float | None = None) -> GpuReport:
        if self._latest is not None and self._is_fresh(limit):
            return self._latest
        self._hangs()
        return self._stale()

    def _hangs(self) -> None:
        """Count a read that takes too long, once."""
        began = self._began
        if began is not None and began != self._hung and self._clock() - began > self._patience:
            self._hung = began
            self._errors[GpuState.STALE.value] += 1

    def _age(self) -> float:
        return self._clock() - self._taken

    def _stale(self) -> GpuReport:
        silent = self._age() if self._latest is not None else None
        if silent is None and self._began is not None:
            silent = self._clock() - self._began
        return self._silent(self._latest, silent or 0.0)

    def _run(self) -> None:
        began = -math.inf
        while True:
            with self._changed:
                if not self._waited(began):
                    return
                began = self._began = self._clock()
                self._read_at = began if self._read_at is None else self._read_at
            report = self._sample()
            self._history.add(report)
            with self._changed:
                self._hangs()
                self._latest, self._taken, self._began = report, self._clock(), None
                if report.state not in _FAULTS:
                    self._read_at = began
                for loop, future in self._waiting:
                    _wake(loop, future)
                self._waiting.clear()

    def _waited(self, began: float) -> bool:
        """Wait until it is time for the read after the one that ``began`` then; False at the end.

        Who asks, comes or goes meanwhile changes the pace, and is heard at once.
        """
        while not self._closed:
            pace = self._pace()
            left = None if pace is None else began + pace - self._clock()
            if left is not None and left <= 0:
                return True
            self._changed.wait(left)  # None: asleep.
        return False

    def _pace(self) -> float | None:
        """Seconds between two reads as things are; None while nobody needs any."""
        if self._clock() - self._asked <= self._linger:
            return self._interval
        return min(self._kept.values(), default=None)

    def _sample(self) -> GpuReport:
        try:
            report = self._read()
        except Exception as exc:
            # Whatever a driver library does, the thread lives; said once a kind, not each second.
            if type(exc) not in self._said:
                self._said.add(type(exc))
                _log.exception("The GPUs could not be read.")
            with self._changed:
                self._errors[type(exc).__name__] += 1
            return failed(exc)
        if report.state in _FAULTS:
            with self._changed:
                self._errors[report.state.value] += 1
        return report


def _wake(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    def done() -> None:
        if not future.done():
            future.set_result(None)

    try:
        loop.call_soon_threadsafe(done)
    except RuntimeError:
        # That loop was closed while its question waited: nobody is left to hear the answer.
        return
