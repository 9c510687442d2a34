"""The kinds of objects that a lab on a cluster has to do with."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

__all__ = (
    "AUTOSCALERS",
    "BUDGETS",
    "DEPLOYMENTS",
    "EVENTS",
    "INFERENCE_SERVICES",
    "JOBSETS",
    "NODES",
    "PODS",
    "REVIEWS",
    "SERVICES",
    "SERVING_RUNTIMES",
    "WORKLOADS",
    "Kind",
)


@dataclass(frozen=True)
class Kind:
    """A kind of object; ``plural`` may name a part of one, such as ``pods/log``."""

    group: str
    version: str
    plural: str

    @property
    def root(self) -> str:
        """Path of its group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None, name: str = "") -> str:
        """Path of one object, or of all of them."""
        within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"{self.root}{within}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


PODS, EVENTS, NODES, SERVICES = (
    Kind("", "v1", plural) for plural in ("pods", "events", "nodes", "services")
)
DEPLOYMENTS = Kind("apps", "v1", "deployments")
BUDGETS = Kind("policy", "v1", "poddisruptionbudgets")
AUTOSCALERS = Kind("autoscaling", "v2", "horizontalpodautoscalers")
INFERENCE_SERVICES = Kind("serving.kserve.io", "v1beta1", "inferenceservices")
SERVING_RUNTIMES = Kind("serving.kserve.io", "v1alpha1", "servingruntimes")
JOBSETS = Kind("jobset.x-k8s.io", "v1alpha2", "jobsets")
WORKLOADS = Kind("kueue.x-k8s.io", "v1beta1", "workloads")
REVIEWS = Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
