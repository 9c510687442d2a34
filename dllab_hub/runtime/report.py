"""Say how far the training is; the lab shows it beside the job.

>>> from dllab_hub.runtime.report import report
>>> report(10, total=100, loss=0.25)

Without a lab around it (no ``DLLAB_REPORT``) nothing is written, so a script may always call it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import sys
import time
from typing import Any

__all__ = ("report", "tensorboard_dir")

#: Seconds between two writes; calls in between cost nothing but a look at the clock.
_INTERVAL = 0.2


class _Reporter:
    """Keeps the last call until it may be written."""

    def __init__(self) -> None:
        self._pending: tuple[int, int | None, dict[str, Any], float] | None = None
        self._next = 0.0
        self._complained = False
        self._pid = os.getpid()
        atexit.register(self.flush)

    def take(self, step: int, total: int | None, metrics: dict[str, Any]) -> None:
        # A tensor that waits must not keep the graph alive that computed it.
        light = {
            key: getattr(value, "detach", lambda v=value: v)() for key, value in metrics.items()
        }
        self._pending = (step, total, light, time.time())
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> None:
        """Write what waits. A forked data loader ends with this handler too: it has no say."""
        path = os.environ.get("DLLAB_REPORT")
        if self._pending is None or not path or os.getpid() != self._pid:
            return
        step, total, metrics, when = self._pending
        self._pending = None
        self._next = time.monotonic() + _INTERVAL
        # A value that is not a finite number has no JSON.
        numbers = {key: float(value) for key, value in metrics.items()}
        finite = {key: value for key, value in numbers.items() if math.isfinite(value)}
        text = json.dumps({"step": step, "total": total, "metrics": finite, "time": when})
        try:
            _replace(path, text)
        except OSError as exc:
            # Training is worth more than its progress bar.
            if not self._complained:
                print(f"dllab: progress cannot be written: {exc}", file=sys.stderr, flush=True)
                self._complained = True


_reporter: _Reporter | None = None


def report(step: int, total: int | None = None, **metrics: Any) -> None:
    """Report progress; cheap enough for every step.

    Only rank 0 writes, at most five times a second; the last call is written when the program ends.

    Args:
        step: Steps done.
        total: Steps in all, when known.
        metrics: Scalars: numbers, or tensors with one element. One that is not finite is left out.
    """
    global _reporter
    if os.environ.get("RANK", "0") != "0" or not os.environ.get("DLLAB_REPORT"):
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
