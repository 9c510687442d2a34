"""Why a pod was ended that had not ended itself: evictions, lost machines, more urgent work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..specs import Cause, Diagnosis
from .lines import lines
from .wish import Wish

__all__ = ("condition", "of_disruption")

_RESOURCE = re.compile(r"low on resource: (\S+?)\.? |low on resource: (\S+?)\.?$")
_OWN_DISK = re.compile(r"local (ephemeral )?storage (usage )?(limit|exceeds)|EmptyDir volume", re.I)
_LOST = {"NodeLost", "NodeStatusUnknown", "DeletionByPodGC", "DeletionByTaintManager"}
_PREEMPTED = {"PreemptionByScheduler", "Preempting", "Preempted"}
_SHUT = {"Terminated", "NodeShutdown", "Shutdown"}


def condition(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The pod's condition of this type, or an empty one."""
    status = pod.get("status") or {}
    return next((one for one in status.get("conditions") or () if one.get("type") == kind), {})


def of_disruption(pod: Mapping[str, Any], wish: Wish, who: str = "") -> Diagnosis | None:
    """What ended a pod from outside, or is about to; None when nothing did.

    Args:
        pod: As the API server has it.
        wish: Whose pod it is.
        who: Name of the replica; empty for a lab.
    """
    status = pod.get("status") or {}
    target = condition(pod, "DisruptionTarget")
    if target.get("status") != "True":
        target = {}
    failed = status.get("phase") == "Failed"
    # A message of the pod's own says more than the general one of the condition.
    reason = str(status.get("reason") or "")
    why = str(target.get("reason") or "")
    text = " ".join(str(each.get("message") or "") for each in (status, target)).strip()
    subject = who or f"the {wish.what}"
    owner = f" of {who}" if who else " that was found"
    again = "Try again: another machine may be found."
    if who:
        again = "The job is relaunched on other machines, from its last checkpoint."
        if wish.what == "deployment":
            again = "Another replica takes its place."
    cause, said = Cause.LOST, ""
    if _is_lost(pod, reason, why):
        gone = "no longer exists" if "no longer exists" in text else "does not answer any more"
        said = f"The machine{owner} {gone}."
    elif {reason, why} & _PREEMPTED:
        cause, said = Cause.KILLED, f"{subject} had to make room for something more urgent."
    elif reason in _SHUT or "node shutdown" in text:
        said = f"The machine{owner} is shutting down."
    elif why == "EvictionByEvictionAPI":
        said = f"The machine{owner} is being emptied, and {subject} was ended."
    elif reason == "DeadlineExceeded":
        cause, said = Cause.TIME_LIMIT, f"{subject} ran longer than it may, and was ended."
        again = ""
    elif reason == "Evicted" or why == "TerminationByKubelet":
        cause, said = _evicted(text, subject, owner)
        if "more than it may" in said:
            again = f"Write less to the {wish.what}'s own disk; volumes have more room."
    elif failed and reason:
        # What the kubelet found when the pod came: it knew better than the scheduler.
        cause, said = Cause.NO_NODE, f"The machine that was found could not take {subject}."
    if not said:
        return None
    return Diagnosis(
        cause=cause,
        message=said[:1].upper() + said[1:] if not who else said,
        hint=again,
        final=not who,
        remedies=wish.ends,
        log=lines(": ".join(part for part in (reason or why, text) if part)),
    )


def _is_lost(pod: Mapping[str, Any], reason: str, why: str) -> bool:
    ready = condition(pod, "Ready")
    silent = ready.get("status") in {"False", "Unknown"} and ready.get("reason") in _LOST
    return reason in _LOST or why in _LOST or silent


def _evicted(text: str, subject: str, owner: str) -> tuple[Cause, str]:
    if _OWN_DISK.search(text):
        return Cause.DISK_FULL, f"{subject} wrote more to its own disk than it may, and was ended."
    found = _RESOURCE.search(text)
    resource = (found[1] or found[2]) if found else text
    if "ephemeral-storage" in resource or "inodes" in resource or "DiskPressure" in text:
        return Cause.DISK_FULL, f"The machine's disk is full, and {subject} was ended."
    if "memory" in resource.lower():
        return Cause.OUT_OF_MEMORY, f"The machine ran out of memory, and {subject} was ended."
    return Cause.NO_NODE, f"The machine that was found could not take {subject}."
