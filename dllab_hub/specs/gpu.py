"""What is known of GPUs at one moment, and who holds them: `Gpu`, `GpuReport`, `Holder`."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field

from .wire import Value

__all__ = (
    "Gpu",
    "GpuCondition",
    "GpuHistory",
    "GpuInfo",
    "GpuProcess",
    "GpuReading",
    "GpuReport",
    "GpuSample",
    "GpuState",
    "GpuTick",
    "GpuTotals",
    "Holder",
    "Throttle",
)
#: Why a GPU runs slower than it could, of NVML's "clocks event reasons"; being idle is none.
Throttle = Literal["power_cap", "hw_slowdown", "sw_thermal", "hw_thermal", "power_brake"]


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
        kind: ``lab``, ``job`` or ``deployment``.
        owner: Person.
        name: Name of the lab, job or deployment.
        id: Lab id or job id; of a deployment one that no other has had.
        lend: Whether a lab lends its GPUs to jobs and deployments of the same person.
        lent_to: The job or deployment that uses this GPU of the lab now, or None.
    """

    kind: Literal["lab", "job", "deployment"]
    owner: str = ""
    name: str = ""
    id: str = ""
    lend: bool = False
    lent_to: Holder | None = None

    def seen_by(self, person: str | None) -> Holder:
        """What this person may know: of other people's things only the kind; None knows all."""
        return self if person in (None, self.owner) else Holder(kind=self.kind)


class GpuCondition(StrEnum):
    """Whether one GPU can be read, while the others can; if not, why."""

    OK = "ok"
    LOST = "lost"
    RESET_REQUIRED = "reset_required"
    NOT_PERMITTED = "not_permitted"
    FAILED = "failed"


class GpuProcess(Value):
    """A process that uses a GPU. Of other people's only ``memory`` and the kind of holder is told.

    Attributes:
        pid: Process id on this machine; None where it is of another namespace, or not told.
        memory: Bytes of the GPU that it uses; None when the driver does not tell.
        name: Of its program, such as ``python3.11``; empty when it is not known here.
        holder: Whose it is, by the mark in its environment, else by its cgroup; None: not known
            here.
        replica: Such as ``worker-0`` or ``replica-2``; empty for a lab, and when it is not known.
    """

    pid: int | None = None
    memory: int | None = None
    name: str = ""
    holder: Holder | None = None
    replica: str = ""

    def seen_by(self, person: str | None) -> GpuProcess:
        """What this person may know; None knows all."""
        if person is None or (self.holder is not None and self.holder.owner == person):
            return self
        return GpuProcess(memory=self.memory, holder=self.holder and self.holder.seen_by(person))


class Gpu(Value):
    """One GPU, or one MIG slice of one, at one moment. What the driver does not tell is None,
    never 0.

    A GPU that is divided into slices comes before its slices, and nobody can use it as a whole.

    Attributes:
        index: Number that nvidia-smi shows; a slice has that of its GPU.
        slice: Number of a MIG slice within its GPU; None for a whole GPU.
        uuid: ``GPU-...``, or ``MIG-...`` of a slice.
        name: As the driver has it, such as ``NVIDIA A100-SXM4-80GB``.
        node: Machine that has it; empty for this one.
        mig: Profile of a slice, such as ``1g.10gb``; empty for a whole GPU.
        divided: Whether it is divided into slices.
        utilization: Share of the last second in which a kernel ran, 0 to 1.
        memory_used: Bytes.
        memory_total: Bytes.
        temperature: Degrees Celsius.
        temperature_slowdown: Temperature at which the GPU slows itself down, degrees Celsius.
        temperature_shutdown: Temperature at which it turns itself off, degrees Celsius.
        power: Watts.
        power_limit: Watts.
        clock: Of its processors, hertz.
        memory_clock: Of its memory, hertz.
        throttle: Why it runs slower than it could; empty when it does not; None when not told.
        ecc_corrected: Memory errors that were corrected since the driver was loaded.
        ecc_uncorrected: Those that were not.
        remap_failed: Whether a row of memory could not be replaced.
        recovery: What NVIDIA says has to be done: 0 nothing, 1 a reset of the GPU, 2 a restart of
            the machine, 3 and 4 that nothing new is started on it (and then a reset).
        xids: How often the driver reported each error number ("Xid") since it was watched.
        pcie_sent: Bytes a second to the machine; None unless it was asked for, as it takes 20 ms.
        pcie_received: Bytes a second from the machine; likewise.
        nvlink: Bytes a second over all NVLinks, both ways; None unless it was asked for.
        processes: That use it; None when not told.
        condition: Whether it could be read.
        error: Sentence when it could not (it fell off the bus, for example), and what to do.
        withdrawn: Sentence when it is given to nobody until it is healthy again; else empty.
        holder: Who holds it, or None when free or not known here.
    """

    index: int
    slice: int | None = None
    uuid: str
    name: str
    node: str = ""
    mig: str = ""
    divided: bool = False
    utilization: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    temperature: int | None = None
    temperature_slowdown: int | None = None
    temperature_shutdown: int | None = None
    power: float | None = None
    power_limit: float | None = None
    clock: float | None = None
    memory_clock: float | None = None
    throttle: tuple[Throttle, ...] | None = None
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    remap_failed: bool | None = None
    recovery: int | None = None
    xids: dict[int, int] = Field(default_factory=dict)
    pcie_sent: float | None = None
    pcie_received: float | None = None
    nvlink: float | None = None
    processes: tuple[GpuProcess, ...] | None = None
    condition: GpuCondition = GpuCondition.OK
    error: str = ""
    withdrawn: str = ""
    holder: Holder | None = None

    @property
    def label(self) -> str:
        """``0``; ``0:1`` for a slice."""
        return f"{self.index}" if self.slice is None else f"{self.index}:{self.slice}"


class GpuInfo(Value):
    """What never changes about a GPU.

    Attributes:
        name: As the driver has it, such as ``NVIDIA A100-SXM4-80GB``.
    """

    uuid: str
    name: str


class GpuTotals(Value):
    """GPUs of a cluster of which somebody is told numbers and nothing else; slices count as GPUs.

    Attributes:
        held: That other people have.
        free: That nobody has.
        out: That nobody has and that cannot be read, or are withdrawn.
        busy: Of those that others have, how many have a load of 5% or more; None: not all is known.
        memory_used: Bytes, of those that others have; None: not all is known.
        memory_total: Bytes, likewise.
    """

    held: int = Field(default=0, ge=0)
    free: int = Field(default=0, ge=0)
    out: int = Field(default=0, ge=0)
    busy: int | None = None
    memory_used: int | None = None
    memory_total: int | None = None


class GpuReport(Value):
    """All GPUs of this machine at one moment; of a cluster, those that somebody may see.

    Attributes:
        state: Whether they could be read.
        message: Sentence for people; empty when ``ok``.
        hint: What to do; empty when there is nothing to do.
        time: Seconds since the epoch.
        driver: Driver version, or an empty string.
        gpus: In index order; of a cluster machine by machine.
        others: The rest of a cluster's; None where ``gpus`` are all there are.
    """

    state: GpuState
    message: str = ""
    hint: str = ""
    time: float
    driver: str = ""
    gpus: tuple[Gpu, ...] = ()
    others: GpuTotals | None = None


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
