"""What is known of GPUs at one moment: `Gpu`, `GpuReport`; and who holds them: `Capacity`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, Self

from .wire import Value

__all__ = (
    "Capacity",
    "Forecast",
    "Gpu",
    "GpuHistory",
    "GpuReading",
    "GpuReport",
    "GpuSample",
    "GpuState",
    "GpuTick",
    "Holder",
    "shortage",
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

    @classmethod
    def of(cls, owner: str, total: int, held: Iterable[Holder], gpus: int | None = None) -> Self:
        """What ``owner`` may know when the GPUs ``held`` (one entry each) of ``total`` are taken.

        Args:
            owner: Who asks; other people's names and ids are left out.
            total: How many GPUs there are.
            held: Who holds each GPU that is not free, with all names.
            gpus: How many are wished for, or None without a wish.
        """
        held = tuple(held)
        return cls(
            total=total,
            free=total - len(held),
            holders=tuple(h if h.owner == owner else Holder(kind=h.kind) for h in held),
            forecast=None if gpus is None else _forecast(owner, total, held, gpus),
        )


def shortage(owner: str, total: int, held: Iterable[Holder]) -> str:
    """Why GPUs are short, for ``owner`` to read; nobody else's names are in it.

    >>> mine = Holder(kind="lab", owner="ada", name="x")
    >>> shortage("ada", 4, [mine, Holder(kind="job", owner="grace", name="secret")])
    "2 of 4 are free; held by your lab 'x' and 1 other person"
    """
    held = tuple(held)
    free = total - len(held)
    mine = dict.fromkeys(f"your {h.kind} '{h.name}'" for h in held if h.owner == owner)
    others = len({h.owner for h in held if h.owner != owner})
    names = [*mine, *([_count(others, "other person", "other people")] if others else [])]
    said = f"{free or 'none'} of {total} {'is' if free < 2 else 'are'} free"
    if not names:
        return said
    return f"{said}; held by {', '.join(names[:-1])}{' and ' if names[1:] else ''}{names[-1]}"


def _forecast(owner: str, total: int, held: tuple[Holder, ...], gpus: int) -> Forecast:
    if gpus == 0:
        return Forecast(answer="now", message="No GPU is asked for: starts at once.")
    if gpus > total:
        there = f"has {_count(total, 'GPU', 'GPUs')}" if total else "has no GPU"
        return Forecast(answer="never", message=f"This machine {there}.")
    if gpus <= total - len(held):
        free = total - len(held)
        verb = "is" if free == 1 else "are"
        return Forecast(answer="now", message=f"{free} of {total} {verb} free: starts at once.")
    wish = _count(gpus, "GPU", "GPUs")
    return Forecast(
        answer="wait", message=f"Would wait for {wish}: {shortage(owner, total, held)}."
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
