"""What a lab's wish for GPUs would meet on a cluster, for the login form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..specs import Catalog, Forecast, GpuType, Toleration
from ..specs.forecast import Asks
from .gpus import any_gpu
from .rooms import Room, for_type, held, ready, rooms
from .rows import NodeRow, PodRow, as_pod

__all__ = ("forecasts_on_cluster",)


def forecasts_on_cluster(
    owner: str,
    nodes: Iterable[Mapping[str, Any] | NodeRow],
    pods: Iterable[Mapping[str, Any] | PodRow],
    catalog: Catalog,
    *,
    cpus: float = 0,
    memory: int = 0,
    node_selector: Mapping[str, str] | None = None,
    tolerations: Iterable[Mapping[str, Any]] = (),
    grows: bool = False,
) -> dict[str, list[Forecast]]:
    """What a new lab of ``owner`` would meet, for every number of GPUs and every type.

    Args:
        owner: Who asks; nobody else's names are in the answers.
        nodes: Of the cluster.
        pods: Of all its namespaces.
        catalog: As this person may see it.
        cpus: What a lab is promised; a machine without so much is none for it.
        memory: The same in bytes.
        node_selector: Labels of the machines that labs go to, whatever their GPUs.
        tolerations: What every lab tolerates, as Kubernetes has it.
        grows: Whether machines may be added.

    Returns:
        By name of the type, and under ``""`` for any GPU: the answer for 0, 1, 2, ... GPUs, up to
        as many as the largest machine has of any type.
    """
    rows = [as_pod(pod) for pod in pods]
    there = rooms(nodes, rows)
    lab = {"cpu": round(cpus * 1000), "memory": memory, "pods": 1}
    plain = _plain(node_selector or {}, tolerations)
    offered = [("", "", _both(plain, any_gpu(catalog)))]
    offered += [(kind.name, kind.title, _both(plain, kind)) for kind in catalog.gpu_types]
    mine = _mine(owner, rows, {kind.resource for _, _, kind in offered})
    with_gpus = {name: for_type(there, kind) for name, _, kind in offered}
    largest = {name: _most(with_gpus[name], kind.resource) for name, _, kind in offered}
    on_cpu = any(room.takes(lab) for room in there if room.admits(plain))
    made = {}
    for name, title, kind in offered:
        here, resource = ready(with_gpus[name]), kind.resource
        asks = Asks(
            owner=owner,
            title=title,
            total=sum(room.node["total"][resource] for room in here),
            held=tuple(held(here, resource)),
            waiting=_waiting(rows, resource),
            mine=mine,
            per_lab=catalog.max_gpus
            if kind.max_gpus is None
            else min(kind.max_gpus, catalog.max_gpus),
            per_person=catalog.max_gpus_per_user,
            largest=largest[name],
            largest_ready=_most(here, resource),
            at_once=max(
                (room.free.get(resource, 0) for room in here if room.takes(lab)), default=0
            ),
            on_cpu=on_cpu,
            grows=grows,
        )
        made[name] = [asks.forecast(number) for number in range(max(largest.values()) + 1)]
    return made


def _plain(node_selector: Mapping[str, str], tolerations: Iterable[Mapping[str, Any]]) -> GpuType:
    """What holds for every lab, as if it were a type of GPU."""
    known = [
        Toleration(**{key: one[key] for key in Toleration.model_fields if one.get(key)})
        for one in tolerations
        # Comparing ones (Lt, Gt) are so new that no chart uses them.
        if one.get("operator") in (None, "", "Equal", "Exists")
    ]
    return GpuType(
        name="plain", title="plain", node_selector=dict(node_selector), tolerations=tuple(known)
    )


def _both(plain: GpuType, kind: GpuType) -> GpuType:
    return kind.model_copy(
        update={
            "node_selector": {**plain.node_selector, **kind.node_selector},
            "tolerations": (*plain.tolerations, *kind.tolerations),
        }
    )


def _most(there: Iterable[Room], resource: str) -> int:
    return max((room.most.get(resource, 0) for room in there), default=0)


def _mine(owner: str, pods: Iterable[PodRow], resources: Iterable[str]) -> int:
    """GPUs of any kind that this person's labs hold."""
    names = tuple(resources)
    return sum(
        pod["demand"].get(name, 0)
        for pod in pods
        if pod["kind"] == "lab" and pod["owner"] == owner and pod["holds"]
        for name in names
    )


def _waiting(pods: Iterable[PodRow], resource: str) -> int:
    """Jobs and other programs that have asked for such GPUs and have no machine yet."""
    found = set()
    for number, pod in enumerate(pods):
        if not pod["node"] and pod["holds"] and pod["demand"].get(resource):
            found.add(pod["id"] or str(number))
    return len(found)
