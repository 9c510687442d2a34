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
#: Points of a curve are all kept at first. Then they become rarer, so that those of a month are a
#: few MB: the time between two is at least this part of the time since the first.
_ALL, _SHARE = 1000, 1 / 2000
#: Points that wait for a write; of more every other one is left out.
_MOST_WAITING = 64


class _Reporter:
    """Keeps the last call until it may be written."""

    def __init__(self) -> None:
        self._pending: tuple[int, int | None, dict[str, Any], float] | None = None
        self._next = 0.0
        self._complained = False
        self._pid = os.getpid()
        self._began: float | None = None  # With the first point of the curves.
        self._next_point = 0.0
        self._drawn = 0  # Points of the curves.
        self._torn: bool | None = None  # Whether the last line lacks its end; None: not known yet.
        self._points: list[tuple[int, dict[str, Any], float]] = []  # Since the last write,
        self._calls, self._stride = 0, 1  # which keeps one of so many calls.
        self._waiting: list[str] = []  # Lines of the curves that are not written yet.
        atexit.register(self.flush, last=True)

    def take(self, step: int, total: int | None, metrics: dict[str, Any]) -> None:
        light = {key: _still(value) for key, value in metrics.items()}
        now = time.time()
        self._pending = (step, total, light, now)
        if self._drawn < _ALL and self._calls % self._stride == 0:
            self._points.append((step, light, now))
            if len(self._points) == _MOST_WAITING:
                del self._points[1::2]
                self._stride *= 2
        self._calls += 1
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
            due = last or self._drawn < _ALL or time.monotonic() >= self._next_point
            if self._waiting and due:
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
        points, self._points = self._points, []
        self._calls, self._stride = 0, 1
        if not points or points[-1][0] != step:
            points.append((step, metrics, when))
        self._waiting = [
            json.dumps({"step": at, "time": then, "metrics": _numbers(values)})
            for at, values, then in points
        ]
        # A value that is not a finite number has no JSON.
        finite = {k: v for k, v in _numbers(metrics).items() if v is not None}
        text = json.dumps({"step": step, "total": total, "metrics": finite, "time": when})
        try:
            _replace(path, text)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            _replace(path, text)

    def _draw(self, path: str, lines: list[str]) -> None:
        """Append points to the curves; after a torn line they start on one of their own."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        self._next_point = now + max(_INTERVAL, (now - self._began) * _SHARE)
        self._waiting = []
        self._drawn += len(lines)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if self._torn is None:  # The attempt before may have been killed while it wrote.
                size = os.fstat(fd).st_size
                self._torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            data = "\n".join(["", *lines, ""] if self._torn else [*lines, ""]).encode()
            self._torn = os.write(fd, data) < len(data)
        finally:
            os.close(fd)


_reporter: _Reporter | None = None


def report(step: int, total: int | None = None, **metrics: Any) -> None:
    """Report progress; cheap enough for every step.

    Every process of the job writes its own, at most five times a second: what was reported since,
    as far as its curves need it. The last call is written when the program ends. What the lab shows
    of the whole job is what rank 0 reports, or the chief. Of processes that the program itself has
    started, as with ``torchrun``, only rank 0 writes.

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


def _still(value: Any) -> Any:
    """The value as it is now. Nothing is waited for: a GPU may still be computing it."""
    if hasattr(value, "detach"):  # PyTorch: without the graph that computed it, and a copy.
        return value.detach().clone()
    if hasattr(value, "read_value"):  # A variable of TensorFlow.
        return value.read_value()
    return float(value) if type(value).__module__ == "numpy" else value


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """None for what is not a finite number."""
    numbers = {key: float(value) for key, value in metrics.items()}
    return {key: value if math.isfinite(value) else None for key, value in numbers.items()}


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
