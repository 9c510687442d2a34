"""`Sampler`: one thread reads the GPUs, everybody gets the same report.

However many ask or watch, NVML is called once a second, and not at all when nobody does. The event
loop only ever looks at what the thread left for it, so a driver that is slow or hangs costs it
nothing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

from ..specs import GpuHistory, GpuReport, GpuState
from . import nvml
from .history import History

__all__ = ("Sampler",)

_log = logging.getLogger(__name__)
_Waiter: TypeAlias = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]


class Sampler:
    """The newest `GpuReport`, read in a thread that starts with the first `report`.

    Args:
        read: What the thread calls; whatever it raises becomes a report in state FAILED.
        clock: Monotonic seconds.
        interval: Seconds between two reads while somebody asks.
        linger: Seconds after the last question until the thread falls asleep.
        patience: Seconds `report` waits for a read that is under way, when what it has is old.
    """

    def __init__(
        self,
        read: Callable[[], GpuReport] = nvml.read,
        clock: Callable[[], float] = time.monotonic,
        *,
        interval: float = 1.0,
        linger: float = 15.0,
        patience: float = 1.0,
    ) -> None:
        self._read = read
        self._clock = clock
        self._interval = interval
        self._linger = linger
        self._patience = patience
        # Guards all below, and wakes the thread. Never held during a read.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._asked = 0.0
        self._latest: GpuReport | None = None
        self._taken = 0.0  # When `_latest` was.
        self._began: float | None = None  # When the read that is under way began.
        self._waiting: set[_Waiter] = set()
        self._said: set[type[BaseException]] = set()
        self._history = History()

    async def report(self) -> GpuReport:
        """The GPUs as of at most one interval ago.

        Waits for a read when there is no such sample, at most ``patience`` seconds after that read
        began. When none comes, the last values in state STALE, with their age in the message.
        """
        with self._changed:
            self._ask()
            if self._is_fresh():
                return self._now()
            now = self._clock()
            wait = (self._began if self._began is not None else now) + self._patience - now
            waiter = self._waiter()
        return await self._wait(waiter, wait)

    async def follow(self) -> AsyncGenerator[GpuReport]:
        """The GPUs now, and then every sample as it is taken; while none comes, that."""
        yield await self.report()
        while True:
            with self._changed:
                self._ask()
                waiter = self._waiter()
            yield await self._wait(waiter, 1.5 * self._interval)

    def history(self) -> GpuHistory:
        """The samples of the last ten minutes, as far as somebody asked or watched."""
        return GpuHistory(period=self._interval, samples=self._history.samples())

    def close(self) -> None:
        """End the thread; does not wait for a read that is under way."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _ask(self) -> None:
        """Keep the thread awake, or wake it, or start it."""
        self._asked = self._clock()
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="dllab-gpu-sampler", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _waiter(self) -> _Waiter:
        loop = asyncio.get_running_loop()
        waiter = (loop, loop.create_future())
        self._waiting.add(waiter)
        return waiter

    async def _wait(self, waiter: _Waiter, seconds: float) -> GpuReport:
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
            return self._now()

    def _is_fresh(self) -> bool:
        return self._latest is not None and self._age() <= 1.5 * self._interval

    def _now(self) -> GpuReport:
        return self._latest if self._latest is not None and self._is_fresh() else self._stale()

    def _age(self) -> float:
        return self._clock() - self._taken

    def _stale(self) -> GpuReport:
        silent = self._age() if self._latest is not None else None
        if silent is None and self._began is not None:
            silent = self._clock() - self._began
        seconds = max(round(silent or 0.0), 1)
        message = (
            f"The NVIDIA driver has not answered for {seconds} second{'s' if seconds > 1 else ''}"
        )
        hint = "Run nvidia-smi; if it does not answer either, restart the machine."
        if self._latest is None:
            return GpuReport(
                state=GpuState.STALE, message=f"{message}.", hint=hint, time=time.time()
            )
        said = f"{message}; these are its last values." if self._latest.gpus else f"{message}."
        return self._latest.model_copy(
            update={"state": GpuState.STALE, "message": said, "hint": hint}
        )

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and self._clock() - self._asked > self._linger:
                    self._changed.wait()  # Asleep.
                if self._closed:
                    return
                began = self._began = self._clock()
            report = self._sample()
            self._history.add(report)
            with self._changed:
                self._latest, self._taken, self._began = report, self._clock(), None
                for loop, future in self._waiting:
                    _wake(loop, future)
                self._waiting.clear()
                # Questions notify as well: only time or the end ends this wait.
                self._changed.wait_for(lambda: self._closed, began + self._interval - self._clock())

    def _sample(self) -> GpuReport:
        try:
            return self._read()
        except Exception as exc:
            # Whatever a driver library does, the thread lives; said once a kind, not each second.
            if type(exc) not in self._said:
                self._said.add(type(exc))
                _log.exception("The GPUs could not be read.")
            return GpuReport(
                state=GpuState.FAILED,
                message=f"The GPUs could not be read: {str(exc) or type(exc).__name__}.",
                hint="The server's log says more.",
                time=time.time(),
            )


def _wake(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    def done() -> None:
        if not future.done():
            future.set_result(None)

    try:
        loop.call_soon_threadsafe(done)
    except RuntimeError:
        # That loop was closed while its question waited: nobody is left to hear the answer.
        return
