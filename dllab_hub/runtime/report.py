"""Say how far the training is; the lab shows it beside the job, and draws its curves.

>>> from dllab_hub.runtime.report import report
>>> report(10, total=100, loss=0.25)

Every process of a job may call it, not only rank 0: that is how the lab sees who is slow. Without a
lab around it (no ``DLLAB_REPORT``) nothing is written, so a script may always call it.

``DLLAB_REPORT`` names a file ``<process>.json`` with the last report; a process has its own. Beside
it grows ``<process>.jsonl``, one line ``{"step", "time", "metrics"}`` for each point of its curves.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

__all__ = ("report", "tensorboard_dir")

#: Seconds between two writes; calls in between cost nothing but a look at the clock.
_INTERVAL = 0.2
#: Points of a curve become rarer, so that those of a month are a few MB: the time between two is at
#: least this part of the time since the first.
_SHARE = 1 / 2000


class _Reporter:
    """Keeps the last call until it may be written."""

    def __init__(self) -> None:
        self._pending: tuple[int, int | None, dict[str, Any], float] | None = None
        self._next = 0.0
        self._complained = False
        self._pid = os.getpid()
        self._began: float | None = None  # With the first point of the curves.
        self._next_point = 0.0
        self._torn: bool | None = None  # Whether the last line lacks its end; None: not known yet.
        self._waiting: str | None = None  # The newest point that is not in the curves yet.
        atexit.register(self.flush, last=True)

    def take(self, step: int, total: int | None, metrics: dict[str, Any]) -> None:
        # A tensor that waits must not keep the graph alive that computed it.
        light = {
            key: getattr(value, "detach", lambda v=value: v)() for key, value in metrics.items()
        }
        self._pending = (step, total, light, time.time())
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self, *, last: bool = False) -> None:
        """Write what waits. A forked data loader ends with this handler too: it has no say.

        Args:
            last: The program ends: the newest point belongs to its curves in any case.
        """
        path = os.environ.get("DLLAB_REPORT")
        if not path or os.getpid() != self._pid:
            return
        try:
            if self._pending is not None:
                self._write(path, *self._pending)
            if self._waiting is not None and (last or time.monotonic() >= self._next_point):
                self._draw(f"{path.removesuffix('.json')}.jsonl", self._waiting)
        except OSError as exc:
            # Training is worth more than its progress bar.
            if not self._complained:
                print(f"dllab: progress cannot be written: {exc}", file=sys.stderr, flush=True)
                self._complained = True

    def _write(
        self, path: str, step: int, total: int | None, metrics: dict[str, Any], when: float
    ) -> None:
        self._pending = None
        self._next = time.monotonic() + _INTERVAL
        # A value that is not a finite number has no JSON.
        numbers = {key: float(value) for key, value in metrics.items()}
        finite = {key: value for key, value in numbers.items() if math.isfinite(value)}
        gaps = {key: finite.get(key) for key in numbers}
        self._waiting = json.dumps({"step": step, "time": when, "metrics": gaps})
        text = json.dumps({"step": step, "total": total, "metrics": finite, "time": when})
        try:
            _replace(path, text)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            _replace(path, text)

    def _draw(self, path: str, line: str) -> None:
        """Append a point to the curves; after a torn line it starts on one of its own."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        self._next_point = now + max(_INTERVAL, (now - self._began) * _SHARE)
        self._waiting = None
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if self._torn is None:  # The attempt before may have been killed while it wrote.
                size = os.fstat(fd).st_size
                self._torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            data = f"{chr(10) if self._torn else ''}{line}\n".encode()
            self._torn = os.write(fd, data) < len(data)
        finally:
            os.close(fd)


_reporter: _Reporter | None = None


def report(step: int, total: int | None = None, **metrics: Any) -> None:
    """Report progress; cheap enough for every step.

    Every process of the job writes its own, at most five times a second; the last call is written
    when the program ends. What the lab shows of the whole job is what rank 0 reports, or the chief.
    Of processes that the program itself has started, as with ``torchrun``, only rank 0 writes.

    Args:
        step: Steps done.
        total: Steps in all, when known.
        metrics: Scalars: numbers, or tensors with one element. One that is not finite is a gap in
            its curve.
    """
    global _reporter
    if not os.environ.get("DLLAB_REPORT") or not _has_a_say(os.environ):
        return
    if _reporter is None:
        _reporter = _Reporter()
    _reporter.take(int(step), None if total is None else int(total), metrics)


def tensorboard_dir() -> str:
    """Where event files belong so that the lab's TensorBoard shows them; ``runs`` outside a lab.

    >>> from torch.utils.tensorboard import SummaryWriter  # doctest: +SKIP
    >>> writer = SummaryWriter(tensorboard_dir())  # doctest: +SKIP
    """
    return os.environ.get("DLLAB_TENSORBOARD_DIR", "runs")


def _has_a_say(env: Mapping[str, str]) -> bool:
    """Whether this process is one of the lab's, or the first of those that such a one started.

    A launcher within the job gives its processes ranks of its own, and all have the file of the
    process that it runs in.
    """
    by_the_lab = env.get("TORCHELASTIC_RUN_ID") == env.get("DLLAB_JOB_ID")
    first = env.get("DLLAB_RANK", "0") if by_the_lab else "0"
    return env.get("RANK", first) == first


def _replace(path: str, text: str) -> None:
    beside = f"{path}.tmp"
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        os.replace(beside, path)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        raise
