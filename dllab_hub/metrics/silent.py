"""What is said while the driver does not answer, or cannot be read. Pure but for the clock."""

from __future__ import annotations

import time

from ..specs import GpuReport, GpuState

__all__ = ("failed", "stale")


def stale(latest: GpuReport | None, silent: float) -> GpuReport:
    """The last values, and for how long there have been none.

    Args:
        latest: The last report; None: there was none.
        silent: Seconds since then.
    """
    seconds = max(round(silent), 1)
    plural = "s" if seconds > 1 else ""
    message = f"The NVIDIA driver has not answered for {seconds} second{plural}"
    hint = "Run nvidia-smi; if it does not answer either, restart the machine."
    if latest is None:
        return GpuReport(state=GpuState.STALE, message=f"{message}.", hint=hint, time=time.time())
    said = f"{message}; these are its last values." if latest.gpus else f"{message}."
    return latest.model_copy(update={"state": GpuState.STALE, "message": said, "hint": hint})


def failed(exc: Exception) -> GpuReport:
    """Reading them raised this."""
    return GpuReport(
        state=GpuState.FAILED,
        message=f"The GPUs could not be read: {str(exc) or type(exc).__name__}.",
        hint="The server's log says more.",
        time=time.time(),
    )
