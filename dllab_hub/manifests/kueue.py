"""Why Kueue has not let a job go yet, and how many are before it: `pending_workload`.

Kueue up to 0.17 gives ``Pending`` as the reason of everything and tells the rest in its message;
newer ones can give a reason of its own for each (``WaitingForQuota``, ``ExceedsMaxQuota``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..specs import Cause, Diagnosis, Remedy
from .declines import is_gpu
from .lines import lines

__all__ = ("pending_workload",)

_WAIT, _END = (Remedy.WAIT, Remedy.CANCEL), (Remedy.RETRY, Remedy.CANCEL)
_MORE = re.compile(r"insufficient unused quota for (\S+) in flavor \S+, (\S+) more needed")
_MOST = re.compile(r"insufficient quota for (\S+) in flavor .*?maximum capacity \((\S+?)\)")
_REASONS = {
    "WaitingForPreemptedWorkloads": "It gets the place of another job, which is being ended.",
    "WaitingForPodsReady": "It waits until the job before it has started.",
    "Waiting": "It waits until the job before it has started.",
    "TopologyPlacementFailed": "It waits for machines that are close enough to each other.",
    "Suspended": "The queue is stopped; the administrator opens it again.",
    "AdmissionGated": "Another program of the cluster holds it back.",
    "OnHold": "Another program of the cluster holds it back.",
}
_EVICTED = {
    "Preempted": "It had to make room for a job of higher priority.",
    "PodsReadyTimeout": "Not all of its replicas started in time.",
    "AdmissionCheck": "Something that the cluster was to prepare for it has failed.",
    "ClusterQueueStopped": "The queue was stopped.",
    "LocalQueueStopped": "The queue was stopped.",
    "NodeFailures": "A machine of it was lost.",
}
_LONGEST = 300


def pending_workload(workload: Mapping[str, Any] | None, position: int | None) -> Diagnosis | None:
    """Why the job waits in Kueue's queue; None when it does not.

    Args:
        workload: Kueue's object for the job, as the API server has it; None when there is none yet.
        position: How many are before it in its ClusterQueue, as Kueue's visibility API counts from
            0; None when that is not known.
    """
    if workload is None:
        return _waits("", position, "")
    known = {
        str(one.get("type")): one for one in (workload.get("status") or {}).get("conditions") or ()
    }
    if _is(known, "Finished"):
        return None
    evicted = known["Evicted"] if _is(known, "Evicted") else {}
    if (workload.get("spec") or {}).get("active") is False:
        return _over(
            "The job was taken out of the cluster's queue.",
            "Start it again, or ask the administrator.",
            str(evicted.get("message") or ""),
        )
    if _is(known, "Admitted") and not evicted:
        return None
    before = _EVICTED.get(str(evicted.get("reason") or ""), "")
    reserved = known.get("QuotaReserved") or {}
    if reserved.get("status") == "True" and not evicted:
        return _prepared(workload, known)
    return _unreserved(reserved, position, before)


def _unreserved(reserved: Mapping[str, Any], position: int | None, before: str) -> Diagnosis:
    reason, text = str(reserved.get("reason") or ""), str(reserved.get("message") or "")
    more, most = _MORE.findall(text), _MOST.findall(text)
    # With several flavours it waits for the one of which there is enough at all.
    if reason == "ExceedsMaxQuota" or (most and not more and reason != "WaitingForQuota"):
        has = f", which has {_amount(*most[0])}" if most else ""
        return _over(
            f"The job needs more than its queue may ever have{has}.", "Ask for less.", text
        )
    if reason == "NoMatchingFlavor":
        return _over(
            "No kind of machine in the queue is what the job asks for.",
            "Show this to the administrator.",
            text,
        )
    if reason == "Misconfigured" or re.search(
        r"(LocalQueue|ClusterQueue) \S+ (doesn't exist|not found|is terminating)", text
    ):
        return _over(
            "The queue that jobs go through is not set up.",
            "Show this to the administrator.",
            text,
        )
    why = _REASONS.get(reason, "")
    if not why and re.search(r"is (inactive|stopped)", text):
        why = _REASONS["Suspended"]
    if not why and more:
        needed = " and ".join(dict.fromkeys(_needed(*each) for each in more[:1]))
        why = f"It needs {needed} than its queue has free."
    return _waits(f"{before} {why}".strip(), position, text)


def _prepared(workload: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Diagnosis:
    """It has its place, and something is still to be made ready: mostly machines."""
    checks = [
        check
        for check in (workload.get("status") or {}).get("admissionChecks") or ()
        if check.get("state") != "Ready"
    ]
    refused = [check for check in checks if check.get("state") == "Rejected"]
    text = " ".join(str(check.get("message") or "") for check in refused or checks)
    if refused:
        return _over(
            "The cluster cannot prepare what the job needs.",
            "Show this to the administrator.",
            text,
        )
    return Diagnosis(
        cause=Cause.STARTING,
        message="It is the job's turn: the cluster prepares machines for it.",
        remedies=_WAIT,
        log=lines(text or str((known.get("Admitted") or {}).get("message") or "")),
    )


def _waits(why: str, position: int | None, text: str) -> Diagnosis:
    place = "The job waits for its turn in the cluster's queue."
    if position is not None:
        jobs = "1 job is" if position == 1 else f"{position} jobs are"
        before = "it is the next" if position <= 0 else f"{jobs} before it"
        place = f"{place[:-1]}: {before}."
    return Diagnosis(
        cause=Cause.QUOTA,
        message=f"{place} {why}".strip(),
        remedies=_WAIT,
        log=lines(text[:_LONGEST]),
    )


def _over(message: str, hint: str, text: str) -> Diagnosis:
    return Diagnosis(
        cause=Cause.QUOTA,
        message=message,
        hint=hint,
        final=True,
        remedies=_END,
        log=lines(text[:_LONGEST]),
    )


def _is(known: Mapping[str, Mapping[str, Any]], kind: str) -> bool:
    return (known.get(kind) or {}).get("status") == "True"


def _needed(resource: str, amount: str) -> str:
    if is_gpu(resource):
        return f"{amount} more GPU{'' if amount == '1' else 's'}"
    if resource == "cpu":
        return f"{amount} more CPU{'' if amount == '1' else 's'}"
    return f"{amount} more {resource}"


def _amount(resource: str, amount: str) -> str:
    if is_gpu(resource):
        return f"{amount} GPU{'' if amount == '1' else 's'}"
    return f"{amount} CPUs" if resource == "cpu" else f"{amount} of {resource}"
