"""`Card`: one GPU as NVML has it, with its slices: what never changes, and what does.

At each read four calls are made for a GPU: utilization, memory, temperature and power. The rest is
asked for less often, and kept until then:

- every 5 s the clocks, why they are slow, and the processes: six calls, and one more for each list
  that is not empty;
- every 10 s memory errors, replaced rows, the action that NVIDIA recommends, the power limit, and
  the slices: six calls, and more for each slice.

A driver that takes long for each call is asked for these of one GPU after the other.
What is asked for on demand only, PCIe and NVLink, is asked for at each read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..specs import Gpu, GpuProcess
from .nvmlcodes import SESSION, failed, told, told_if_possible
from .nvmlvalues import fields, hertz, memory, processes, profile, throttle, watts

__all__ = ("Card", "known")

#: Seconds between two looks. A read is never exactly a second after the last one.
_DETAILS, _HEALTH, _JITTER = 5.0, 10.0, 0.5
_ALL_LINKS = 0xFFFFFFFF
_KIB = 1024


def known(pynvml: Any, index: int, handle: Any) -> Gpu:
    """What never changes about a GPU.

    Raises:
        pynvml.NVMLError: it cannot be read.
    """
    threshold = "nvmlDeviceGetTemperatureThreshold"
    return Gpu(
        index=index,
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        name=told(pynvml, "nvmlDeviceGetName", handle) or "NVIDIA GPU",
        temperature_slowdown=told(
            pynvml, threshold, handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
        ),
        temperature_shutdown=told(
            pynvml, threshold, handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN
        ),
    )


@dataclass(frozen=True)
class _Slice:
    """A MIG slice of a GPU: what never changes, and NVML's handle."""

    facts: Gpu
    handle: Any


