"""`Waitlist`: the jobs that Kueue has not let go yet, and how many are before each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .api import Api
from .kinds import WORKLOADS
from .mirror import Mirror

__all__ = ("Place", "Waitlist")

_OVER = {"QuotaReserved", "Admitted", "Finished"}


@dataclass(frozen=True)
class Place:
    """Of a job in Kueue's queue.

    Attributes:
        workload: Kueue's object for it.
        before: How many of the same ``LocalQueue`` are before it; None when it does not wait.
    """

    workload: Mapping[str, Any]
    before: int | None


class Waitlist:
    """Follows Kueue's objects in the namespace of jobs.

    Kueue takes those of higher priority first, and of those the oldest
    (https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/#queueing-strategy). Queues of other
    namespaces that share its quota are not seen: there may be more before a job than is told.

    Args:
        api: Of the cluster.
        namespace: Of jobs.
        changed: Called on the event loop when one has changed.
    """

    def __init__(self, api: Api, namespace: str, changed: Callable[[], None]) -> None:
        self._workloads = Mirror(api, WORKLOADS, namespace, changed=changed)

    def start(self) -> None:
        """Begin to follow them."""
        self._workloads.start()

    async def close(self) -> None:
        """Follow them no more."""
        await self._workloads.close()

    def places(self) -> dict[str, Place]:
        """Of each job, by the uid of its JobSet."""
        workloads = list(self._workloads.objects.values())
        waiting: dict[str, list[Mapping[str, Any]]] = {}
        for one in sorted(filter(_waits, workloads), key=_turn):
            waiting.setdefault(str(one["spec"].get("queueName") or ""), []).append(one)
        before = {
            one["metadata"]["uid"]: number
            for line in waiting.values()
            for number, one in enumerate(line)
        }
        return {
            str(owner.get("uid")): Place(one, before.get(one["metadata"]["uid"]))
            for one in workloads
            for owner in one["metadata"].get("ownerReferences") or ()
        }


def _waits(workload: Mapping[str, Any]) -> bool:
    known = (workload.get("status") or {}).get("conditions") or ()
    return not any(one.get("type") in _OVER and one.get("status") == "True" for one in known)


def _turn(workload: Mapping[str, Any]) -> tuple[int, str, str]:
    about = workload["metadata"]
    priority = int((workload.get("spec") or {}).get("priority") or 0)
    return (-priority, str(about.get("creationTimestamp") or ""), str(about["name"]))
