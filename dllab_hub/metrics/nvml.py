"""The GPUs of this machine, read through NVML: `read`, `gpus`, `inventory` and, for tests, `Nvml`.

NVML may be slow or hang, so nothing here may be called on an event loop. Nothing happens at import.
Whatever NVML answers becomes a `GpuReport`; the two tables below are the only place where its error
codes become words.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..specs import Gpu, GpuInfo, GpuReport, GpuState
from .inventory import Inventory

__all__ = ("Nvml", "gpus", "inventory", "read")


class _Code(IntEnum):
    """NVML's return codes. Part of its ABI, so they can be named without importing it."""

    UNINITIALIZED = 1
    NOT_SUPPORTED = 3
    NO_PERMISSION = 4
    NOT_FOUND = 6
    DRIVER_NOT_LOADED = 9
    TIMEOUT = 10
    LIBRARY_NOT_FOUND = 12
    FUNCTION_NOT_FOUND = 13
    GPU_IS_LOST = 15
    RESET_REQUIRED = 16
    OPERATING_SYSTEM = 17
    LIB_RM_VERSION_MISMATCH = 18
    NO_DATA = 21
    ARGUMENT_VERSION_MISMATCH = 25
    DEPRECATED = 26
    GPU_NOT_FOUND = 28


_NO_ACCESS = "This account may not read the GPUs."
_ASK = "Ask the administrator for access to the NVIDIA device files."
_SMI = "Run nvidia-smi to see whether the driver answers there."

#: Of the machine as a whole: state, sentence, what to do.
_MACHINE: dict[int, tuple[GpuState, str, str]] = {
    _Code.LIBRARY_NOT_FOUND: (
        GpuState.NO_LIBRARY,
        "This machine has no NVIDIA driver, so there are no GPUs to show.",
        "",
    ),
    _Code.DRIVER_NOT_LOADED: (
        GpuState.NO_GPU,
        "The NVIDIA driver is installed but not loaded, so there are no GPUs to show.",
        "If this machine has an NVIDIA GPU, run nvidia-smi to see why the driver does not load.",
    ),
    _Code.GPU_NOT_FOUND: (GpuState.NO_GPU, "This machine has no NVIDIA GPU.", ""),
    _Code.LIB_RM_VERSION_MISMATCH: (
        GpuState.DRIVER_MISMATCH,
        "The NVIDIA driver was updated and no longer matches the one that is running.",
        "Restart the machine.",
    ),
    _Code.NO_PERMISSION: (GpuState.NOT_PERMITTED, _NO_ACCESS, _ASK),
    _Code.OPERATING_SYSTEM: (GpuState.NOT_PERMITTED, _NO_ACCESS, _ASK),
    _Code.FUNCTION_NOT_FOUND: (
        GpuState.FAILED,
        "The NVIDIA driver is too old to be read.",
        "Update the driver.",
    ),
    _Code.TIMEOUT: (GpuState.FAILED, "The NVIDIA driver did not answer in time.", _SMI),
    _Code.GPU_IS_LOST: (
        GpuState.FAILED,
        "A GPU fell off the bus, and the NVIDIA driver cannot be read any more.",
        "Restart the machine.",
    ),
}
#: Of one GPU, while the others can be read.
_ONE_GPU: dict[int, str] = {
    _Code.GPU_IS_LOST: "This GPU fell off the bus. Restart the machine to get it back.",
    _Code.RESET_REQUIRED: "This GPU has to be reset before it can be used again.",
    _Code.NO_PERMISSION: "This account may not read this GPU.",
    _Code.OPERATING_SYSTEM: "This account may not read this GPU.",
}
#: Of one value: this GPU or driver does not tell it.
_NOT_TOLD = frozenset({
    _Code.NOT_SUPPORTED, _Code.NOT_FOUND, _Code.FUNCTION_NOT_FOUND, _Code.NO_DATA,
    _Code.ARGUMENT_VERSION_MISMATCH, _Code.DEPRECATED,
})  # fmt: skip
#: The session with the driver is over, not just one call: another driver may be there by now.
_SESSION = frozenset({_Code.UNINITIALIZED, _Code.DRIVER_NOT_LOADED, _Code.LIB_RM_VERSION_MISMATCH})
#: A GPU that was lost may have been reset since; NVML sees that only after it was opened again.
_REOPEN_AFTER = 60.0


@dataclass(frozen=True)
class _Card:
    """One GPU: what never changes, and NVML's handle, None when it could not be had."""

    facts: Gpu
    handle: Any