class Card:
    """One GPU.

    Args:
        facts: What never changes; with what is wrong, where there is no handle.
        handle: NVML's, or None when it could not be had.
        pcie: Whether to ask for what goes over PCIe: 20 ms each time, twice.
        nvlink: Whether to ask for what goes over NVLink.
    """

    def __init__(
        self, facts: Gpu, handle: Any, *, pcie: bool = False, nvlink: bool = False
    ) -> None:
        self.facts = facts
        self.handle = handle
        self._pcie = pcie
        self._nvlink = nvlink
        self._slices: tuple[_Slice, ...] = ()
        self._details_at = self._health_at = -math.inf
        self._details: dict[str, Any] = {}
        self._health: dict[str, Any] = {"divided": False}
        self._processes: dict[str, tuple[GpuProcess, ...] | None] = {}  # By UUID.
        self._links: tuple[float, int] | None = None  # When, and KiB up to then.

    def is_due(self, now: float) -> bool:
        """Whether the next read asks for something that is asked for less often."""
        return self.handle is not None and (self._details_due(now) or self._health_due(now))

    def _details_due(self, now: float) -> bool:
        return now - self._details_at >= _DETAILS - _JITTER

    def _health_due(self, now: float) -> bool:
        return now - self._health_at >= _HEALTH - _JITTER

    def read(self, pynvml: Any, now: float, *, hurry: bool = False) -> tuple[Gpu, ...]:
        """The GPU, and then its slices if it is divided.

        Args:
            pynvml: The module.
            now: Monotonic seconds.
            hurry: Leave what is asked for less often for another time.

        Raises:
            pynvml.NVMLError: the session is over; of the GPU alone whatever is wrong is in the
                answer.
        """
        if self.handle is None:
            return (self.facts,)
        try:
            return self._read(pynvml, now, hurry)
        except pynvml.NVMLError as exc:
            if exc.value in SESSION:
                raise
            # Nothing of it counts any more; what is known anew once it is there again does.
            self._details_at = self._health_at = -math.inf
            divided = {"divided": bool(self._slices)}
            lost = (self.facts.model_copy(update=divided), *(each.facts for each in self._slices))
            return tuple(failed(gpu, exc) for gpu in lost)

    def _read(self, pynvml: Any, now: float, hurry: bool) -> tuple[Gpu, ...]:
        if not hurry and self._health_due(now):
            self._look_after(pynvml)
            self._health_at = now
        whole = self._now(pynvml)
        slices = tuple(self._slice_now(pynvml, each) for each in self._slices)
        if not hurry and self._details_due(now):
            self._look_closer(pynvml)
            self._details_at = now
        whole |= {**self._health, **self._details, **self._traffic(pynvml, now)}
        whole["processes"] = self._processes.get(self.facts.uuid)
        gpu = self.facts.model_copy(update=whole)
        return (gpu, *(self._with_processes(each) for each in slices))

    def _now(self, pynvml: Any) -> dict[str, Any]:
        rates = None
        if not self._health["divided"]:  # Nobody can tell it of a GPU that is.
            rates = told(pynvml, "nvmlDeviceGetUtilizationRates", self.handle)
        # The older of two functions: every driver has it, and the newer says the same.
        sensor = pynvml.NVML_TEMPERATURE_GPU
        temperature = told(pynvml, "nvmlDeviceGetTemperature", self.handle, sensor)
        return {
            "utilization": None if rates is None else min(rates.gpu / 100, 1.0),
            **memory(pynvml, self.handle),
            "temperature": temperature,
            "power": watts(told(pynvml, "nvmlDeviceGetPowerUsage", self.handle)),
        }

    def _slice_now(self, pynvml: Any, of: _Slice) -> Gpu:
        try:
            return of.facts.model_copy(update=memory(pynvml, of.handle))
        except pynvml.NVMLError as exc:
            if exc.value in SESSION:
                raise
            self._health_at = -math.inf  # It may be gone: look for slices with the next read.
            return failed(of.facts, exc)

    def _with_processes(self, gpu: Gpu) -> Gpu:
        if gpu.error:
            return gpu
        return gpu.model_copy(update={"processes": self._processes.get(gpu.uuid)})

    def _look_after(self, pynvml: Any) -> None:
        """Whether it is in order, and how it is divided."""
        ask, handle = told_if_possible, self.handle
        kinds = {
            "ecc_corrected": pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
            "ecc_uncorrected": pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
        }
        volatile = pynvml.NVML_VOLATILE_ECC
        health = {
            name: ask(pynvml, "nvmlDeviceGetTotalEccErrors", handle, kind, volatile)
            for name, kind in kinds.items()
        }
        rows = ask(pynvml, "nvmlDeviceGetRemappedRows", handle)
        action = pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION
        self._health = {
            **health,
            "remap_failed": None if rows is None else bool(rows[3]),
            "recovery": fields(pynvml, handle, action)[0],
            "power_limit": watts(ask(pynvml, "nvmlDeviceGetEnforcedPowerLimit", handle)),
        }
        self.look_for_slices(pynvml)

    def look_for_slices(self, pynvml: Any) -> None:
        """How it is divided. Before the first read: what can be leased depends on it.

        Raises:
            pynvml.NVMLError: it cannot be read.
        """
        mode = told_if_possible(pynvml, "nvmlDeviceGetMigMode", self.handle)
        self._health["divided"] = mode is not None and bool(mode[0])
        before = [each.facts.uuid for each in self._slices]
        self._slices = self._find_slices(pynvml) if self._health["divided"] else ()
        if before != [each.facts.uuid for each in self._slices]:
            self._details_at = -math.inf

    def _find_slices(self, pynvml: Any) -> tuple[_Slice, ...]:
        found = []
        for number in range(told(pynvml, "nvmlDeviceGetMaxMigDeviceCount", self.handle) or 0):
            handle = told(pynvml, "nvmlDeviceGetMigDeviceHandleByIndex", self.handle, number)
            if handle is None:
                continue  # There are fewer than there could be, with gaps.
            name = told(pynvml, "nvmlDeviceGetName", handle) or self.facts.name
            facts = Gpu(
                index=self.facts.index,
                slice=number,
                uuid=pynvml.nvmlDeviceGetUUID(handle),
                name=name,
                mig=name.rpartition(" MIG ")[2]
                if " MIG " in name
                else profile(pynvml, self.handle, handle),
            )
            found.append(_Slice(facts, handle))
        return tuple(found)

    def _look_closer(self, pynvml: Any) -> None:
        """Clocks and processes."""
        clock = "nvmlDeviceGetClockInfo"
        of_sm = told_if_possible(pynvml, clock, self.handle, pynvml.NVML_CLOCK_SM)
        of_memory = told_if_possible(pynvml, clock, self.handle, pynvml.NVML_CLOCK_MEM)
        self._details = {
            "clock": hertz(of_sm),
            "memory_clock": hertz(of_memory),
            "throttle": throttle(pynvml, self.handle),
        }
        # Of a GPU that is divided the slices tell it.
        whole = () if self._slices else (_Slice(self.facts, self.handle),)
        self._processes = {
            each.facts.uuid: processes(pynvml, each.handle) for each in (*self._slices, *whole)
        }

    def _traffic(self, pynvml: Any, now: float) -> dict[str, float | None]:
        traffic: dict[str, float | None] = {}
        if self._pcie:
            # NVML counts for 20 ms, in KiB a second, as the GPU sees it: it sends to the machine.
            for name, way in (
                ("pcie_sent", pynvml.NVML_PCIE_UTIL_TX_BYTES),
                ("pcie_received", pynvml.NVML_PCIE_UTIL_RX_BYTES),
            ):
                rate = told_if_possible(pynvml, "nvmlDeviceGetPcieThroughput", self.handle, way)
                traffic[name] = None if rate is None else float(rate * _KIB)
        if self._nvlink:
            traffic["nvlink"] = self._over_links(pynvml, now)
        return traffic

    def _over_links(self, pynvml: Any, now: float) -> float | None:
        """Bytes a second since the last read, both ways; None at the first."""
        kinds = (
            pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
            pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
        )
        both = fields(pynvml, self.handle, *((kind, _ALL_LINKS) for kind in kinds))
        before, self._links = self._links, None
        if None in both:
            return None
        self._links = (now, sum(both))
        if before is None or now <= before[0] or self._links[1] < before[1]:
            return None
        return (self._links[1] - before[1]) * _KIB / (now - before[0])
