"""`deployed`: all objects that a deployment is on a cluster, KServe's or our own."""

from __future__ import annotations

from typing import Any

from ..specs import Catalog
from .inference import inference_service, serving_runtime
from .served import Served
from .serving import objects
from .serving_cluster import ServingCluster

__all__ = ("deployed",)


def deployed(served: Served, catalog: Catalog, cluster: ServingCluster) -> list[dict[str, Any]]:
    """Objects that a cluster is to have of a deployment.

    Raises:
        InvalidRequest: a cluster cannot do what is wished for; names the field.
        Unavailable: no image serves the format of a version.
    """
    if not cluster.kserve:
        return objects(served, catalog, cluster)
    formats = sorted({track.model.format for track in served.tracks})
    runtimes = [serving_runtime(format, cluster) for format in formats]
    return [*runtimes, inference_service(served, catalog, cluster)]
