"""NVML's error codes in words: of the machine, of one GPU, of one value.

The tables here are the only place where they become a state, a sentence, and what to do.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from ..specs import Gpu, GpuCondition, GpuReport, GpuState

__all__ = ("SESSION", "Code", "failed", "report", "told", "told_if_possible")


class Code(IntEnum):
    """NVML's return codes. Part of its ABI, so they can be named without importing it."""

    UNINITIALIZED = 1
    INVALID_ARGUMENT = 2
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
    Code.LIBRARY_NOT_FOUND: (
        GpuState.NO_LIBRARY,
        "This machine has no NVIDIA driver, so there are no GPUs to show.",
        "",
    ),
    Code.DRIVER_NOT_LOADED: (
        GpuState.NO_GPU,
        "The NVIDIA driver is installed but not loaded, so there are no GPUs to show.",
        "If this machine has an NVIDIA GPU, run nvidia-smi to see why the driver does not load.",
    ),
    Code.GPU_NOT_FOUND: (GpuState.NO_GPU, "This machine has no NVIDIA GPU.", ""),
    Code.LIB_RM_VERSION_MISMATCH: (
        GpuState.DRIVER_MISMATCH,
        "The NVIDIA driver was updated and no longer matches the one that is running.",
        "Restart the machine.",
    ),
    Code.NO_PERMISSION: (GpuState.NOT_PERMITTED, _NO_ACCESS, _ASK),
    Code.OPERATING_SYSTEM: (GpuState.NOT_PERMITTED, _NO_ACCESS, _ASK),
    Code.FUNCTION_NOT_FOUND: (
        GpuState.FAILED,
        "The NVIDIA driver is too old to be read.",
        "Update the driver.",
    ),
    Code.TIMEOUT: (GpuState.FAILED, "The NVIDIA driver did not answer in time.", _SMI),
    Code.GPU_IS_LOST: (
        GpuState.FAILED,
        "A GPU fell off the bus, and the NVIDIA driver cannot be read any more.",
        "Restart the machine.",
    ),
}
_REFUSED = (GpuCondition.NOT_PERMITTED, f"This account may not read this GPU. {_ASK}")
#: Of one GPU, while the others can be read.
_ONE_GPU: dict[int, tuple[GpuCondition, str]] = {
    Code.GPU_IS_LOST: (
        GpuCondition.LOST,
        "This GPU fell off the bus. Restart the machine to get it back.",
    ),
    Code.RESET_REQUIRED: (
        GpuCondition.RESET_REQUIRED,
        "This GPU has to be reset before it can be used again. Stop what uses it; then an "
        "administrator runs nvidia-smi --gpu-reset, or restarts the machine.",
    ),
    Code.NO_PERMISSION: _REFUSED,
    Code.OPERATING_SYSTEM: _REFUSED,
}
#: Of one value: this GPU or driver does not tell it.
_NOT_TOLD = frozenset({
    Code.NOT_SUPPORTED, Code.NOT_FOUND, Code.FUNCTION_NOT_FOUND, Code.NO_DATA,
    Code.ARGUMENT_VERSION_MISMATCH, Code.DEPRECATED,
})  # fmt: skip
#: The session with the driver is over, not just one call: another driver may be there by now.
SESSION = frozenset({Code.UNINITIALIZED, Code.DRIVER_NOT_LOADED, Code.LIB_RM_VERSION_MISMATCH})
#: Whatever was asked: the GPU as a whole is not there.
_GONE = SESSION | {Code.GPU_IS_LOST, Code.RESET_REQUIRED}


def told(pynvml: Any, function: str, *args: Any) -> Any:
    """What an NVML function says, or None when this GPU or driver does not tell.

    Raises:
        pynvml.NVMLError: something else is wrong.
    """
    try:
        return getattr(pynvml, function)(*args)
    except pynvml.NVMLError as exc:
        if exc.value in _NOT_TOLD:
            return None
        raise


def told_if_possible(pynvml: Any, function: str, *args: Any) -> Any:
    """The same for a value that a GPU need not have to be in order.

    Drivers answer such questions with many codes: that this account may not ask, that a virtual GPU
    does not know, that the list grew meanwhile. Only when the GPU or the session is gone it is
    raised.
    """
    try:
        return getattr(pynvml, function)(*args)
    except pynvml.NVMLError as exc:
        if exc.value in _GONE:
            raise
        return None


def failed(gpu: Gpu, exc: Any) -> Gpu:
    """A GPU that could not be read: only what is known of it anyway, with what is wrong."""
    otherwise = (GpuCondition.FAILED, f"This GPU could not be read: {exc}. {_SMI}")
    condition, error = _ONE_GPU.get(exc.value, otherwise)
    return gpu.model_copy(update={"condition": condition, "error": error})


def report(code: int, words: object, now: float) -> GpuReport:
    """What an error says of the machine as a whole.

    Args:
        code: NVML's.
        words: NVML's, for a code that has none here.
        now: Seconds since the epoch.
    """
    state, message, hint = _MACHINE.get(
        code, (GpuState.FAILED, f"The NVIDIA driver could not be read: {words}.", _SMI)
    )
    return GpuReport(state=state, message=message, hint=hint, time=now)
