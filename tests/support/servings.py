"""One wish of each kind to serve a model on a cluster, with everything that its objects may say."""

from __future__ import annotations

from typing import Any

from dllab_hub.manifests.served import Served
from dllab_hub.manifests.serving_cluster import ServingCluster
from dllab_hub.specs import (
    Autoscale,
    Batch,
    Canary,
    DeploymentSpec,
    Image,
    ModelVersion,
)

__all__ = ("CLUSTER", "OWNER", "SCALES", "SERVINGS", "published")

OWNER = "Ada@example.org"
_FORMATS = {
    "onnx": ("onnx",),
    "torch": ("torch-export", "torchscript", "torch-pickle"),
    "tensorflow": ("savedmodel",),
    "sklearn": ("pickle",),
}
CLUSTER = ServingCluster(
    claim="models",
    images=tuple(
        Image(
            name=f"serving-{name}",
            title="A model server",
            framework="kserve",
            version="0.21",
            serves=formats,
            container=f"registry.example.org/lab/serving-{name}:0.21",
        )
        for name, formats in _FORMATS.items()
    ),
)
#: The same where a HorizontalPodAutoscaler has replicas follow the load.
SCALES = CLUSTER.model_copy(update={"scaler": "cluster"})


def published(version: int = 1, format: Any = "onnx", **more: Any) -> ModelVersion:
    """A version of the model ``digits``."""
    common: dict[str, Any] = {"size": 1 << 20, "sha256": "0" * 64, "created": 1.0}
    wish = {"model": "digits", "inputs": (), "outputs": (), **common, **more}
    return ModelVersion(version=version, format=format, **wish)


def _served(spec: dict[str, Any], model: ModelVersion, **more: Any) -> Served:
    wish = DeploymentSpec(name="digits", model="digits", **spec)
    return Served(OWNER, wish, model, created=1.0, updated=2.0, **more)


SERVINGS: dict[str, Served] = {
    "plain": _served({}, published()),
    "gpus": _served(
        {"replicas": 2, "gpus": 1, "cpus": 4, "batch": Batch(size=32, wait=0.00005)},
        published(3, "torch-export"),
    ),
    "autoscale": _served({"autoscale": Autoscale(min=2, max=6, target=0.5)}, published(2)),
    "canary": _served(
        {"replicas": 2},
        published(2),
        canary=Canary(version=3, percent=20),
        canary_model=published(3, "savedmodel"),
    ),
}
