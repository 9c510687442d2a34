"""GPUs and the machine as plain text, at most 100 characters wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from ..plaintext import inert
from ..specs import (
    Gpu,
    GpuCondition,
    GpuProcess,
    GpuReport,
    GpuState,
    GpuTotals,
    Holder,
    Host,
    Throttle,
)
from ..specs.capacity import NOBODY
from .amounts import columns, cut, size

__all__ = (
    "gpu_heat",
    "gpu_holder",
    "gpu_memory",
    "gpu_power",
    "gpu_wrong",
    "gpus_text",
    "held_by",
    "host_text",
    "others_text",
    "process_text",
)

_WIDTH = 100
#: Characters of a model's name; fewer where it stands beside the name of a machine.
_NAME, _BESIDE, _NODE = 20, 14, 12
#: Characters that are left for the holder at least.
_HOLDER = 12
_INDENT = " " * 5
_THROTTLES: dict[Throttle, str] = {
    "power_cap": "held back by its power limit",
    "hw_slowdown": "slowed down by its own protection (heat or power)",
    "sw_thermal": "slowed down by heat",
    "hw_thermal": "slowed down by heat",
    "power_brake": "slowed down by the machine's power supply",
}
#: What NVIDIA says has to be done, by its number.
_RECOVERIES = {
    1: "it has to be reset",
    2: "the machine has to be restarted",
    3: "what uses it together with other GPUs should end",
    4: "what runs on it should end; then it is to be reset",
}


def held_by(holder: Holder | None, person: str = "") -> str:
    """Who has a GPU; other people's names are not told, except to an administrator.

    >>> job = Holder(kind="job", owner="ada", name="digits")
    >>> held_by(Holder(kind="lab", owner="ada", name="mine", lend=True, lent_to=job))
    'lab mine, lent to job digits'
    >>> held_by(job, "root")
    'job digits of ada'

    Args:
        holder: Or None.
        person: Who reads it; empty when that is not known.
    """
    if holder is None:
        return "free"
    if holder.owner == NOBODY:  # Of a cluster; told to an administrator only.
        return f"pod {holder.name}, of no lab" if holder.name else "not known"
    said = f"{holder.kind} {holder.name or 'of another person'}"
    if person and holder.owner and holder.owner != person:
        said += f" of {holder.owner}"
    if holder.lent_to is not None:
        return f"{said}, lent to {holder.lent_to.kind} {holder.lent_to.name}"
    return f"{said}, which lends it" if holder.lend else said


def gpu_holder(gpu: Gpu, person: str = "") -> str:
    """Who has it, or why nobody can; see `held_by`."""
    if gpu.divided:
        return "divided into slices"
    broken = gpu.error or gpu.withdrawn or gpu.condition is not GpuCondition.OK
    if gpu.holder is None and broken:
        return "out of service"
    return held_by(gpu.holder, person)


def gpu_memory(gpu: Gpu) -> str:
    """``10.0 of 80.0 GiB``; empty when it is not known."""
    return "" if gpu.memory_total is None else _of(gpu.memory_used, gpu.memory_total)


def gpu_heat(gpu: Gpu) -> str:
    """``61/90 C``: with the temperature at which it slows itself down; empty when not known."""
    return _against(gpu.temperature, gpu.temperature_slowdown, "C")


def gpu_power(gpu: Gpu) -> str:
    """``350/700 W``: with the limit; empty when it is not known."""
    return _against(gpu.power, gpu.power_limit, "W")


def gpu_wrong(gpu: Gpu) -> list[str]:
    """What is wrong with it and why it is slow, the worst first."""
    said = [gpu.error, gpu.withdrawn]
    if gpu.recovery:
        todo = _RECOVERIES.get(gpu.recovery)
        said.append(todo or f"NVIDIA recommends action {gpu.recovery}")
    if gpu.remap_failed:
        said.append("a broken row of its memory could not be replaced")
    if gpu.ecc_uncorrected:
        said.append(f"memory errors that could not be corrected: {gpu.ecc_uncorrected}")
    said += dict.fromkeys(_THROTTLES[reason] for reason in gpu.throttle or ())
    return [part for part in said if part]


def gpus_text(report: GpuReport, person: str = "") -> str:
    """One line for each GPU and slice, below it what is wrong and what uses it; or why there is
    none to show.

    Args:
        report: All GPUs.
        person: Who reads it; other people's names, if they are told at all, are only added then.
    """
    lines = []
    if report.state is not GpuState.OK:
        said = f"{report.message} {report.hint}".strip() or report.state.value
        lines += textwrap.wrap(said, _WIDTH)
    if report.gpus:
        with_node = any(gpu.node for gpu in report.gpus)
        head = ("GPU", "NODE", "NAME", "LOAD", "MEMORY", "TEMP", "POWER")
        rows = [head, *(_row(gpu, with_node) for gpu in report.gpus)]
        used = [n for n in range(len(head)) if n != 1 or with_node]
        table = columns([[row[n] for n in used] for row in rows]).splitlines()
        width = max(map(len, table)) + 2
        most = max(_HOLDER, _WIDTH - width)
        lines.append(f"{table[0]:{width}}HELD BY")
        for line, gpu in zip(table[1:], report.gpus, strict=True):
            lines.append(f"{line:{width}}{cut(gpu_holder(gpu, person), most)}")
            lines += _below(gpu, person)
    if report.others is not None:
        lines += [] if report.gpus else ["no GPU of yours"]
        lines += textwrap.wrap(others_text(report.others), _WIDTH)
    return inert("\n".join(lines)) or "no GPU"


def others_text(totals: GpuTotals) -> str:
    """All other GPUs of a cluster, as far as they are known; empty when there are none.

    >>> others_text(GpuTotals(held=5, free=1, busy=3, memory_used=2**30, memory_total=2**33))
    'others: 5 GPUs, 3 busy, 1.0 of 8.0 GiB; 1 free'
    """
    parts = []
    if totals.held:
        facts = [f"{totals.held} GPU{'s' if totals.held > 1 else ''}"]
        facts += [] if totals.busy is None else [f"{totals.busy} busy"]
        facts += (
            [] if totals.memory_total is None else [_of(totals.memory_used, totals.memory_total)]
        )
        parts.append(f"others: {', '.join(facts)}")
    parts += [f"{totals.free} free"] if totals.held or totals.free or totals.out else []
    parts += [f"{totals.out} out of service"] if totals.out else []
    return "; ".join(parts)


def host_text(host: Host) -> str:
    """``CPU 3.2 of 16   memory 41.0 of 128.0 GiB   disk home 12.0 of 900.0 GiB``, as far as it is
    known; else an empty string.
    """
    parts = []
    if host.cpus is not None:
        parts.append(f"CPU {'?' if host.cpu is None else f'{host.cpu:.1f}'} of {host.cpus:g}")
    if host.memory_limit is not None:
        parts.append(f"memory {_of(host.memory, host.memory_limit)}")
    parts += [f"disk {disk.name} {_of(disk.used, disk.total)}" for disk in host.disks]
    return inert("   ".join(parts))


def _row(gpu: Gpu, with_node: bool) -> Sequence[str]:
    name = f"slice {gpu.mig}" if gpu.mig else gpu.name.removeprefix("NVIDIA ")
    load = "" if gpu.utilization is None else f"{gpu.utilization:.0%}"
    shown = (load, gpu_memory(gpu), gpu_heat(gpu), gpu_power(gpu))
    name = cut(name, _BESIDE if with_node else _NAME)
    return (gpu.label, cut(gpu.node, _NODE), name, *(value or "-" for value in shown))


def _below(gpu: Gpu, person: str) -> Iterator[str]:
    for said in gpu_wrong(gpu):
        yield from textwrap.wrap(said, _WIDTH, initial_indent=f"{_INDENT}! ",
                                 subsequent_indent=f"{_INDENT}  ")  # fmt: skip
    others = []
    for process in gpu.processes or ():
        if process.holder is not None and not process.holder.name:
            others.append(process)
        else:
            yield _INDENT + cut(process_text(process, person), _WIDTH - len(_INDENT))
    if others:
        known = [process.memory for process in others if process.memory is not None]
        much = f", {size(sum(known))}" if len(known) == len(others) else ""
        many = "1 process" if len(others) == 1 else f"{len(others)} processes"
        yield f"{_INDENT}{many} of other people{much}"


def process_text(process: GpuProcess, person: str = "") -> str:
    """``python3.11 (4711), 3.2 GiB, job digits worker-0``, as far as it may be known."""
    program = process.name or "a process"
    if process.pid is not None:
        program += f" ({process.pid})"
    if process.holder is not None:
        whose = f"{held_by(process.holder, person)} {process.replica}".strip()
    else:
        whose = "unknown here" if process.pid is None else "not of this lab"
    memory = "memory unknown" if process.memory is None else size(process.memory)
    return f"{program}, {memory}, {whose}"


def _of(used: int | None, total: int) -> str:
    return f"{'?' if used is None else f'{used / 2**30:.1f}'} of {total / 2**30:.1f} GiB"


def _against(value: float | None, limit: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.0f} {unit}" if limit is None else f"{value:.0f}/{limit:.0f} {unit}"
