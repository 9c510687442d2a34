"""`Appender`: what a launcher appends to files, gathered and written a few times a second."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from .pod_folder import Folder

__all__ = ("Appender",)

#: Seconds that a first piece may wait for others; and from one write to the next, which is longer
#: where writing takes long: so many times as long as that, up to a limit.
_FIRST, _PAUSE, _TIMES, _LONGEST = 0.02, 0.2, 10.0, 5.0
#: Bytes of a file that do not wait for more.
_ENOUGH = 256 * 1024
#: Bytes for the files of several pods that wait for this one's turn; what comes then is dropped.
_MOST_WAITING = 4 * 1024 * 1024
#: Seconds to the next try when it was another one's turn, at first and at most.
_RETRY, _SLOWEST_RETRY = 0.05, 1.0
#: Seconds at the end after which nobody's turn is waited for.
_LAST_WAIT = 3.0


class Appender:
    """Files that grow. What the disk does not take is dropped and counted: losing output is better
    than losing the job.

    Files of one's own have all that was added. Those of several pods have whole pieces, which are
    whole lines, one pod's after another's.

    Attributes:
        dropped: Bytes that were lost.

    Args:
        folder: Where they are.
        say: Hears a sentence when something is lost for the first time.
    """

    def __init__(self, folder: Folder, say: Callable[[str], object]) -> None:
        self.dropped = 0
        self._folder, self._say = folder, say
        self._own: dict[tuple[str, ...], bytearray] = {}
        self._shared: dict[tuple[str, ...], bytearray] = {}
        self._waiting = 0  # Bytes of those that are shared.
        self._own_due: float | None = None
        self._shared_due: float | None = None
        self._next = 0.0  # Not before, as of the last write.
        self._retry = 0.0  # Seconds, while it is another one's turn.

    @property
    def due(self) -> float | None:
        """When to `flush`, as of `time.monotonic`; None while nothing waits."""
        dues = (self._own_due, self._shared_due)
        return min((due for due in dues if due is not None), default=None)

    def add(self, data: bytes, *parts: str, shared: bool = False) -> int:
        """Take a piece for a file.

        Args:
            data: The piece; whole lines where the file is shared.
            parts: Of its path.
            shared: Whether other pods write to it, too.

        Returns:
            How many bytes were taken: all, or none where too many wait.
        """
        now = time.monotonic()
        if shared:
            if self._is_too_much(data) and not self._retry:
                self._share()
            if self._is_too_much(data):
                self._lose(len(data), "another pod keeps the lock of the merged log")
                return 0
            self._shared.setdefault(parts, bytearray()).extend(data)
            self._waiting += len(data)
            soon = self._waiting >= _ENOUGH and not self._retry
            if soon or self._shared_due is None:
                self._shared_due = now if soon else max(now + _FIRST, self._next)
        else:
            waiting = self._own.setdefault(parts, bytearray())
            waiting += data
            if len(waiting) >= _ENOUGH:
                self._write(parts, self._own.pop(parts))
            elif self._own_due is None:
                self._own_due = max(now + _FIRST, self._next)
        return len(data)

    def flush(self) -> None:
        """Write what waits: one's own, and the rest if that is due and it is one's turn."""
        began = time.monotonic()
        self._write_own()
        if self._shared_due is not None and self._shared_due <= began:
            self._share()
        now = time.monotonic()
        self._next = now + min(max(_PAUSE, (now - began) * _TIMES), _LONGEST)

    def finish(self) -> None:
        """Write all, nothing will follow; whose turn it is matters for some seconds only."""
        give_up = time.monotonic() + _LAST_WAIT
        self._write_own()
        while self._shared:
            with self._folder.turn() as mine:
                if mine or time.monotonic() > give_up:
                    self._write_shared()
            if self._shared:
                time.sleep(_RETRY)
        if self.dropped:
            self._say(f"{self.dropped} bytes of output were lost.")

    def _is_too_much(self, data: bytes) -> bool:
        return self._waiting > 0 and self._waiting + len(data) > _MOST_WAITING

    def _share(self) -> None:
        """Write to the files of several pods, if it is one's turn; else later."""
        with self._folder.turn() as mine:
            if mine:
                self._write_shared()
                return
        self._retry = min(max(_RETRY, 2 * self._retry), _SLOWEST_RETRY)
        # Not all of those that wait for one are to come back at the same moment.
        self._shared_due = time.monotonic() + self._retry * random.uniform(0.5, 1.0)  # noqa: S311

    def _write_own(self) -> None:
        own, self._own, self._own_due = self._own, {}, None
        for parts, data in own.items():
            self._write(parts, data)

    def _write_shared(self) -> None:
        shared, self._shared = self._shared, {}
        self._waiting, self._retry, self._shared_due = 0, 0.0, None
        for parts, data in shared.items():
            self._write(parts, data, lines=True)

    def _write(self, parts: tuple[str, ...], data: bytearray, *, lines: bool = False) -> None:
        if trouble := self._folder.append(bytes(data), *parts, lines=lines):
            self._lose(len(data), f"{'/'.join(parts)}: {trouble.strerror}")

    def _lose(self, count: int, why: str) -> None:
        if not self.dropped:
            self._say(f"output is being lost: {why}.")
        self.dropped += count
