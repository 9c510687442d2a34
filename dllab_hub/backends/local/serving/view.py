"""`view`: a deployment as others see it, from what is true of its parts."""

from __future__ import annotations

from collections.abc import Sequence

from ....specs import Deployment, DeploymentReplica, DeploymentState, ReplicaState, Traffic
from .deploymentdir import Wish

__all__ = ("view",)


def view(
    wish: Wish,
    replicas: Sequence[DeploymentReplica],
    *,
    failing: bool,
    outdated: bool,
    balancer: str,
    traffic: Traffic | None,
) -> Deployment:
    """The deployment now.

    Args:
        wish: The last one.
        replicas: Oldest first.
        failing: Whether the last attempt of one of them went wrong.
        outdated: Whether one serves another version and takes new requests.
        balancer: Why it does not answer, or empty.
        traffic: What went through it.
    """
    answer = [one for one in replicas if one.state is ReplicaState.READY]
    state, reason = _state(wish, replicas, answer, failing, outdated, balancer)
    return Deployment(
        name=wish.spec.name,
        owner=wish.owner,
        spec=wish.spec,
        version=wish.version,
        state=state,
        reason=reason,
        replicas=tuple(replicas),
        ready=len(answer),
        traffic=traffic,
        created=wish.created,
        updated=wish.updated,
    )


def _state(
    wish: Wish,
    replicas: Sequence[DeploymentReplica],
    answer: Sequence[DeploymentReplica],
    failing: bool,
    outdated: bool,
    balancer: str,
) -> tuple[DeploymentState, str]:
    if wish.deleting:
        return DeploymentState.DELETING, "it answers its last requests."
    wished = wish.spec.replicas
    current = sum(one.version == wish.version for one in answer)
    if answer and balancer:
        return DeploymentState.DEGRADED, balancer
    if current >= wished and not outdated:
        return DeploymentState.READY, ""
    # What went wrong explains more than what is still to come.
    troubled = sorted(
        (one for one in replicas if one.state in _TROUBLED), key=lambda one: _TROUBLED[one.state]
    )
    trouble = _trouble(troubled[0]) if troubled else ""
    if answer:
        if outdated:
            rest = f" {trouble}" if trouble else ""
            progress = f"version {wish.version} answers with {current} of {wished} replicas."
            return DeploymentState.DEGRADED, progress + rest
        progress = f"{len(answer)} of {wished} replicas answer."
        return DeploymentState.DEGRADED, f"{progress} {trouble}".rstrip()
    if failing:
        return DeploymentState.FAILED, trouble or balancer or "no replica answers."
    return DeploymentState.STARTING, trouble or balancer or "the first replica starts."


def _trouble(replica: DeploymentReplica) -> str:
    named = replica.reason.startswith(replica.name)
    return replica.reason if named else f"{replica.name}: {replica.reason}"


_TROUBLED = {ReplicaState.FAILED: 0, ReplicaState.RESTARTING: 1, ReplicaState.STARTING: 2}
