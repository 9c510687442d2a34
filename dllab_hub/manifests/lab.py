"""A lab's pod: what KubeSpawner's settings become for one wish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequest
from ..specs import CUSTOM, Catalog, LabSpec
from . import volumes
from .gpus import ANY_GPU, any_gpu, tolerations
from .packages import init_container, overlay

__all__ = ("SETTINGS", "pod_settings")

#: The settings of KubeSpawner that a wish decides about.
SETTINGS = (
    "image",
    "cpu_limit",
    "cpu_guarantee",
    "mem_limit",
    "mem_guarantee",
    "extra_resource_limits",
    "extra_resource_guarantees",
    "node_selector",
    "tolerations",
    "volumes",
    "volume_mounts",
    "init_containers",
    "extra_labels",
    "extra_container_config",
)


def pod_settings(
    spec: LabSpec, catalog: Catalog, configured: Mapping[str, Any], home: str, username: str
) -> dict[str, Any]:
    """A value for each of `SETTINGS`; nothing of an earlier lab can be left in one.

    Args:
        spec: It has been checked against the catalog.
        catalog: As this person sees it.
        configured: What the administrator has set, by name: `SETTINGS`, and ``security`` (the
            container's security context) and ``environment``.
        home: Absolute path of the home in the container.
        username: The person as a DNS label, for ``{username}`` in a volume's ``sub_path``.

    Raises:
        InvalidRequest: two volumes would appear at the same place, or an image is no container.
    """
    kind = catalog.gpu_type(spec.gpu_type) if spec.gpu_type else any_gpu(catalog)
    made = {name: configured[name] for name in SETTINGS}
    made["image"] = spec.custom if spec.image == CUSTOM else catalog.image(spec.image).container
    if not made["image"]:
        raise InvalidRequest("this image has no container image to pull.", field="image")
    if spec.cpus is not None:
        made["cpu_limit"] = made["cpu_guarantee"] = spec.cpus
    if spec.memory is not None:
        made["mem_limit"] = made["mem_guarantee"] = spec.memory
    known = {ANY_GPU, *(entry.resource for entry in catalog.gpu_types)}
    for name in ("extra_resource_limits", "extra_resource_guarantees"):
        # Quantities are strings there; a cluster wants the same number in both for GPUs.
        others = {key: value for key, value in configured[name].items() if key not in known}
        made[name] = {**others, kind.resource: str(spec.gpus)} if spec.gpus else others
    made["tolerations"] = _listed(configured["tolerations"])
    if spec.gpus:
        made["node_selector"] = {**configured["node_selector"], **kind.node_selector}
        made["tolerations"] += tolerations(kind)
    made["volumes"], made["volume_mounts"] = _volumes(spec, catalog, configured, home, username)
    made["init_containers"] = _listed(configured["init_containers"])
    if spec.requirements:
        made["init_containers"].append(_packages(spec, made, configured, home))
    made["extra_labels"] = {
        **configured["extra_labels"],
        "dllab-hub/image": spec.image,
        "dllab-hub/gpus": str(spec.gpus),
    }
    # The last lines of a lab that crashes are in its pod's status, where the hub may read them.
    made["extra_container_config"] = {
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **configured["extra_container_config"],
    }
    return made


def _volumes(
    spec: LabSpec, catalog: Catalog, configured: Mapping[str, Any], home: str, username: str
) -> tuple[list[Any], list[Any]]:
    sources, mounts = _listed(configured["volumes"]), _listed(configured["volume_mounts"])
    volumes.add(sources, mounts, map(catalog.volume, spec.volumes), home, username)
    top = overlay(spec, home)
    if spec.requirements and not any(
        f"{top}/".startswith(f"{entry['mountPath'].rstrip('/')}/") for entry in mounts
    ):
        # Homes of this cluster last no longer than their lab.
        sources.append({"name": "overlay", "emptyDir": {}})
        mounts.append({"name": "overlay", "mountPath": top})
    volumes.check(mounts)
    return sources, mounts


def _packages(
    spec: LabSpec, made: Mapping[str, Any], configured: Mapping[str, Any], home: str
) -> dict[str, Any]:
    resources: dict[str, dict[str, Any]] = {}
    for group, kind in (("limits", "limit"), ("requests", "guarantee")):
        wanted = {"cpu": made[f"cpu_{kind}"], "memory": made[f"mem_{kind}"]}
        if found := {key: str(value) for key, value in wanted.items() if value}:
            resources[group] = found
    return init_container(
        spec,
        made["image"],
        home,
        made["volume_mounts"],
        resources,
        configured["security"],
        configured["environment"],
    )


def _listed(value: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
    """KubeSpawner takes a list, or a dictionary whose values count in the order of its keys."""
    return [value[key] for key in sorted(value)] if isinstance(value, Mapping) else list(value)
