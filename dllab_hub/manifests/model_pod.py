"""The pod of one replica of a deployment: a model server, and one version of a model to read.

The version's directory is mounted, never the whole claim: no replica sees what others publish.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..specs import Catalog, DeploymentSpec
from ..specs.model import ModelFormat
from .environment import escape
from .gpus import any_gpu, tolerations
from .pod import confined, container_security, lost_nodes
from .served import Served, Track
from .serving_cluster import ServingCluster

__all__ = ("COMMAND", "FILES", "MODEL", "PORT", "TMP", "container", "pod")

#: -P: nothing that lies beside a model is taken for one of the server's modules.
COMMAND = ("python3", "-P", "-m", "dllab_hub.runtime.model_server")
#: That the model server listens on; the Service's is another one.
PORT = 8080
#: Where the directory of a version is mounted.
MODEL = "/dllab/model"
#: What the file or directory of a version is called; the model server goes by it.
FILES: Mapping[ModelFormat, str] = {
    "onnx": "model.onnx",
    "torch-export": "model.pt2",
    "torchscript": "model.pt",
    "savedmodel": "saved_model",
    "pickle": "model.pkl",
    "torch-pickle": "model.pth",
}
#: Frameworks write here, and nowhere else: the rest is read-only.
TMP, _TMP_SIZE = "/tmp", "1Gi"  # noqa: S108 - a mount point, no temporary file.
#: Seconds that the model server takes to end after SIGTERM, and some more.
_END = 15
#: A model is in memory twice while it is loaded: as its file, and as the framework has it.
_COPIES = 2
#: Seconds between two questions, and how many in a row may fail: before a replica gets no more
#: requests, and before it is ended. A body as large as may be keeps one busy for some seconds.
_OFTEN, _SILENT = 2, 3
_SELDOM, _DEAD = 10, 6


def pod(served: Served, track: Track, catalog: Catalog, cluster: ServingCluster) -> dict[str, Any]:
    """Settings of a pod, but its containers; the Pod Security Standard "restricted" admits it.

    Args:
        served: What is to be served.
        track: Which of its versions.
        catalog: Its GPUs count.
        cluster: Where it runs.
    """
    kind = any_gpu(catalog)
    # Read-only here too, and not in the mount alone: nothing of the claim is a replica's to change.
    claim = {"claimName": cluster.claim, "readOnly": True}
    made: dict[str, Any] = {
        **confined(cluster.user, cluster.drain + _END),
        "volumes": [
            {"name": "model", "persistentVolumeClaim": claim},
            {"name": "tmp", "emptyDir": {"sizeLimit": _TMP_SIZE}},
        ],
        "tolerations": [*(tolerations(kind) if served.spec.gpus else ()), *lost_nodes()],
        # Not all on one node, where there are others with room.
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": served.selector(track)},
            }
        ],
    }
    if cluster.priority_class:
        made["priorityClassName"] = cluster.priority_class
    return made


def container(
    served: Served, track: Track, catalog: Catalog, cluster: ServingCluster
) -> dict[str, Any]:
    """The model server, but for its name, image and command.

    Args:
        served: What is to be served.
        track: Which of its versions.
        catalog: Its GPUs count.
        cluster: Where it runs.
    """
    ready = f"/v2/models/{served.spec.name}/ready"
    return {
        "env": [
            {"name": key, "value": escape(value)}
            for key, value in _environment(served.spec, track).items()
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "volumeMounts": [
            {
                "name": "model",
                "mountPath": MODEL,
                "subPath": served.path_of(track),
                "readOnly": True,
            },
            {"name": "tmp", "mountPath": TMP},
        ],
        "resources": _resources(served.spec, track, catalog, cluster),
        "startupProbe": {**_get(ready), "periodSeconds": 1, "failureThreshold": cluster.start},
        "readinessProbe": {
            **_get(ready),
            "periodSeconds": _OFTEN,
            "timeoutSeconds": _OFTEN,
            "failureThreshold": _SILENT,
        },
        "livenessProbe": {
            **_get("/v2/health/live"),
            "periodSeconds": _SELDOM,
            "timeoutSeconds": _SELDOM,
            "failureThreshold": _DEAD,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": cluster.drain}}},
        "securityContext": {**container_security(), "readOnlyRootFilesystem": True},
        # The reason why a model is refused is in the log's last lines.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **({"imagePullPolicy": cluster.pull_policy} if cluster.pull_policy else {}),
    }


def _get(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": PORT, "scheme": "HTTP"}}


def _environment(spec: DeploymentSpec, track: Track) -> dict[str, str]:
    """What the model server reads; see ``runtime.model_server``."""
    env = {
        "HOME": TMP,
        "PYTHONUNBUFFERED": "1",
        "DLLAB_MODEL_NAME": spec.name,
        "DLLAB_MODEL_FILE": f"{MODEL}/{FILES[track.model.format]}",
        "DLLAB_MODEL_VERSION": str(track.model.version),
        "DLLAB_LISTEN": str(PORT),
    }
    if spec.gpus:
        env["DLLAB_GPUS"] = str(spec.gpus)
    else:
        # Framework images say NVIDIA_VISIBLE_DEVICES=all, with which NVIDIA's container runtime
        # gives every GPU of the node to a pod that has asked for none.
        env["NVIDIA_VISIBLE_DEVICES"] = "void"
    if spec.cpus is not None:
        env["DLLAB_CPUS"] = str(spec.cpus)
    if spec.batch is not None:
        env["DLLAB_BATCH_MAX"] = str(spec.batch.size)
        # Never 5e-05, which is no number there.
        env["DLLAB_BATCH_WAIT_MS"] = f"{1000 * spec.batch.wait:.6f}"
    return env


def _resources(
    spec: DeploymentSpec, track: Track, catalog: Catalog, cluster: ServingCluster
) -> dict[str, Any]:
    """What a replica asks for and may use; as of a job, CPUs are no limit and memory is."""
    memory = str(cluster.memory + _COPIES * max(track.model.size, 0))
    cpus = f"{spec.cpus or cluster.cpus:g}"
    requests, limits = {"cpu": cpus, "memory": memory}, {"memory": memory}
    if spec.gpus:
        resource = any_gpu(catalog).resource
        requests[resource] = limits[resource] = str(spec.gpus)
    return {"requests": requests, "limits": limits}
