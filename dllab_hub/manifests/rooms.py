"""`Room`: what is free on each machine of a cluster, and for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..specs import GpuType, Holder, Toleration
from .rows import NodeRow, PodRow, as_node, as_pod, holder

__all__ = ("Room", "for_type", "held", "ready", "rooms")


@dataclass(slots=True)
class Room:
    """One machine.

    Attributes:
        node: The machine.
        free: What is left of it, in the units of `demand.amounts`; never below 0. Nothing while it
            is not ready or takes no new pods.
        most: What there is for those that end some day: all but what stays as long as it does.
        pods: Those of the machine that ask for more than CPUs, memory and disk.
    """

    node: NodeRow
    free: dict[str, int]
    most: dict[str, int]
    pods: list[PodRow] = field(default_factory=list)

    def admits(self, kind: GpuType | None) -> bool:
        """Whether pods with GPUs of this type, or without any, may go there at all."""
        selector = kind.node_selector if kind else {}
        labels = self.node["labels"]
        if any(labels.get(key) != value for key, value in selector.items()):
            return False
        tolerated = kind.tolerations if kind else ()
        return all(
            any(_tolerates(one, taint) for one in tolerated) for taint in self.node["taints"]
        )

    def takes(self, wanted: Mapping[str, int], *, some_day: bool = False) -> int:
        """How many pods of this demand fit now, or when all that ends has ended."""
        there = self.most if some_day else self.free
        return min(
            (there.get(name, 0) // number for name, number in wanted.items() if number), default=0
        )


def rooms(
    nodes: Iterable[Mapping[str, Any] | NodeRow], pods: Iterable[Mapping[str, Any] | PodRow]
) -> list[Room]:
    """All machines; what others ask for is taken off.

    Args:
        nodes: As the API server has them, or their rows.
        pods: Of all namespaces, as the API server has them, or their rows.
    """
    known: dict[str, Room] = {}
    for node in nodes:
        row = as_node(node)
        # One that is being served comes back: it has room some day.
        free = dict(row["total"]) if row["open"] else {}
        known[row["name"]] = Room(row, free, dict(row["total"]))
    for pod in pods:
        asks = as_pod(pod)
        room = known.get(asks["node"])
        if room is None or not asks["holds"]:
            continue
        free, extended = room.free, False
        for name, number in asks["demand"].items():
            free[name] = free.get(name, 0) - number
            extended = extended or "/" in name
        if extended:
            room.pods.append(asks)
        if asks["stays"]:
            for name, number in asks["demand"].items():
                room.most[name] = room.most.get(name, 0) - number
    for room in known.values():
        # More can be asked for than there is: a GPU breaks, or a node is set up anew.
        for left in (room.free, room.most):
            left.update((name, 0) for name, number in left.items() if number < 0)
    return list(known.values())


def for_type(there: Iterable[Room], kind: GpuType) -> list[Room]:
    """The machines with GPUs of a type that its pods may go to, ready or not."""
    return [room for room in there if room.node["total"].get(kind.resource) and room.admits(kind)]


def ready(there: Iterable[Room]) -> list[Room]:
    """Those that are ready and take new pods."""
    return [room for room in there if room.node["open"]]


def held(there: Iterable[Room], resource: str) -> list[Holder]:
    """Who holds this resource there: one entry for each piece, never more than there are."""
    found: list[Holder] = []
    for room in there:
        here: list[Holder] = []
        # People's first: it is theirs that are told when more is asked for than there is.
        for pod in sorted(room.pods, key=lambda pod: (not pod["kind"], pod["owner"], pod["id"])):
            if number := pod["demand"].get(resource, 0):
                here += [holder(pod)] * number
        found += here[: room.node["total"].get(resource, 0)]
    return found


def _tolerates(one: Toleration, taint: tuple[str, str, str]) -> bool:
    key, value, effect = taint
    if one.effect and one.effect != effect:
        return False
    if one.key and one.key != key:
        return False
    return one.operator == "Exists" or (bool(one.key) and one.value == value)
