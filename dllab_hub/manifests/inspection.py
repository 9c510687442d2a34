"""The pod in which a model is looked into before it is published: `inspection`.

The file is a stranger's: it is opened in the image that would serve it, by a process without
rights, network or account, which reads its directory and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..specs.model import ModelFormat
from .model_pod import FILES, MODEL, TMP
from .pod import confined, container_security
from .served import MODELS
from .serving_cluster import ServingCluster
from .training import OWNER_ANNOTATION, OWNER_LABEL

__all__ = ("EXAMPLE", "INSPECTION_LABEL", "Inspection", "inspection", "is_over")

INSPECTION_LABEL = "dllab-hub/inspection"
#: Beside the model, where a request came with it.
EXAMPLE = "example.json"
_PROGRAM = ("python3", "-P", "-m", "dllab_hub.runtime.inspect_model")
_GRACE, _COPIES = 2, 4


@dataclass(frozen=True)
class Inspection:
    """A model that is to be looked into.

    Attributes:
        id: 12 hexadecimal digits that no other has had.
        owner: Person.
        slug: The same in labels and paths.
        folder: Its directory, below that of its owner's models.
        format: What it was recognised as.
        size: Bytes.
        example: Whether a request lies beside it.
    """

    id: str
    owner: str
    slug: str
    folder: str
    format: ModelFormat
    size: int
    example: bool = False

    @property
    def name(self) -> str:
        """Of the pod."""
        return f"i-{self.id}"


def inspection(about: Inspection, cluster: ServingCluster) -> dict[str, Any]:
    """The pod; the Pod Security Standard "restricted" admits it.

    Raises:
        Unavailable: no image serves the format.
    """
    command = [*_PROGRAM, f"{MODEL}/{FILES[about.format]}"]
    if about.example:
        command.append(f"{MODEL}/{EXAMPLE}")
    memory = str(cluster.memory + _COPIES * about.size)
    asked = {"cpu": f"{cluster.cpus:g}", "memory": memory}
    container: dict[str, Any] = {
        "name": "model",
        "image": cluster.image(about.format),
        "command": command,
        "env": [
            {"name": "HOME", "value": TMP},
            {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"},
        ],
        "resources": {"requests": asked, "limits": {"memory": memory}},
        "securityContext": {**container_security(), "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {
                "name": "model",
                "mountPath": MODEL,
                "subPath": f"{MODELS}/{about.slug}/{about.folder}",
                "readOnly": True,
            },
            {"name": "tmp", "mountPath": TMP},
        ],
    }
    if cluster.pull_policy:
        container["imagePullPolicy"] = cluster.pull_policy
    claim = {"claimName": cluster.claim, "readOnly": True}
    spec: dict[str, Any] = {
        **confined(cluster.user, _GRACE),
        "restartPolicy": "Never",
        "activeDeadlineSeconds": cluster.start,
        "containers": [container],
        "volumes": [
            {"name": "model", "persistentVolumeClaim": claim},
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
    }
    if cluster.priority_class:
        spec["priorityClassName"] = cluster.priority_class
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": about.name,
            "namespace": cluster.namespace,
            "labels": {INSPECTION_LABEL: about.id, OWNER_LABEL: about.slug},
            "annotations": {OWNER_ANNOTATION: about.owner},
        },
        "spec": spec,
    }


def is_over(pod: Mapping[str, Any]) -> bool:
    """Whether it has said what there is to say."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
