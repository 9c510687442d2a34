"""`GpuView`: load, memory, temperature and power of each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from ..specs import Gpu, GpuReport, GpuState
from ..tables import (
    gpu_heat,
    gpu_holder,
    gpu_memory,
    gpu_power,
    gpu_wrong,
    gpus_text,
    others_text,
    process_text,
)
from .live import Live
from .markup import bar, note, table

if TYPE_CHECKING:
    from ..client import Client

__all__ = ("GpuView",)


class GpuView(Live):
    """The GPUs of this lab's machine.

    Args:
        client: Whom to ask.
        person: Who looks; other people's names, if they are told at all, are only added then.
    """

    def __init__(self, client: Client, *, person: str = "", period: float = 1.0) -> None:
        # The sampler rests when nobody looks; a forgotten cell must not keep it awake for days.
        super().__init__(period=period, lasts=900)
        self._client = client
        self._person = person
        self.report: GpuReport = client.gpus()

    def text(self) -> str:
        return gpus_text(self.report, self._person)

    def _build(self) -> list[ipywidgets.Widget]:
        self._table, self._said = ipywidgets.HTML(), ipywidgets.HTML()
        return [self._said, self._table]

    def _read(self) -> bool:
        self.report = self._client.gpus()
        # Without a GPU or its library nothing changes until the machine does.
        return self.report.state not in (GpuState.NO_GPU, GpuState.NO_LIBRARY)

    def _draw(self) -> None:
        report = self.report
        rest = "" if report.others is None else others_text(report.others)
        self._said.value = note(" ".join(filter(None, (report.message, report.hint, rest))))
        head = ("GPU", "name", "load", "memory", "temperature", "power", "held by", "processes", "")
        rows = [self._row(gpu) for gpu in self.report.gpus]
        # A column that has nothing to tell is left out.
        used = [n for n in range(len(head)) if n < 7 or any(row[n] for row in rows)]
        cells = [[row[n] for n in used] for row in rows]
        self._table.value = table([head[n] for n in used], cells) if rows else ""

    def _row(self, gpu: Gpu) -> list[str]:
        used, total = gpu.memory_used, gpu.memory_total
        share = used / total if used is not None and total else None
        return [
            f"{gpu.node} {gpu.label}".strip(),
            f"slice {gpu.mig}" if gpu.mig else gpu.name,
            bar(gpu.utilization, "" if gpu.utilization is None else f"{gpu.utilization:.0%}"),
            gpu_memory(gpu) or "–" if share is None else bar(share, gpu_memory(gpu)),
            gpu_heat(gpu).replace("C", "°C") or "–",
            gpu_power(gpu) or "–",
            gpu_holder(gpu, self._person),
            "; ".join(process_text(each, self._person) for each in gpu.processes or ()),
            "; ".join(gpu_wrong(gpu)),
        ]