class Nvml:
    """One session with the driver. NVML counts sessions per process, so have one: see `read`.

    Args:
        clock: Seconds since the epoch, for the reports.
        monotonic: Seconds, for deciding when a lost GPU is looked for again.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._driver = ""
        self._cards: list[_Card] | None = None  # None: no session.
        self._known: dict[int, Gpu] = {}  # By index; a lost GPU cannot be asked its name.
        self._opened = 0.0

    def read(self) -> GpuReport:
        """All GPUs now. Whatever NVML says is in the report; no NVML error is raised."""
        try:
            import pynvml
        except ImportError:
            return GpuReport(
                state=GpuState.NO_LIBRARY,
                message="GPUs cannot be shown: the package nvidia-ml-py is not installed.",
                hint="pip install 'dllab-hub[lab]'",
                time=self._clock(),
            )
        with self._lock:
            try:
                return self._read(pynvml)
            except pynvml.NVMLError as exc:
                first = exc
            self._close(pynvml)
            try:
                # The session broke: with a new one the driver may answer at once.
                if first.value in _SESSION:
                    return self._read(pynvml)
            except pynvml.NVMLError as exc:
                self._close(pynvml)
                first = exc
            state, message, hint = _MACHINE.get(
                first.value,
                (GpuState.FAILED, f"The NVIDIA driver could not be read: {first}.", _SMI),
            )
            return GpuReport(state=state, message=message, hint=hint, time=self._clock())

    def close(self) -> None:
        """End the session; the next `read` begins another."""
        with self._lock:
            if self._cards is not None:
                import pynvml

                self._close(pynvml)

    def _read(self, pynvml: Any) -> GpuReport:
        if self._cards is None:
            self._open(pynvml)
        gpus = tuple(_sample(pynvml, card) for card in self._cards or ())
        if any(gpu.error for gpu in gpus) and self._monotonic() - self._opened > _REOPEN_AFTER:
            self._close(pynvml)
        if not gpus:
            self._close(pynvml)
            state, message, hint = _MACHINE[_Code.GPU_NOT_FOUND]
            return GpuReport(state=state, message=message, hint=hint, time=self._clock())
        return GpuReport(state=GpuState.OK, time=self._clock(), driver=self._driver, gpus=gpus)

    def _open(self, pynvml: Any) -> None:
        pynvml.nvmlInit()
        self._cards = []  # From here on there is something to close.
        self._opened = self._monotonic()
        self._driver = _told(pynvml, "nvmlSystemGetDriverVersion") or ""
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                self._known[index] = _facts(pynvml, index, handle)
                card = _Card(self._known[index], handle)
            except pynvml.NVMLError as exc:
                if exc.value in _SESSION:
                    raise
                known = self._known.get(index, Gpu(index=index, uuid="", name="NVIDIA GPU"))
                card = _Card(known.model_copy(update={"error": _error(exc)}), None)
            self._cards.append(card)

    def _close(self, pynvml: Any) -> None:
        if self._cards is not None:
            self._cards = None
            try:
                pynvml.nvmlShutdown()
            except pynvml.NVMLError:
                # It was closed already: the driver went away under it.
                return


def _facts(pynvml: Any, index: int, handle: Any) -> Gpu:
    slowdown = pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
    limit = _told(pynvml, "nvmlDeviceGetEnforcedPowerLimit", handle)
    return Gpu(
        index=index,
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        name=_told(pynvml, "nvmlDeviceGetName", handle) or "NVIDIA GPU",
        temperature_slowdown=_told(pynvml, "nvmlDeviceGetTemperatureThreshold", handle, slowdown),
        power_limit=None if limit is None else limit / 1000,
    )


def _sample(pynvml: Any, card: _Card) -> Gpu:
    if card.handle is None:
        return card.facts
    try:
        rates = _told(pynvml, "nvmlDeviceGetUtilizationRates", card.handle)
        # Version 2 does not count as used what the driver keeps for itself, like nvidia-smi.
        memory = _told(pynvml, "nvmlDeviceGetMemoryInfo", card.handle, pynvml.nvmlMemory_v2)
        if memory is None:
            memory = _told(pynvml, "nvmlDeviceGetMemoryInfo", card.handle)
        # The older of two functions: every driver has it, and the newer says the same.
        temperature = _told(
            pynvml, "nvmlDeviceGetTemperature", card.handle, pynvml.NVML_TEMPERATURE_GPU
        )
        power = _told(pynvml, "nvmlDeviceGetPowerUsage", card.handle)
    except pynvml.NVMLError as exc:
        if exc.value in _SESSION:
            raise
        return card.facts.model_copy(update={"error": _error(exc)})
    return card.facts.model_copy(
        update={
            "utilization": None if rates is None else min(rates.gpu / 100, 1.0),
            "memory_used": None if memory is None else int(memory.used),
            "memory_total": None if memory is None else int(memory.total),
            "temperature": temperature,
            "power": None if power is None else power / 1000,
        }
    )


def _told(pynvml: Any, function: str, *args: Any) -> Any:
    """What an NVML function says, or None when this GPU or driver does not tell."""
    try:
        return getattr(pynvml, function)(*args)
    except pynvml.NVMLError as exc:
        if exc.value in _NOT_TOLD:
            return None
        raise


def _error(exc: Any) -> str:
    return _ONE_GPU.get(exc.value, f"This GPU could not be read: {exc}.")


_HERE = Nvml()
_INVENTORY = Inventory(_HERE.read)


def read() -> GpuReport:
    """All GPUs of this machine now, through the one session of this process. Blocks."""
    return _HERE.read()


def inventory() -> tuple[str, ...]:
    """UUIDs of this machine's usable GPUs, at most 10 s old; ``()`` without any. Blocks."""
    return _INVENTORY()


def gpus() -> tuple[GpuInfo, ...]:
    """The same GPUs with their names."""
    return _INVENTORY.gpus()
