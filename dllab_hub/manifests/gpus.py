"""GPUs of a catalog as a pod's resource, node selector and tolerations."""

from __future__ import annotations

from typing import Any

from ..specs import Catalog, GpuType

__all__ = ("ANY_GPU", "any_gpu", "tolerations")

#: What the device plugin calls a whole GPU.
ANY_GPU = "nvidia.com/gpu"


def any_gpu(catalog: Catalog) -> GpuType:
    """Whichever will do: no node is excluded, and what nodes of each such type ask is tolerated."""
    resources = [kind.resource for kind in catalog.gpu_types]
    resource = ANY_GPU if ANY_GPU in resources or not resources else resources[0]
    same = [kind for kind in catalog.gpu_types if kind.resource == resource]
    asked = dict.fromkeys(toleration for kind in same for toleration in kind.tolerations)
    return GpuType(name="any", title="any", resource=resource, tolerations=tuple(asked))


def tolerations(kind: GpuType) -> list[dict[str, Any]]:
    """Entries of the pod's ``tolerations``."""
    return [
        {key: value for key, value in toleration.to_wire().items() if value}
        for toleration in kind.tolerations
    ]
