"""`Cluster`: what the administrator says of the cluster that training runs on."""

from __future__ import annotations

from pydantic import Field

from ..specs.wire import Name, Value

__all__ = ("Cluster",)


class Cluster(Value):
    """Where the objects of jobs go, and what they find there.

    Attributes:
        namespace: Of jobs; labs have another.
        claim: Name of the claim there that all nodes mount (``ReadWriteMany``): each job has a
            directory of it, with its checkpoints and event files.
        service_url: URL of the lab service as pods reach it: the code comes from there.
        queue: Name of Kueue's ``LocalQueue`` that admits the jobs; empty without Kueue.
        priority_class: Name of a ``PriorityClass``, or empty.
        user: Id of the user, and of the group of files, that code runs as; never root.
        keep: Seconds that the objects of a job that has ended stay, for who looks with kubectl.
    """

    namespace: str = Field(default="dllab-jobs", pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    claim: Name
    service_url: str = Field(pattern=r"^https?://[^\s]+/$", max_length=1000)
    queue: str = Field(default="", max_length=63)
    priority_class: str = Field(default="", max_length=253)
    user: int = Field(default=1000, ge=1)
    keep: int = Field(default=3600, ge=60)
