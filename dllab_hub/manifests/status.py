"""What became of a job on a cluster: a pure function of its JobSet and its pods.

Nothing is remembered between two looks, so that a watch may drop, repeat or reorder what it tells,
and whoever looks next finds the same.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..specs import JobState, ReplicaStatus, TrainingSpec
from .gang import role_name

__all__ = ("Observed", "observed")

_ROLE = "jobset.sigs.k8s.io/replicatedjob-name"
_RESTARTS = "jobset.sigs.k8s.io/restart-attempt"
_INDEX = "batch.kubernetes.io/job-completion-index"
_LONGEST = 300
_TRACEBACK = "Traceback (most recent call last):"
#: What the end of one replica does to the others.
_ASKED = {128 + signal.SIGTERM, 128 + signal.SIGKILL}


@dataclass(frozen=True)
class Observed:
    """A job as its objects tell it.

    Attributes:
        state: Of the job.
        reason: One sentence that explains it; empty while there is nothing to explain.
        attempt: From 1.
        replicas: Of the newest attempt, those whose pods have been seen, by role and index.
        ended: When it ended, seconds since the epoch; None while it has not.
    """

    state: JobState
    reason: str
    attempt: int
    replicas: tuple[ReplicaStatus, ...]
    ended: float | None = None


def observed(
    jobset: Mapping[str, Any], pods: Iterable[Mapping[str, Any]], spec: TrainingSpec
) -> Observed:
    """Look at a job.

    Args:
        jobset: As the API server has it.
        pods: Of this job, of any attempt.
        spec: The wish.
    """
    status = jobset.get("status") or {}
    attempt = int(status.get("restarts") or 0) + 1
    names = {role_name(spec, n): role.name for n, role in enumerate(spec.roles)}
    # A pod that somebody else has labelled so is none of the job's.
    here = [pod for pod in pods if _attempt(pod) == attempt and _label(pod, _ROLE) in names]
    over = _condition(status, "Completed") or _condition(status, "Failed")
    known = sorted(
        (_replica(pod, names, attempt, over=bool(over)) for pod in here),
        key=lambda pair: (_order(pair[0], spec), pair[0].index),
    )
    replicas = tuple(replica for replica, _ in known)
    if over and over["type"] == "Completed":
        return Observed(JobState.SUCCEEDED, "", attempt, replicas, _time(over))
    if over:
        reason = _blame(known) or f"the cluster ended it: {over.get('message') or 'no reason'}."
        if attempt > 1:
            reason = f"{reason} It was relaunched {attempt - 1} times before."
        return Observed(JobState.FAILED, reason, attempt, replicas, _time(over))
    if (jobset.get("spec") or {}).get("suspend"):
        reason = "it waits for its turn in the cluster's queue."
        return Observed(JobState.PENDING, reason, attempt, replicas)
    begun = [replica for replica in replicas if replica.started is not None]
    going = sum(map(_is_going, here))
    if going:
        # Its machine may be lost, and then it takes its time: the others do nothing but wait.
        what = f"{going} of {spec.replicas} replicas are being ended."
        return Observed(JobState.RESTARTING, what, attempt, replicas)
    if len(begun) == spec.replicas:
        return Observed(JobState.RUNNING, "", attempt, replicas)
    what = f"{len(begun)} of {spec.replicas} replicas have started."
    state = JobState.PENDING if attempt == 1 else JobState.RESTARTING
    return Observed(state, what, attempt, replicas)


def _replica(
    pod: Mapping[str, Any], names: Mapping[str, str], attempt: int, *, over: bool
) -> tuple[ReplicaStatus, str]:
    """A pod as a replica, and a sentence about how it failed, or nothing."""
    status = pod.get("status") or {}
    role, index = names[_label(pod, _ROLE)], int(_label(pod, _INDEX) or 0)
    name = f"{role}-{index}"
    running, ended = _container(status.get("containerStatuses") or ())
    if ended is None and running is None:
        why = ""
        if status.get("phase") == "Failed":
            why = f"{name} was ended by the cluster: {status.get('reason') or 'no reason'}."
        state = JobState.FAILED if why else JobState.CANCELLED if over else JobState.PENDING
        return ReplicaStatus(role=role, index=index, attempt=attempt, state=state), why
    if ended is None:
        # What runs when the job is over is being ended: servers, when the chief has succeeded.
        state = JobState.CANCELLED if over else JobState.RUNNING
        began = _seconds((running or {}).get("startedAt"))
        return (
            ReplicaStatus(role=role, index=index, attempt=attempt, state=state, started=began),
            "",
        )
    code, memory = int(ended.get("exitCode", 0)), ended.get("reason") == "OOMKilled"
    text = ended.get("message") or ""
    number = code - 128 if code > 128 else 0
    word = _signal(number)
    failed = bool(code)
    replica = ReplicaStatus(
        role=role,
        index=index,
        attempt=attempt,
        state=JobState.FAILED if failed else JobState.SUCCEEDED,
        exit_code=None if word else code,
        signal=word or None,
        traceback=text[text.rindex(_TRACEBACK) :].strip() if _TRACEBACK in text else "",
        started=_seconds(ended.get("startedAt")),
        ended=_seconds(ended.get("finishedAt")),
        oom=True if memory else None,
    )
    if not failed:
        return replica, ""
    if memory:
        return replica, f"{name} used more memory than it may, and was killed."
    if word:
        return replica, f"{name} was ended by {word}."
    # Of an image that lacks our launcher these are the only words there are.
    said = [line.strip() for line in text.splitlines() if line.strip()]
    last = f": {said[-1][:_LONGEST].rstrip('.')}" if said else ""
    return replica, f"{name} exited with code {code}{last}."


def _blame(known: Sequence[tuple[ReplicaStatus, str]]) -> str:
    """About the replica that failed first; one that was only told to end comes last."""
    failed = [(replica, why) for replica, why in known if why]
    if not failed:
        return ""
    asked = {_signal(code - 128) for code in _ASKED}
    _, why = min(
        failed,
        key=lambda pair: (
            pair[0].signal in asked and not pair[0].oom,
            pair[0].ended or 0.0,
        ),
    )
    return why


def _container(
    statuses: Iterable[Mapping[str, Any]],
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """What runs and what has ended, of the one container there is."""
    for one in statuses:
        state = one.get("state") or {}
        return state.get("running"), state.get("terminated")
    return None, None


def _is_going(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is being ended, or its machine says nothing any more."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return False
    silent = any(
        one.get("type") == "Ready" and one.get("reason") == "NodeStatusUnknown"
        for one in status.get("conditions") or ()
    )
    return silent or bool(pod["metadata"].get("deletionTimestamp"))


def _attempt(pod: Mapping[str, Any]) -> int:
    return int(_label(pod, _RESTARTS) or 0) + 1


def _label(pod: Mapping[str, Any], name: str) -> str:
    return str((pod["metadata"].get("labels") or {}).get(name, ""))


def _order(replica: ReplicaStatus, spec: TrainingSpec) -> int:
    return [role.name for role in spec.roles].index(replica.role)


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    return next(
        (
            one
            for one in status.get("conditions") or ()
            if one["type"] == kind and one["status"] == "True"
        ),
        None,
    )


def _time(condition: Mapping[str, Any]) -> float | None:
    return _seconds(condition.get("lastTransitionTime"))


def _seconds(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def _signal(number: int) -> str:
    """Its name; empty for 0 and for what is none."""
    try:
        return signal.Signals(number).name if number > 0 else ""
    except ValueError:
        return ""
