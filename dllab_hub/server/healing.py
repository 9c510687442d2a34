"""`Healing`: what was seen of a GPU since it was taken out of use, and whether it is well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ..specs import Gpu, GpuCondition

__all__ = ("Healing", "is_well", "sentence", "stays")

#: These tell of a moment: that they fire no more says nothing of the GPU.
_EVENTS = frozenset({"GPUXidCritical", "GPUEccUncorrected", "GPURowRemapFailure", "GPULost"})
_GONE = (GpuCondition.LOST, GpuCondition.RESET_REQUIRED)


@dataclass
class Healing:
    """Of one GPU; that of its whole GPU for a slice. A service that has just started has seen
    nothing, so it gives back nothing too early.

    Attributes:
        errors: Memory errors that could not be corrected and Xids when it was withdrawn; None: not
            told.
        gone: Whether it was seen to be away since.
        healed: Whether it was reset since, or asks for nothing more, as far as anybody can tell.
    """

    errors: tuple[int | None, int] = (None, 0)
    gone: bool = False
    healed: bool = False

    @classmethod
    def of(cls, gpu: Gpu | None) -> Self:
        """As it is when it is withdrawn."""
        if gpu is None:
            return cls(gone=True)
        return cls(_errors(gpu), gone=gpu.condition in _GONE)

    def see(self, gpu: Gpu | None) -> None:
        """As it is now, read afresh; None: it is not there."""
        if gpu is None or gpu.condition in _GONE:
            self.gone, self.healed = True, False
        elif not is_well(gpu):
            self.healed = False
        elif self.gone or gpu.recovery == 0:
            self.healed = True
        else:
            (memory, xids), (memory_then, xids_then) = _errors(gpu), self.errors
            fewer = memory is not None and memory_then is not None and memory < memory_then
            self.healed = self.healed or fewer or xids < xids_then


def is_well(gpu: Gpu) -> bool:
    """Whether it can be read, and nothing is known to be wrong with it."""
    sound = gpu.condition is GpuCondition.OK and not gpu.error
    return sound and not gpu.recovery and not gpu.remap_failed


def sentence(rule: str, uuid: str) -> str:
    """Why nobody gets a GPU, and until when."""
    if rule not in _EVENTS:
        return f"{rule}: nobody gets it until it has been well for some minutes."
    return (
        f"{rule}: nobody gets it until it is seen to be reset and well for some minutes, or until "
        f"an administrator gives it back: dllab alerts give-back {uuid}"
    )


def stays(reason: str) -> bool:
    """Whether a GPU that is out of use for this reason, a `sentence`, has to be seen to be healed
    before it is given back by itself.
    """
    return reason.partition(":")[0] in _EVENTS


def _errors(gpu: Gpu) -> tuple[int | None, int]:
    return gpu.ecc_uncorrected, sum(gpu.xids.values())
