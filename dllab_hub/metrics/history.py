"""`History`: what the GPUs did in the last minutes, as far as somebody watched."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from ..specs import GpuReport, GpuSample

__all__ = ("History",)


class History:
    """Samples of the last ``span`` seconds, oldest first, times always rising.

    A thread may add while others look.

    Args:
        span: Seconds.
    """

    def __init__(self, span: float = 600.0) -> None:
        self._span = span
        self._lock = threading.Lock()
        self._samples: deque[GpuSample] = deque()

    def add(self, report: GpuReport) -> None:
        """Remember a report; one without GPUs has nothing to remember."""
        if report.gpus:
            sample = GpuSample.of(report)
            with self._lock:
                self._add(sample)

    def merge(self, samples: Iterable[GpuSample]) -> None:
        """Fill gaps with what somebody else has seen."""
        with self._lock:
            known = {sample.time: sample for sample in (*samples, *self._samples)}
            self._samples.clear()
            for time in sorted(known):
                self._add(known[time])

    def samples(self) -> tuple[GpuSample, ...]:
        """Up to 600 of 8 GPUs are half a megabyte of JSON."""
        with self._lock:
            return tuple(self._samples)

    def _add(self, sample: GpuSample) -> None:
        # The same moment again; or the clock was set back, and what is later has not happened.
        while self._samples and self._samples[-1].time >= sample.time:
            self._samples.pop()
        self._samples.append(sample)
        while self._samples[0].time <= sample.time - self._span:
            self._samples.popleft()
