"""A deployment of a model on a cluster, where Kubernetes itself looks after it: `objects`.

Each version has a Deployment and a Service of its own. A new version of what serves is rolled out
pod by pod, and none is ended before another one answers; so a roll-back is a roll like any other.
"""

from __future__ import annotations

from typing import Any

from ..specs import Autoscale, Catalog
from .model_pod import COMMAND, PORT, container, pod
from .served import Served, Track
from .serving_cluster import ServingCluster
from .serving_limits import check_served

__all__ = ("SERVICE_PORT", "TARGET_CPU", "objects")

#: Of each Service.
SERVICE_PORT = 80
#: Percent of the CPUs that replicas have asked for.
TARGET_CPU = 70
#: Seconds beyond those of its start after which a roll that comes to nothing is said to: they hold
#: the pulling of the image.
_PULL = 600
#: Deployments of before that Kubernetes keeps; we roll back by ourselves.
_HISTORY = 2


def objects(served: Served, catalog: Catalog, cluster: ServingCluster) -> list[dict[str, Any]]:
    """All objects of a deployment.

    Args:
        served: What is to be served; its spec has been checked.
        catalog: As this person sees it.
        cluster: Where it runs.

    Returns:
        Of each version a Deployment and a Service; where there may be several replicas, a
        PodDisruptionBudget, and where they follow the load, a HorizontalPodAutoscaler.

    Raises:
        InvalidRequest: a cluster cannot do what is wished for; names the field.
        Unavailable: no image serves the format of a version.
    """
    check_served(served, cluster)
    made = []
    for track in served.tracks:
        auto = cluster.autoscale(served.spec) if track.scales else None
        made += [_deployment(served, track, catalog, cluster), _service(served, track, cluster)]
        if _least(served, track) > 1:
            made.append(_budget(served, track, cluster))
        if auto is not None:
            made.append(_autoscaler(served, track, auto, cluster))
    return made


def _object(
    api: str, kind: str, served: Served, track: Track, cluster: ServingCluster, spec: Any
) -> dict[str, Any]:
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {
            "name": served.name_of(track),
            "namespace": cluster.namespace,
            "labels": served.selector(track),
            "annotations": served.notes,
        },
        "spec": spec,
    }


def _deployment(
    served: Served, track: Track, catalog: Catalog, cluster: ServingCluster
) -> dict[str, Any]:
    server = {
        "name": "model",
        "image": cluster.image(track.model.format),
        "command": list(COMMAND),
        **container(served, track, catalog, cluster),
    }
    template = {
        "metadata": {"labels": served.pod_labels(track), "annotations": served.pod_notes},
        "spec": {**pod(served, track, catalog, cluster), "containers": [server]},
    }
    spec: dict[str, Any] = {
        "selector": {"matchLabels": served.selector(track)},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        "revisionHistoryLimit": _HISTORY,
        "progressDeadlineSeconds": cluster.start + _PULL,
        "template": template,
    }
    if cluster.autoscale(served.spec) is None or not track.scales:
        # Else the number is the autoscaler's, and not to be set back whenever this is applied.
        spec["replicas"] = track.replicas
    return _object("apps/v1", "Deployment", served, track, cluster, spec)


def _service(served: Served, track: Track, cluster: ServingCluster) -> dict[str, Any]:
    spec = {
        "type": "ClusterIP",
        "selector": served.selector(track),
        "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": PORT, "protocol": "TCP"}],
    }
    return _object("v1", "Service", served, track, cluster, spec)


def _budget(served: Served, track: Track, cluster: ServingCluster) -> dict[str, Any]:
    """Nodes are emptied one replica at a time; what does not answer anyway is no hindrance."""
    spec = {
        "selector": {"matchLabels": served.selector(track)},
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return _object("policy/v1", "PodDisruptionBudget", served, track, cluster, spec)


def _autoscaler(
    served: Served, track: Track, auto: Autoscale, cluster: ServingCluster
) -> dict[str, Any]:
    spec = {
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": served.name_of(track),
        },
        "minReplicas": auto.min,
        "maxReplicas": auto.max,
        "metrics": [_metric(served, auto, cluster)],
    }
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", served, track, cluster, spec)


def _least(served: Served, track: Track) -> int:
    """Fewest replicas that there are by themselves."""
    auto = served.spec.autoscale if track.scales else None
    return track.replicas if auto is None else auto.min


def _metric(served: Served, auto: Autoscale, cluster: ServingCluster) -> dict[str, Any]:
    """Requests that are under way, where the cluster measures them; else how busy CPUs are."""
    if not cluster.inflight:
        target = {"type": "Utilization", "averageUtilization": TARGET_CPU}
        return {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    whose = {"owner": served.owner_label, "deployment": served.spec.name}
    each = f"{max(1, round(1000 * auto.target))}m"
    return {
        "type": "External",
        "external": {
            "metric": {"name": cluster.inflight, "selector": {"matchLabels": whose}},
            "target": {"type": "AverageValue", "averageValue": each},
        },
    }
