"""`Inventory`: which GPUs can be leased, even while the driver does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..specs import GpuInfo, GpuReport

__all__ = ("Inventory",)


class Inventory:
    """The GPUs that can be used, for whoever leases them; from any thread.

    Of a GPU that is divided that is its slices: ``CUDA_VISIBLE_DEVICES`` takes their UUIDs as well.

    Args:
        read: As `Nvml.read`.
        keep: Seconds for which an answer is used again.
        patience: Seconds to wait for a driver that does not answer; after that, what was last
            known (at first: no GPU).
    """

    def __init__(
        self, read: Callable[[], GpuReport], *, keep: float = 10.0, patience: float = 2.0
    ) -> None:
        self._read = read
        self._keep = keep
        self._patience = patience
        self._lock = threading.Lock()
        self._gpus: tuple[GpuInfo, ...] = ()
        self._taken: float | None = None
        self._thread: threading.Thread | None = None
        self._started = 0.0

    def __call__(self) -> tuple[str, ...]:
        """UUIDs in index order; without GPUs that are lost, and empty when there are none."""
        return tuple(gpu.uuid for gpu in self.gpus())

    def gpus(self) -> tuple[GpuInfo, ...]:
        """The same GPUs with their names."""
        now = time.monotonic()
        with self._lock:
            if self._taken is not None and now - self._taken < self._keep:
                return self._gpus
            if self._thread is None or not self._thread.is_alive():
                # In a thread of its own: a hung driver must not take the caller with it.
                self._thread = threading.Thread(
                    target=self._refresh, name="dllab-gpu-inventory", daemon=True
                )
                self._started = now
                self._thread.start()
            thread, left = self._thread, self._started + self._patience - now
        thread.join(max(left, 0.0))
        return self._gpus

    def _refresh(self) -> None:
        report = self._read()
        gpus = tuple(
            GpuInfo(uuid=gpu.uuid, name=gpu.name)
            for gpu in report.gpus
            if gpu.uuid and not gpu.error and not gpu.divided
        )
        with self._lock:
            self._gpus, self._taken = gpus, time.monotonic()
