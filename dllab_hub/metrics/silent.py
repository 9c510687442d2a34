"""What is said while the driver does not answer, or cannot be read. Pure but for the clock."""

from __future__ import annotations

import time

from ..specs import GpuReport, GpuState

__all__ = ("failed", "stale")


_DRIVER = "The NVIDIA driver", "Run nvidia-smi; if it does not answer either, restart the machine."


def stale(
    latest: GpuReport | None, silent: float, who: str = _DRIVER[0], hint: str = _DRIVER[1]
) -> GpuReport:
    """The last values, and for how long there have been none.

    Args:
        latest: The last report; None: there was none.
        silent: Seconds since then.
        who: Does not answer.
        hint: What to do.
    """
    seconds = max(round(silent), 1)
    plural = "s" if seconds > 1 else ""
    message = f"{who} has not answered for {seconds} second{plural}"
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
