"""Single values of a GPU, in our units, as NVML tells them; None where it does not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..specs import GpuProcess, Throttle
from .nvmlcodes import told, told_if_possible

__all__ = (
    "fields", "hertz", "memory", "processes", "profile", "throttle", "throttled", "watts",
)  # fmt: skip

#: Bits of NVML's "clocks event reasons" that mean a GPU is slower than it could be. Being idle, a
#: clock that somebody has set, and one that several GPUs or a display share do not.
_THROTTLE: tuple[tuple[int, Throttle], ...] = (
    (0x04, "power_cap"),
    (0x08, "hw_slowdown"),
    (0x20, "sw_thermal"),
    (0x40, "hw_thermal"),
    (0x80, "power_brake"),
)
#: Lists of processes: those that compute, those that draw, those that compute through MPS.
_LISTS = (
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3",
)


def throttle(pynvml: Any, handle: Any) -> tuple[Throttle, ...] | None:
    """Why the GPU is slower than it could be; empty when it is not."""
    reasons = told_if_possible(pynvml, "nvmlDeviceGetCurrentClocksEventReasons", handle)
    if reasons is None:  # Until driver 535 it had another name.
        reasons = told_if_possible(pynvml, "nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    return None if reasons is None else throttled(reasons)


def throttled(reasons: int) -> tuple[Throttle, ...]:
    """What the bits of NVML's "clocks event reasons" say; empty when it is not slow.

    >>> throttled(0x45)
    ('power_cap', 'hw_thermal')
    """
    return tuple(name for bit, name in _THROTTLE if reasons & bit)


def profile(pynvml: Any, whole: Any, handle: Any) -> str:
    """Of a slice, as nvidia-smi has it, such as ``1g.10gb``; empty when not told.

    The size in it is an eighth of the GPU's memory and multiples of that:
    https://github.com/NVIDIA/go-nvlib/blob/main/pkg/nvlib/device/mig_profile.go

    Args:
        pynvml: The module.
        whole: NVML's handle of the GPU.
        handle: That of the slice.
    """
    has = told_if_possible(pynvml, "nvmlDeviceGetAttributes_v2", handle)
    total = memory(pynvml, whole)["memory_total"]
    if has is None or not total:
        return ""
    part = math.ceil(has.memorySizeMB * 2**20 / total * 8) / 8
    size = f"{has.gpuInstanceSliceCount}g.{round(part * math.ceil(total / 2**30))}gb"
    if has.computeInstanceSliceCount == has.gpuInstanceSliceCount:
        return size
    return f"{has.computeInstanceSliceCount}c.{size}"


def memory(pynvml: Any, handle: Any) -> dict[str, int | None]:
    """Bytes in use and in all, by the names of `Gpu`."""
    # Version 2 does not count as used what the driver keeps for itself, like nvidia-smi.
    said = told(pynvml, "nvmlDeviceGetMemoryInfo", handle, pynvml.nvmlMemory_v2)
    if said is None:
        said = told(pynvml, "nvmlDeviceGetMemoryInfo", handle)
    return {
        "memory_used": None if said is None else int(said.used),
        "memory_total": None if said is None else int(said.total),
    }


def processes(pynvml: Any, handle: Any) -> tuple[GpuProcess, ...] | None:
    """Those that use a GPU or a slice, by process id, each once: one may compute and draw."""
    lists = [told_if_possible(pynvml, function, handle) for function in _LISTS]
    if all(found is None for found in lists):
        return None
    each: dict[int, int | None] = {}
    for process in (process for found in lists for process in found or ()):
        used = process.usedGpuMemory
        each[process.pid] = max(_numbers((each.get(process.pid), used)), default=None)
    return tuple(GpuProcess(pid=pid, memory=used) for pid, used in sorted(each.items()))


def _numbers(values: Iterable[int | None]) -> list[int]:
    return [int(value) for value in values if value is not None]


def fields(pynvml: Any, handle: Any, *fields: Any) -> list[Any]:
    """Values of NVML's numbered fields; None for what is not told."""
    values = told_if_possible(pynvml, "nvmlDeviceGetFieldValues", handle, list(fields))
    if values is None:
        return [None] * len(fields)
    return [_field(pynvml, value) for value in values]


def _field(pynvml: Any, field: Any) -> int | None:
    kinds = {
        pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
        pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
        pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
        pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
        pynvml.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
        pynvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
    }
    kind = kinds.get(field.valueType)
    if field.nvmlReturn != pynvml.NVML_SUCCESS or kind is None:
        return None
    return int(getattr(field.value, kind))


def watts(milliwatts: int | None) -> float | None:
    """From NVML's thousandths."""
    return None if milliwatts is None else milliwatts / 1000


def hertz(megahertz: int | None) -> float | None:
    """From NVML's millions."""
    return None if megahertz is None else megahertz * 1e6
