"""What a cluster has free and what a wish would meet there, from its nodes and pods.

`capacity` and `forecast_on_cluster` are for jobs, `forecasts_on_cluster` for the login form. All
are pure, and take objects as the API server has them or their rows (`node_row`, `pod_row`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..specs import Capacity, Catalog, Forecast, Holder, TrainingSpec, shortage
from .fitting import Part, fits, never, parts
from .gpus import any_gpu
from .outlook import forecasts_on_cluster
from .rooms import Room, for_type, held, ready, rooms
from .rows import NodeRow, PodRow, node_row, pod_row

__all__ = (
    "NodeRow",
    "Part",
    "PodRow",
    "Room",
    "capacity",
    "fits",
    "forecast_on_cluster",
    "forecasts_on_cluster",
    "held_on_cluster",
    "node_row",
    "parts",
    "pod_row",
    "rooms",
)


def capacity(
    owner: str,
    nodes: Iterable[Mapping[str, Any] | NodeRow],
    pods: Iterable[Mapping[str, Any] | PodRow],
    catalog: Catalog,
    gpus: int | None,
) -> Capacity:
    """The GPUs that jobs can get, free and held.

    Args:
        owner: Who asks; nobody else's names are in the answer.
        nodes: Of the cluster.
        pods: Of all its namespaces.
        catalog: Knows the types of GPUs.
        gpus: How many all replicas of a job are to get together, or None without a wish.
    """
    total, holders = _gpus(rooms(nodes, pods), catalog)
    return Capacity.of(owner, total, holders, gpus, on_cluster=True)


def held_on_cluster(
    owner: str,
    nodes: Iterable[Mapping[str, Any] | NodeRow],
    pods: Iterable[Mapping[str, Any] | PodRow],
    catalog: Catalog,
) -> str:
    """How many GPUs are free and who holds the others, in words; see `capacity`."""
    return shortage(owner, *_gpus(rooms(nodes, pods), catalog))


def forecast_on_cluster(
    owner: str,
    spec: TrainingSpec,
    nodes: Iterable[Mapping[str, Any] | NodeRow],
    pods: Iterable[Mapping[str, Any] | PodRow],
    catalog: Catalog,
    *,
    grows: bool = False,
) -> Forecast:
    """Whether all replicas of a job find a machine now, later, or never.

    Args:
        owner: Who asks; nobody else's names are in the answer.
        spec: The wish.
        nodes: Of the cluster.
        pods: Of all its namespaces.
        catalog: Knows the types of GPUs.
        grows: Whether machines may be added: what fits on none today may fit then.
    """
    there, asked = rooms(nodes, pods), parts(spec, catalog)
    if why := never(asked, there):
        if grows:
            return Forecast(answer="node", message=f"Waits for a machine to be added: {why}.")
        return Forecast(answer="never", message=f"Can never start here: {why}.")
    if fits(asked, there):
        what = "all replicas find" if spec.replicas > 1 else "it finds"
        return Forecast(answer="now", message=f"Starts at once: {what} a machine with room.")
    why = "no machine has enough free memory or CPUs now"
    if spec.gpus:
        total, holders = _gpus(there, catalog)
        why = shortage(owner, total, holders)
        if total - len(holders) >= spec.gpus:
            why = f"{why}; not where the replicas need them"
    return Forecast(answer="wait", message=f"Would wait: {why}.")


def _gpus(there: Iterable[Room], catalog: Catalog) -> tuple[int, list[Holder]]:
    """How many GPUs jobs can get, and who holds each that is not free, with all names."""
    kind = any_gpu(catalog)
    with_gpus = ready(for_type(there, kind))
    total = sum(room.node["total"][kind.resource] for room in with_gpus)
    return total, held(with_gpus, kind.resource)
