"""What is known of GPUs at one moment: `Gpu`, `GpuReport`; and who holds them: `Capacity`."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from .wire import Value

__all__ = ("Capacity", "Forecast", "Gpu", "GpuReport", "GpuState", "Holder")


class GpuState(StrEnum):
    """Whether GPUs can be read, and if not, why.

    ``NO_GPU`` and ``NO_LIBRARY`` are normal states of a machine without NVIDIA hardware.
    """

    OK = "ok"
    NO_LIBRARY = "no_library"
    NO_GPU = "no_gpu"
    DRIVER_MISMATCH = "driver_mismatch"
    NOT_PERMITTED = "not_permitted"
    STALE = "stale"
    FAILED = "failed"


class Holder(Value):
    """Who holds a GPU. For other people's things ``owner``, ``name`` and ``id`` are empty.

    Attributes:
        kind: ``lab`` or ``job``.
        owner: Person.
        name: Lab or job name.
        id: Lab id or job id.
    """

    kind: Literal["lab", "job"]
    owner: str = ""
    name: str = ""
    id: str = ""


class Gpu(Value):
    """One GPU at one moment. What the driver does not tell is None, never 0.

    Attributes:
        index: Number that nvidia-smi shows.
        utilization: Share of the last second in which a kernel ran, 0 to 1.
        memory_used: Bytes.
        memory_total: Bytes.
        temperature: Degrees Celsius.
        temperature_slowdown: Temperature at which the GPU slows itself down, degrees Celsius.
        power: Watts.
        power_limit: Watts.
        error: Sentence when this GPU could not be read (it fell off the bus, for example).
        holder: Who holds it, or None when free or not known here.
    """

    index: int
    uuid: str
    name: str
    utilization: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    temperature: int | None = None
    temperature_slowdown: int | None = None
    power: float | None = None
    power_limit: float | None = None
    error: str = ""
    holder: Holder | None = None


class GpuReport(Value):
    """All GPUs of this machine at one moment.

    Attributes:
        state: Whether they could be read.
        message: Sentence for people; empty when ``ok``.
        hint: What to do; empty when there is nothing to do.
        time: Seconds since the epoch.
        driver: Driver version, or an empty string.
        gpus: In index order.
    """

    state: GpuState
    message: str = ""
    hint: str = ""
    time: float
    driver: str = ""
    gpus: tuple[Gpu, ...] = ()


class Forecast(Value):
    """What would happen to a request for some GPUs.

    Attributes:
        answer: ``now``, ``wait`` (they exist but are held) or ``never``.
        message: The sentence shown beside the choice.
    """

    answer: Literal["now", "wait", "never"]
    message: str


class Capacity(Value):
    """GPUs of this machine, free and held.

    Attributes:
        total: How many exist.
        free: How many nobody holds.
        holders: One entry for each held GPU, as the asking person may see it.
        forecast: For the number of GPUs that was asked about, else None.
    """

    total: int
    free: int
    holders: tuple[Holder, ...] = ()
    forecast: Forecast | None = None
