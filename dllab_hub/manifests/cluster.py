"""`Cluster`: what the administrator says of the cluster that training runs on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..specs.wire import Name, Value

__all__ = ("Cluster",)


class Cluster(Value):
    """Where the objects of jobs go, and what they find there.

    Attributes:
        namespace: Of jobs; labs have another.
        claim: Name of the claim there that all nodes mount (``ReadWriteMany``), and the lab service
            too: ``jobs/<id>/run`` on it is what a job runs in, ``tensorboard/<owner>/<id>`` has its
            event files.
        queue: Name of Kueue's ``LocalQueue`` that admits the jobs; empty without Kueue.
        priority_class: Name of a ``PriorityClass``, or empty.
        user: Id of the user, and of the group of files, that code runs as; never root.
        pull_policy: Whether nodes ask the registry for the image of a job, as in Kubernetes'
            ``imagePullPolicy``; empty: as Kubernetes does it. ``Never`` is for images that were
            put on the nodes.
        keep: Seconds that the objects of a job that has ended stay, for who looks with kubectl.
        autoscaling: Whether nodes may be added: then nothing is refused for being larger than what
            there is.
    """

    namespace: str = Field(default="dllab-jobs", pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    claim: Name
    queue: str = Field(default="", max_length=63)
    priority_class: str = Field(default="", max_length=253)
    user: int = Field(default=1000, ge=1)
    pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    keep: int = Field(default=3600, ge=60)
    autoscaling: bool = False
