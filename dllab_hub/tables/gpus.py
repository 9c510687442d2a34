"""GPUs as plain text."""

from __future__ import annotations

from ..specs import GpuReport, GpuState, Holder
from .amounts import columns, size

__all__ = ("gpus_text", "held_by")


def held_by(holder: Holder | None) -> str:
    """Who has a GPU; other people's names are not told.

    >>> job = Holder(kind="job", owner="ada", name="digits")
    >>> held_by(Holder(kind="lab", owner="ada", name="mine", lend=True, lent_to=job))
    'lab mine, lent to job digits'
    """
    if holder is None:
        return "free"
    said = f"{holder.kind} {holder.name or 'of another person'}"
    if holder.lent_to is not None:
        return f"{said}, lent to job {holder.lent_to.name}"
    return f"{said}, which lends it" if holder.lend else said


def gpus_text(report: GpuReport) -> str:
    """One line for each GPU, or why there is none to show."""
    lines = []
    if report.state is not GpuState.OK:
        lines.append(f"{report.message} {report.hint}".strip() or report.state.value)
    if report.gpus:
        rows = [("GPU", "NAME", "LOAD", "MEMORY", "TEMP", "POWER", "HELD BY")]
        for gpu in report.gpus:
            used, total = gpu.memory_used, gpu.memory_total
            memory = f"{size(used)} of {size(total)}" if used is not None and total else "-"
            rows.append(
                (
                    str(gpu.index),
                    gpu.name,
                    "-" if gpu.utilization is None else f"{gpu.utilization:.0%}",
                    memory,
                    "-" if gpu.temperature is None else f"{gpu.temperature} C",
                    "-" if gpu.power is None else f"{gpu.power:.0f} W",
                    gpu.error or held_by(gpu.holder),
                )
            )
        lines.append(columns(rows))
    return "\n".join(lines) or "no GPU"
