"""`check_room`: a wish that no machine of the cluster can ever take is refused at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import InvalidRequest
from ...manifests.fitting import never, parts
from ...manifests.rooms import rooms
from ...specs import Catalog, TrainingSpec

__all__ = ("check_room",)

_FIELDS = {"cpu": "cpus", "memory": "memory", "pods": "replicas"}


def check_room(
    spec: TrainingSpec,
    nodes: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    catalog: Catalog,
) -> None:
    """Nothing when it may run some day.

    Args:
        spec: The wish.
        nodes: Of the cluster, or their rows.
        pods: Of all its namespaces, or their rows.
        catalog: Knows the types of GPUs.

    Raises:
        InvalidRequest: naming the field.
    """
    there, asked = rooms(nodes, pods), parts(spec, catalog)
    why = never(asked, there)
    if not why:
        return
    names = [role.name for role in spec.roles]
    for part in asked:
        here = [room for room in there if room.admits(part.kind)]
        for name, number in part.demand.items():
            if number > max((room.most.get(name, 0) for room in here), default=0):
                field = f"roles.{names.index(part.role)}.{_FIELDS.get(name, 'gpus')}"
                raise InvalidRequest(f"can never start here: {why}.", field=field)
    raise InvalidRequest(f"can never start here: {why}.", field="roles")
