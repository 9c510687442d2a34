"""The kinds of objects that a lab on a cluster has to do with."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

__all__ = (
    "EVENTS",
    "JOBSETS",
    "NODES",
    "PODS",
    "REVIEWS",
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


PODS, EVENTS, NODES = (Kind("", "v1", plural) for plural in ("pods", "events", "nodes"))
JOBSETS = Kind("jobset.x-k8s.io", "v1alpha2", "jobsets")
WORKLOADS = Kind("kueue.x-k8s.io", "v1beta1", "workloads")
REVIEWS = Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
