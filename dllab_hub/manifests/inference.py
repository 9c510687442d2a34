"""A deployment of a model as KServe's InferenceService, with a ServingRuntime of our own image.

The mode is "Standard": KServe makes a Deployment, a Service and an autoscaler of it, and no more.
The model's claim is mounted as in our own Deployments, so that no container of KServe's copies it.
"""

from __future__ import annotations

from typing import Any

from ..specs import Catalog
from ..specs.model import ModelFormat
from .model_pod import COMMAND, container, pod
from .served import Served, Track
from .serving import TARGET_CPU
from .serving_cluster import ServingCluster
from .serving_limits import check_served

__all__ = ("inference_service", "service_name", "serving_runtime")

_GROUP = "serving.kserve.io"
#: The only container that KServe completes from what the InferenceService says of the model.
_CONTAINER = "kserve-container"
#: Seconds of one request, as on one machine.
_TIMEOUT = 60


def serving_runtime(format: ModelFormat, cluster: ServingCluster) -> dict[str, Any]:
    """What serves the models of a format, of everybody in the namespace.

    Raises:
        Unavailable: no image does.
    """
    server = {
        "name": _CONTAINER,
        "image": cluster.image(format),
        "command": list(COMMAND),
    }
    return {
        "apiVersion": f"{_GROUP}/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": _runtime(format), "namespace": cluster.namespace},
        "spec": {
            # None of other people's InferenceServices gets it without asking for it by name.
            "supportedModelFormats": [{"name": format, "autoSelect": False}],
            "protocolVersions": ["v1", "v2"],
            "containers": [server],
        },
    }


def inference_service(served: Served, catalog: Catalog, cluster: ServingCluster) -> dict[str, Any]:
    """The object that KServe makes a deployment of.

    Args:
        served: What is to be served; its spec has been checked.
        catalog: As this person sees it.
        cluster: Where it runs.

    Raises:
        InvalidRequest: a cluster cannot do what is wished for; names the field.
        Unavailable: no image serves the format of a version.
    """
    check_served(served, cluster)
    stable, *others = served.tracks
    spec: dict[str, Any] = {
        "predictor": {
            **_predictor(served, stable, catalog, cluster),
            **_replicas(served, cluster),
        }
    }
    if others and served.canary is not None:
        (canary,) = others
        spec["canary"] = [
            {
                "trafficPercent": served.canary.percent,
                "predictor": {
                    **_predictor(served, canary, catalog, cluster),
                    "minReplicas": canary.replicas,
                },
            }
        ]
    # Whoever is let in by KServe's own routes is asked by nobody who they are.
    inside = {} if cluster.gateway else {"networking.kserve.io/visibility": "cluster-local"}
    return {
        "apiVersion": f"{_GROUP}/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": served.name,
            "namespace": cluster.namespace,
            "labels": {**served.labels, **inside},
            "annotations": {
                **served.notes,
                f"{_GROUP}/deploymentMode": "Standard",
                f"{_GROUP}/autoscalerClass": "hpa" if served.spec.autoscale else "none",
            },
        },
        "spec": spec,
    }


def service_name(served: Served, track: Track, cluster: ServingCluster) -> str:
    """What KServe calls the Deployment and the Service of a version."""
    named = f"-{track.name}" if cluster.kserve == "canary" else ""
    return f"{served.name}{named}-predictor"


def _predictor(
    served: Served, track: Track, catalog: Catalog, cluster: ServingCluster
) -> dict[str, Any]:
    # What serves has its name before there is a canary: another name would be another Deployment.
    named = {"name": track.name} if cluster.kserve == "canary" else {}
    return {
        **named,
        "labels": served.pod_labels(track),
        "annotations": served.pod_notes,
        "timeout": _TIMEOUT,
        "deploymentStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        **pod(served, track, catalog, cluster),
        "model": {
            "name": _CONTAINER,
            "modelFormat": {"name": track.model.format},
            "protocolVersion": "v2",
            "runtime": _runtime(track.model.format),
            **container(served, track, catalog, cluster),
        },
    }


def _replicas(served: Served, cluster: ServingCluster) -> dict[str, Any]:
    """How many there are to be of what serves.

    KServe takes a canary's off its number, ours come beside it.
    """
    beside = served.canary.replicas if served.canary is not None else 0
    auto = cluster.autoscale(served.spec)
    if auto is None:
        fixed = served.tracks[0].replicas + beside
        return {"minReplicas": fixed, "maxReplicas": fixed}
    return {
        "minReplicas": auto.min + beside,
        "maxReplicas": max(auto.max, auto.min + beside),
        "scaleMetric": "cpu",
        "scaleMetricType": "Utilization",
        "scaleTarget": TARGET_CPU,
    }


def _runtime(format: ModelFormat) -> str:
    return f"dllab-{format}"
