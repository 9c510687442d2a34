"""Whether all replicas of a job fit on a cluster at once: now, some day, or never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..specs import Catalog, GpuType, TrainingSpec
from .gpus import any_gpu
from .rooms import Room

__all__ = ("Part", "fits", "never", "parts")

_UNITS = {"cpu": "CPUs", "memory": "memory", "pods": "pods"}


@dataclass(frozen=True)
class Part:
    """The replicas of one role.

    Attributes:
        role: Its name.
        replicas: How many.
        demand: Of each, in the units of `demand.amounts`.
        kind: Of its GPUs; None without any.
    """

    role: str
    replicas: int
    demand: dict[str, int]
    kind: GpuType | None


def parts(spec: TrainingSpec, catalog: Catalog) -> list[Part]:
    """What a job asks for, role by role, as its JobSet does; those with most GPUs come first."""
    kind = any_gpu(catalog)
    made = []
    for role in spec.roles:
        cpus = spec.processes_of(role) if role.cpus is None else role.cpus
        # GPUs first: of several reasons it is that which people look for.
        demand = {kind.resource: role.gpus} if role.gpus else {}
        demand |= {"cpu": round(cpus * 1000), "memory": role.memory or 0, "pods": 1}
        made.append(Part(role.name, role.replicas, demand, kind if role.gpus else None))
    return sorted(made, key=_size, reverse=True)


def fits(asked: Sequence[Part], there: Sequence[Room], *, some_day: bool = False) -> bool:
    """Whether all replicas find a machine at once: the largest first, where least is left over.

    Args:
        asked: Of `parts`.
        there: Of `rooms`; they stay as they are.
        some_day: When all that ends has ended, not now.
    """
    open_ = [Room(room.node, dict(room.free), dict(room.most)) for room in there]
    for part in asked:
        left = part.replicas
        resource = part.kind.resource if part.kind else ""
        for room in sorted(open_, key=lambda room: _left(room, resource, some_day)):
            if not left:
                break
            if not room.admits(part.kind):
                continue
            taken = min(left, room.takes(part.demand, some_day=some_day))
            rest = room.most if some_day else room.free
            for name, number in part.demand.items():
                rest[name] = rest.get(name, 0) - taken * number
            left -= taken
        if left:
            return False
    return True


def never(asked: Sequence[Part], there: Sequence[Room]) -> str:
    """Why they can never run at once on these machines, as the end of a sentence; else empty.

    It is said only when it is certain; for several roles that leaves cases in which `fits` finds no
    place either.
    """
    for part in asked:
        here = [room for room in there if room.admits(part.kind)]
        for name, number in part.demand.items():
            largest = max((room.most.get(name, 0) for room in here), default=0)
            if number > largest:
                return f"{part.role} asks for {_amount(name, number)}, {_largest(name, largest)}"
        room_for = sum(room.takes(part.demand, some_day=True) for room in here)
        if not room_for:
            return f"no machine has all at once that {part.role} asks for"
        if room_for < part.replicas:
            only = f"only {room_for} of {part.replicas} replicas of {part.role}"
            return f"{only} fit on all machines together"
    for name in dict.fromkeys(name for part in asked for name in part.demand):
        those = [part for part in asked if part.demand.get(name)]
        here = [room for room in there if any(room.admits(part.kind) for part in those)]
        wanted = sum(part.replicas * part.demand[name] for part in those)
        total = sum(room.most.get(name, 0) for room in here)
        if wanted > total:
            has = f"all machines together have {_amount(name, total)}"
            return f"it asks for {_amount(name, wanted)}, and {has}"
    return ""


def _left(room: Room, resource: str, some_day: bool) -> tuple[int, int]:
    """Machines without GPUs first for who needs none; else those where fewest are left."""
    there = room.most if some_day else room.free
    gpus = sum(number for name, number in there.items() if "/" in name)
    return (there.get(resource, 0) if resource else gpus, there.get("cpu", 0))


def _size(part: Part) -> tuple[int, int, int]:
    gpus = part.demand.get(part.kind.resource, 0) if part.kind else 0
    return gpus, part.demand["memory"], part.demand["cpu"]


def _largest(name: str, number: int) -> str:
    if not number and name not in _UNITS:
        return "and no machine has one that it may use"
    return f"and the largest machine has {_amount(name, number)}"


def _amount(name: str, number: int) -> str:
    if name == "cpu":
        return _count(number / 1000, "CPU")
    if name == "memory":
        return f"{number / 2**30:.4g} GiB of memory"
    return _count(number, "pod" if name == "pods" else "GPU")


def _count(number: float, one: str) -> str:
    return f"{number:g} {one}{'' if number == 1 else 's'}"
