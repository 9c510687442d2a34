"""`Reading`: GPUs of a cluster as values, made of what dcgm-exporter has told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ..specs import Gpu, GpuCondition
from .dcgm import Claim, Part
from .nvmlvalues import throttled

__all__ = ("Reading", "reading")

_MIB, _MHZ = 1 << 20, 1e6
#: Seconds by which what one scrape has told may be older than the newest of a GPU.
_ONE_SCRAPE = 1.0
_SILENT = "Nothing has been heard of this GPU for {:.0f} seconds."


@dataclass(frozen=True)
class Reading:
    """All GPUs that one answer tells of.

    Attributes:
        gpus: By machine and number; one that is divided comes before its slices.
        claims: The pods that are said to have each of them, by its UUID.
        time: Of the newest sample, seconds since the epoch on Prometheus' clock; None: there is
            none.
        driver: The newest version of it; machines may differ.
    """

    gpus: tuple[Gpu, ...] = ()
    claims: Mapping[str, frozenset[Claim]] = field(default_factory=dict)
    time: float | None = None
    driver: str = ""


def reading(parts: Sequence[Part], limit: float) -> Reading:
    """What the parts come to.

    Args:
        parts: Of one answer.
        limit: Seconds: a GPU whose newest sample is older than the newest of all by more cannot be
            read now, and has no values.
    """
    if not parts:
        return Reading()
    newest = max(part.time for part in parts)
    gpus: list[Gpu] = []
    claims: dict[str, frozenset[Claim]] = {}
    for part in _each(parts):
        gpu = _gpu(part)
        if newest - part.time > limit:
            gpu = _silent(gpu, newest - part.time)
        gpus.append(gpu)
        if not gpu.divided:
            claims[gpu.uuid] = frozenset(part.claims)
    driver = max((part.driver for part in parts if part.time == newest), default="")
    return Reading(tuple(gpus), claims, newest, driver)


@dataclass
class _Divided(Part):
    """A GPU of which only the slices can be had."""


def _each(parts: Iterable[Part]) -> Iterable[Part]:
    """The parts there are now, in order: how a GPU is divided may have changed meanwhile."""
    latest: dict[str, Part] = {}
    for part in parts:
        # Of one that two machines name, the one that was heard of last has it.
        known = latest.setdefault(part.uuid, part)
        if (part.time, part.node) > (known.time, known.node):
            latest[part.uuid] = part
    there = [
        part
        for part in parts
        if part.node == latest[part.uuid].node and part.time >= latest[part.uuid].time - _ONE_SCRAPE
    ]
    for (node, index, uuid), several in groupby(
        sorted(there, key=_order), lambda part: (part.node, part.index, part.uuid)
    ):
        ones = list(several)
        slices = [part for part in ones if part.instance is not None]
        if slices:
            # What holds for the whole the exporter says of each slice, or of the GPU besides.
            source = ones[0]
            yield _Divided(
                node, uuid, index, None, "", source.name, source.driver, source.time,
                source.values, source.xids,
            )  # fmt: skip
        yield from slices or ones[:1]


def _order(part: Part) -> tuple[str, int, str, int]:
    return part.node, part.index, part.uuid, -1 if part.instance is None else part.instance


def _gpu(part: Part) -> Gpu:
    """With the whole's heat, power and clocks, or with a slice's own memory and load."""
    where = Gpu(index=part.index, uuid=part.uuid, name=part.name, node=part.node)
    if isinstance(part, _Divided):
        return where.model_copy(update={**_whole(part), "divided": True})
    if part.instance is None:
        load = part.told("GPU_UTIL", 100.5)
        used = {"utilization": None if load is None else load / 100}
        return where.model_copy(update={**_whole(part), **_memory(part), **used})
    # DCGM tells no load of a slice but this one.
    active = part.values.get("DCGM_FI_PROF_GR_ENGINE_ACTIVE")
    return where.model_copy(
        update={
            "slice": part.instance,
            # A slice has a UUID of its own, which the exporter does not tell.
            "uuid": f"{part.uuid}/{part.instance}",
            "mig": part.profile or "?",
            "utilization": active if active is not None and 0 <= active <= 1 else None,
            **_memory(part),
        }
    )


def _memory(part: Part) -> dict[str, object]:
    """What the driver keeps for itself counts where it is told."""
    used, free = part.told("FB_USED", 1e9), part.told("FB_FREE", 1e9)
    reserved = part.told("FB_RESERVED", 1e9) or 0.0
    total = None if used is None or free is None else used + free + reserved
    return {
        "memory_used": None if used is None else int(used * _MIB),
        "memory_total": None if total is None else int(total * _MIB),
    }


def _whole(part: Part) -> dict[str, object]:
    def number(name: str, limit: float, unit: float = 1.0) -> float | None:
        value = part.told(name, limit)
        return None if value is None else value * unit

    def count(name: str, limit: float) -> int | None:
        value = part.told(name, limit)
        return None if value is None else round(value)

    reasons = count("CLOCKS_EVENT_REASONS", 1e6)
    if reasons is None:  # Before DCGM 4 it had another name.
        reasons = count("CLOCK_THROTTLE_REASONS", 1e6)
    remap = part.told("ROW_REMAP_FAILURE", 1.5)
    return {
        "temperature": count("GPU_TEMP", 200),
        "temperature_slowdown": count("SLOWDOWN_TEMP", 200),
        "temperature_shutdown": count("SHUTDOWN_TEMP", 200),
        "power": number("POWER_USAGE", 1e5),
        "power_limit": number("POWER_MGMT_LIMIT", 1e5),
        "clock": number("SM_CLOCK", 1e5, _MHZ),
        "memory_clock": number("MEM_CLOCK", 1e5, _MHZ),
        "throttle": None if reasons is None else throttled(reasons),
        "ecc_corrected": count("ECC_SBE_VOL_TOTAL", 1e12),
        "ecc_uncorrected": count("ECC_DBE_VOL_TOTAL", 1e12),
        "remap_failed": None if remap is None else bool(remap),
        "xids": _xids(part),
    }


def _xids(part: Part) -> dict[int, int]:
    """As counted; an exporter that does not count tells the last one, which was at least once."""
    if part.xids:
        return part.xids
    last = part.told("XID_ERRORS", 1e4)
    return {int(last): 1} if last else {}


def _silent(gpu: Gpu, seconds: float) -> Gpu:
    """It is there and nothing more is known: old values would be taken for new ones."""
    kept = ("index", "slice", "uuid", "name", "node", "mig", "divided")
    return Gpu(
        **{key: getattr(gpu, key) for key in kept},
        condition=GpuCondition.FAILED,
        error=_SILENT.format(seconds),
    )
