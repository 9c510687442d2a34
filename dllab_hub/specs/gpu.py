"""What is known of GPUs at one moment, and who holds them: `Gpu`, `GpuReport`, `Holder`."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from .wire import Value

__all__ = (
    "Gpu",
    "GpuHistory",
    "GpuInfo",
    "GpuReading",
    "GpuReport",
    "GpuSample",
    "GpuState",
    "GpuTick",
    "Holder",
)


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
        lend: Whether a lab lends its GPUs to jobs of the same person.
        lent_to: The job that uses this GPU of the lab now, or None.
    """

    kind: Literal["lab", "job"]
    owner: str = ""
    name: str = ""
    id: str = ""
    lend: bool = False
    lent_to: Holder | None = None

    def seen_by(self, person: str) -> Holder:
        """What this person may know: of other people's things only the kind."""
        return self if self.owner == person else Holder(kind=self.kind)


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


class GpuInfo(Value):
    """What never changes about a GPU.

    Attributes:
        name: As the driver has it, such as ``NVIDIA A100-SXM4-80GB``.
    """

    uuid: str
    name: str


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


class GpuReading(Value):
    """What changes about one GPU from moment to moment, in the units of `Gpu`."""

    uuid: str
    utilization: float | None = None
    memory_used: int | None = None
    temperature: int | None = None
    power: float | None = None


class GpuSample(Value):
    """What all GPUs did at one moment.

    Attributes:
        time: Seconds since the epoch.
        gpus: In index order.
    """

    time: float
    gpus: tuple[GpuReading, ...]

    @classmethod
    def of(cls, report: GpuReport) -> Self:
        """What a report says that is worth drawing."""
        return cls(
            time=report.time,
            gpus=tuple(
                GpuReading(
                    uuid=gpu.uuid,
                    utilization=gpu.utilization,
                    memory_used=gpu.memory_used,
                    temperature=gpu.temperature,
                    power=gpu.power,
                )
                for gpu in report.gpus
            ),
        )


class GpuHistory(Value):
    """The first frame of the stream: what is known of the last minutes.

    Attributes:
        period: Seconds between two samples while somebody watches; there are gaps where nobody did.
        samples: Oldest first.
    """

    type: Literal["history"] = "history"
    period: float
    samples: tuple[GpuSample, ...] = ()


class GpuTick(Value):
    """Every other frame of the stream: the GPUs now, as the person who watches may see them."""

    type: Literal["gpus"] = "gpus"
    report: GpuReport
