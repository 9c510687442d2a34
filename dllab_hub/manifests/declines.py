"""Why each machine declined a pod, as the scheduler counts it: `Declines`.

The texts are those of kube-scheduler 1.30 to 1.36: ``0/5 nodes are available: 2 Insufficient
nvidia.com/gpu, 3 node(s) didn't match Pod's node affinity/selector. preemption: ...``. A machine is
counted once, under the first plugin that declined; only for what it lacks, under each resource.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ("LACKING", "Declines", "Why", "declines", "is_gpu")


class Why(StrEnum):
    """Why a machine declines."""

    GPU = "gpu"
    DEVICE = "device"
    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"
    PODS = "pods"
    CLOSED = "closed"
    TAINT = "taint"
    SELECTOR = "selector"
    PORTS = "ports"
    VOLUME = "volume"
    APART = "apart"
    CONTROL = "control"
    OTHER = "other"


#: What a machine has too little of. Such a machine has passed taints and selectors.
LACKING = (Why.MEMORY, Why.CPU, Why.DISK, Why.PODS, Why.DEVICE, Why.GPU)
_RESOURCES = {
    "cpu": Why.CPU,
    "memory": Why.MEMORY,
    "ephemeral-storage": Why.DISK,
    "pods": Why.PODS,
}
#: Taints of machines that take nothing for now: they come, go or are being served.
_CLOSED = re.compile(
    r"node\.kubernetes\.io/|node\.cloudprovider\.kubernetes\.io/|not-ready\b|unregistered\b"
    r"|uninitialized\b|ofclusterautoscaler\b|disrupt"
)
_CONTROL = re.compile(r"node-role\.kubernetes\.io/(control-plane|master|etcd)|criticaladdonsonly")
#: The first that is found counts.
_REASONS: tuple[tuple[re.Pattern[str], Why], ...] = tuple(
    (re.compile(pattern), why)
    for pattern, why in (
        (r"too many pods", Why.PODS),
        (r"volume|csi driver|pvc\(s\)|free storage|available disk", Why.VOLUME),
        (r"unschedulable|unknown conditions", Why.CLOSED),
        (r"anti-affinity|pod affinity rules|topology spread|affinity terms", Why.APART),
        (r"affinity|selector|requested node name", Why.SELECTOR),
        (r"free ports", Why.PORTS),
    )
)
_NODES = re.compile(r"0/(\d+) nodes are available:?\s*(.*)")
#: From here on it is said what evicting others would help.
_AFTER = re.compile(r"[.,]?\s*(?:no new claims to deallocate|preemption:|error running postfilter)")
_COUNTED = re.compile(r"(\d+) (.+?)(?=, \d+ |$)")
_TAINT = re.compile(r"taint \{([^}]*)\}")


@dataclass(frozen=True)
class Declines:
    """What one message says.

    Attributes:
        machines: How many could take work at all, control planes left out; 0 when not known.
        counts: How many of them decline for each reason.
        taints: Keys of taints that are not tolerated, where the scheduler names them.
        vain: What is lacking is more than any of these machines has, even with nothing on it.
        full: How many lack something now that they have when others give it back.
        rest: What is said of the pod itself and of no machine, in lower case; often empty.
    """

    machines: int = 0
    counts: Mapping[Why, int] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    vain: bool = False
    full: int = 0
    rest: str = ""

    def only(self, why: Why) -> int:
        """How many machines at least lack nothing but this."""
        lacking = {each: self.counts[each] for each in LACKING if each in self.counts}
        others = sum(number for each, number in lacking.items() if each is not why)
        return min(lacking[why], max(0, self._lacking - others)) if why in lacking else 0

    @property
    def lacks(self) -> tuple[Why, ...]:
        """What machines lack that would take the pod else."""
        return tuple(why for why in LACKING if self.counts.get(why))

    @property
    def _lacking(self) -> int:
        lacking = [self.counts[why] for why in self.lacks]
        elsewhere = sum(n for why, n in self.counts.items() if why not in LACKING)
        return max(max(lacking, default=0), self.machines - elsewhere)


def declines(text: str) -> Declines:
    """Read the message of a ``FailedScheduling`` event, or of a pod's condition."""
    lower = " ".join(text.split()).lower()
    found = _NODES.fullmatch(lower)
    if not found:
        return Declines(rest=lower)
    said = _AFTER.split(found[2], maxsplit=1)
    counted = _COUNTED.findall(said[0].rstrip(". "))
    if not counted:
        return Declines(machines=int(found[1]), rest=said[0])
    counts: dict[Why, int] = {}
    taints = []
    for number, reason in counted:
        why = _why(reason)
        counts[why] = counts.get(why, 0) + int(number)
        if why is Why.TAINT and (taint := _TAINT.search(reason)):
            taints.append(taint[1].partition(":")[0].strip())
    machines = int(found[1])
    if control := counts.pop(Why.CONTROL, 0):
        machines -= control
    full = _full(found[2], int(found[1]))
    return Declines(
        machines=machines,
        counts=counts,
        taints=tuple(taints),
        vain=full == 0 and any(why in counts for why in LACKING),
        full=full or 0,
    )


def is_gpu(resource: str) -> bool:
    """Whether an extended resource is a GPU, or a part of one.

    >>> [is_gpu(name) for name in ("nvidia.com/mig-1g.10gb", "amd.com/gpu", "rdma/hca")]
    [True, True, False]
    """
    vendor, _, name = resource.lower().partition("/")
    return bool(name) and (vendor in {"nvidia.com", "amd.com"} or "gpu" in resource.lower())


def _why(reason: str) -> Why:
    if reason.startswith("insufficient "):
        resource = reason.removeprefix("insufficient ").strip(". ")
        return _RESOURCES.get(resource, Why.GPU if is_gpu(resource) else Why.DEVICE)
    if "taint" in reason:
        # Up to 1.23 "had taint {..}, that the pod didn't tolerate"; from 1.36 on it is not named.
        if _CONTROL.search(reason):
            return Why.CONTROL
        return Why.CLOSED if _CLOSED.search(reason) else Why.TAINT
    return next((why for pattern, why in _REASONS if pattern.search(reason)), Why.OTHER)


def _full(text: str, machines: int) -> int | None:
    """How many machines have enough, would others leave; None when it is not said.

    Newer schedulers do not even look for victims where a machine has too little altogether.
    """
    found = re.search(rf"preemption: 0/{machines} nodes are available: (.*)", text)
    counted = _COUNTED.findall(found[1].rstrip(". ")) if found else []
    if not counted or sum(int(number) for number, _ in counted) < machines:
        return None
    return sum(int(number) for number, reason in counted if "not helpful" not in reason)
