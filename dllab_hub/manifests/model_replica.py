"""A pod that serves a model as others see it: `replica`, with the reason why it does not answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..specs import DeploymentReplica, DeploymentSpec, Diagnosis, ReplicaState
from .endings import condition
from .events import seconds
from .pending import about_pod, of_pod
from .replica import ended
from .served import VERSION_LABEL
from .wish import Wish

__all__ = ("address", "container_of", "is_over", "name_of", "replica", "version_of")

#: Of a pod's name, what Kubernetes has drawn for it.
_SUFFIX = 5
#: What the model server says last when it takes the model for none.
_REFUSAL = re.compile(r"^\S+ \S+ ERROR the (model cannot be served: .+?)\.?$")
_ENDED, _NOTHING = "it ended by itself.", "the model server starts."


def replica(
    pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], spec: DeploymentSpec
) -> DeploymentReplica:
    """What became of it.

    Args:
        pod: One with the label of a version, as the API server has it.
        events: Oldest first; those about other pods are left out.
        spec: The wish.
    """
    name = name_of(pod)
    container = _container(pod)
    running = (container.get("state") or {}).get("running") or {}
    state, reason = _state(pod, container, events, name, spec)
    return DeploymentReplica(
        name=name,
        version=version_of(pod) or 0,
        state=state,
        restarts=int(container.get("restartCount") or 0),
        reason=reason,
        started=seconds(running.get("startedAt") or "") or None,
    )


def name_of(pod: Mapping[str, Any]) -> str:
    """What people call it."""
    return f"replica-{str(pod['metadata'].get('name') or '')[-_SUFFIX:]}"


def address(pod: Mapping[str, Any]) -> str:
    """Where it answers; empty while it does not."""
    answers = condition(pod, "Ready").get("status") == "True" and not is_over(pod)
    return str((pod.get("status") or {}).get("podIP") or "") if answers else ""


def container_of(pod: Mapping[str, Any]) -> str:
    """Name of the one that serves: KServe gives it another than we do."""
    return str(_container(pod).get("name") or "model")


def version_of(pod: Mapping[str, Any]) -> int | None:
    """Of the model it serves, or None where it is none of ours."""
    text = str((pod["metadata"].get("labels") or {}).get(VERSION_LABEL, ""))
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,9}", text) else None


def is_over(pod: Mapping[str, Any]) -> bool:
    """Whether it never runs again: another pod takes its place, and it is left to be read."""
    return (pod.get("status") or {}).get("phase") in {"Failed", "Succeeded"}


def _state(
    pod: Mapping[str, Any],
    container: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    name: str,
    spec: DeploymentSpec,
) -> tuple[ReplicaState, str]:
    if pod["metadata"].get("deletionTimestamp") and not is_over(pod):
        return ReplicaState.DRAINING, "it answers its last requests."
    if condition(pod, "Ready").get("status") == "True":
        return ReplicaState.READY, ""
    now = container.get("state") or {}
    found = of_pod(pod, about_pod(events, pod), name, Wish.of_deployment(spec))
    said = _said(found.diagnosis) if found else ""
    if is_over(pod) or _ends(now):
        return ReplicaState.FAILED, said or _ENDED
    if found is not None:
        lost = condition(pod, "Ready").get("status") == "Unknown"
        failed = found.diagnosis.final or lost
        return ReplicaState.FAILED if failed else ReplicaState.STARTING, said
    if now.get("running") and container.get("started"):
        return ReplicaState.RESTARTING, "it does not answer."
    before = (container.get("lastState") or {}).get("terminated") or {}
    if before:
        return ReplicaState.RESTARTING, _said(ended(before, name)[0])
    return ReplicaState.STARTING, _NOTHING


def _ends(state: Mapping[str, Any]) -> bool:
    """Whether its server has ended, and is started again after a while or not at all."""
    waiting = state.get("waiting") or {}
    return bool(state.get("terminated")) or waiting.get("reason") == "CrashLoopBackOff"


def _said(why: Diagnosis) -> str:
    """In one sentence; why a model is refused says more than that its server ended."""
    lines = reversed(why.log)
    refused = next((match[1] for line in lines if (match := _REFUSAL.match(line))), "")
    return f"the {refused}." if refused else why.message


def _container(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """The status of its only container; nothing while it has none."""
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return next(iter(found), {})
