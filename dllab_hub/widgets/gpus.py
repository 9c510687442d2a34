"""`GpuView`: load, memory, temperature and power of each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from ..specs import Gpu, GpuReport, GpuState
from ..tables import gpus_text, held_by, size
from .live import Live
from .markup import bar, note, table

if TYPE_CHECKING:
    from ..client import Client

__all__ = ("GpuView",)


class GpuView(Live):
    """The GPUs of this lab's machine.

    Args:
        client: Whom to ask.
    """

    def __init__(self, client: Client, *, period: float = 1.0) -> None:
        # The sampler rests when nobody looks; a forgotten cell must not keep it awake for days.
        super().__init__(period=period, lasts=900)
        self._client = client
        self.report: GpuReport = client.gpus()

    def text(self) -> str:
        return gpus_text(self.report)

    def _build(self) -> list[ipywidgets.Widget]:
        self._table, self._said = ipywidgets.HTML(), ipywidgets.HTML()
        return [self._said, self._table]

    def _read(self) -> bool:
        self.report = self._client.gpus()
        # Without a GPU or its library nothing changes until the machine does.
        return self.report.state not in (GpuState.NO_GPU, GpuState.NO_LIBRARY)

    def _draw(self) -> None:
        self._said.value = note(f"{self.report.message} {self.report.hint}".strip())
        head = ("GPU", "name", "load", "memory", "temperature", "power", "")
        rows = [self._row(gpu) for gpu in self.report.gpus]
        self._table.value = table(head, rows) if rows else ""

    @staticmethod
    def _row(gpu: Gpu) -> list[str]:
        used, total = gpu.memory_used, gpu.memory_total
        share = used / total if used is not None and total else None
        return [
            f"{gpu.index}",
            gpu.name,
            bar(gpu.utilization, f"{gpu.utilization or 0:.0%}"),
            bar(share, f"{size(used or 0)} of {size(total or 0)}"),
            "–" if gpu.temperature is None else f"{gpu.temperature} °C",
            "–" if gpu.power is None else f"{gpu.power:.0f} W",
            gpu.error or held_by(gpu.holder),
        ]
