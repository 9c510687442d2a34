"""Serving on a cluster: a directory here for each deployment, and Kubernetes' own objects there.

::

    <shared>/models/<owner slug>/<model>/<version>/   what replicas mount, read-only
    <root>/deployments/<owner slug>/<name>/
      deployment.json             the wish, and what must not be forgotten
      events.jsonl                what happened
      access.json                 who may ask besides the owner

Replicas are pods of a Deployment. Every request comes through the lab service, which knows from a
watch which of them answer, and asks them itself: it draws the part of a canary, asks another one
when one is lost, and counts what the autoscaler goes by.
"""

from .cluster import ClusterServing
from .none import NoServing

__all__ = ("ClusterServing", "NoServing")
