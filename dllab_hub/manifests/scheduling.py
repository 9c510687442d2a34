"""Why no machine of the cluster takes a pod yet, from what scheduler and autoscaler say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..specs import Cause, Diagnosis, LabSpec, Remedy

__all__ = ("Scheduling", "scheduling")

# 0/5 nodes are available: 2 Insufficient nvidia.com/gpu, 3 node(s) didn't match ... preemption: ...
_NODES = re.compile(
    r"0/(\d+) nodes are available:?\s*(.*?)(?:\.\s*(?:no new claims|preemption).*)?"
)
_COUNTED = re.compile(r"(\d+) ([^,]+)")
_OTHER = r"insufficient (cpu|memory|ephemeral-storage|pods)|too many pods"
#: What the autoscaler says when a machine of the kind exists, but cannot be added now.
_AT_LIMIT = ("max node group size reached", "in backoff", "limit")


@dataclass(frozen=True)
class Scheduling:
    """What is known at one moment.

    Attributes:
        diagnosis: What is in the way; None when nothing is known to be.
        refused: The autoscaler adds no machine.
    """

    diagnosis: Diagnosis | None = None
    refused: bool = False

    def after(self, event: Mapping[str, Any], spec: LabSpec) -> Scheduling:
        """The same with one more event."""
        reason, text = event.get("reason"), event.get("message") or ""
        if reason == "TriggeredScaleUp":
            return Scheduling(_added())
        if reason == "NotTriggerScaleUp":
            return Scheduling(_refused(self.diagnosis, text, spec), refused=True)
        if self.diagnosis and self.diagnosis.cause is Cause.STARTING:
            return self  # A machine is being added; the scheduler repeats what it has said.
        made = _failed(text, spec)
        return Scheduling(_refused(made, "", spec) if self.refused else made, self.refused)


def scheduling(events: Iterable[Mapping[str, Any]], spec: LabSpec) -> Scheduling:
    """What these events say, oldest first; others than those of scheduling are not read."""
    found = Scheduling()
    for event in events:
        if event.get("reason") in {"FailedScheduling", "NotTriggerScaleUp", "TriggeredScaleUp"}:
            found = found.after(event, spec)
    return found


def _added() -> Diagnosis:
    return Diagnosis(
        cause=Cause.STARTING,
        message="A machine is being added to the cluster, usually in 2 to 10 minutes.",
        remedies=(Remedy.WAIT, Remedy.CANCEL),
    )


def _failed(text: str, spec: LabSpec) -> Diagnosis:
    lower = text.lower()
    if "persistentvolumeclaim" in lower and "not found" in lower:
        return Diagnosis(
            cause=Cause.VOLUME,
            message="The storage of a data volume does not exist.",
            hint="Start without it, and tell the administrator.",
            final=True,
            remedies=(Remedy.RETRY, Remedy.CANCEL),
            log=(text[:300],),
        )
    if "unbound immediate persistentvolumeclaims" in lower or "volume node affinity" in lower:
        return Diagnosis(
            cause=Cause.VOLUME,
            message="Storage is not ready on a machine that could take the lab.",
            hint="It is tried again. If it stays so, start without the data volume.",
            remedies=(Remedy.WAIT, Remedy.CANCEL),
            log=(text[:300],),
        )
    total, reasons = _reasons(text)
    gpus = _gpus(spec.gpus)
    remedies = (Remedy.WAIT, *((Remedy.CPU,) if spec.gpus else ()), Remedy.CANCEL)
    short = sum(count for count, why in reasons if _is_gpu(why))
    if spec.gpus and short:
        machines = "One machine has" if short == 1 else f"{short} machines have"
        return Diagnosis(
            cause=Cause.NO_FREE_GPU,
            message=f"{machines} such GPUs, and none has {gpus} free now.",
            hint="The lab starts as soon as they are free.",
            remedies=remedies,
            log=(text[:300],),
        )
    if any(re.search(_OTHER, why) for _, why in reasons):
        return Diagnosis(
            cause=Cause.NO_NODE,
            message="No machine has enough free memory or CPUs now.",
            hint="The lab starts as soon as one has; a smaller one may start sooner.",
            remedies=remedies,
            log=(text[:300],),
        )
    of = f"None of the cluster's {total} machines" if total else "No machine of the cluster"
    what = f"takes a lab with {gpus} of this kind now" if spec.gpus else "takes a lab now"
    return Diagnosis(
        cause=Cause.NO_NODE,
        message=f"{of} {what}.",
        hint="One may be added in the next minutes.",
        remedies=remedies,
        log=(text[:300],),
    )


def _refused(known: Diagnosis | None, text: str, spec: LabSpec) -> Diagnosis:
    """The autoscaler adds nothing: waiting helps only when something is given back."""
    held = known is not None and known.cause is Cause.NO_FREE_GPU
    at_limit = any(word in text.lower() for word in _AT_LIMIT)
    if known is not None and known.final:
        return known
    if not (held or at_limit or not text):
        wish = f"{_gpus(spec.gpus)} of this kind" if spec.gpus else "so much"
        return Diagnosis(
            cause=Cause.NO_NODE,
            message=f"No machine of this cluster has {wish}, and none can be added.",
            hint="Pick less, or another kind of GPU.",
            final=True,
            remedies=(*((Remedy.CPU,) if spec.gpus else ()), Remedy.CANCEL),
            log=(text[:300],),
        )
    base = known or _failed("", spec)
    what = "GPUs" if spec.gpus else "machines"
    return base.model_copy(
        update={
            "hint": f"No machine can be added now. The lab starts when {what} are given back."
            if spec.wait
            else "No machine can be added now. Pick less, or say how long the lab may wait.",
            "final": not spec.wait,
        }
    )


def _reasons(text: str) -> tuple[int, list[tuple[int, str]]]:
    """Number of nodes, and how many of them decline for each reason, in lower case."""
    found = _NODES.fullmatch(" ".join(text.split()))
    if not found:
        return 0, []
    counted = _COUNTED.findall(found[2].lower())
    return int(found[1]), [(int(number), why.strip().rstrip(".")) for number, why in counted]


def _is_gpu(why: str) -> bool:
    return why.startswith("insufficient ") and "/" in why


def _gpus(number: int) -> str:
    return "one" if number == 1 else str(number)
