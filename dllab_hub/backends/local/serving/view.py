"""`view`: a deployment as others see it, from what is true of its parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ....specs import (
    Deployment,
    DeploymentReplica,
    DeploymentState,
    ReplicaState,
    Traffic,
    VersionTraffic,
)
from .wish import Wish

__all__ = ("view",)


def view(
    wish: Wish,
    replicas: Sequence[DeploymentReplica],
    *,
    failing: bool,
    outdated: bool,
    balancer: str,
    traffic: Traffic | None,
    warning: str = "",
    keeper: str = "",
) -> Deployment:
    """The deployment now.

    Args:
        wish: The last one.
        replicas: Oldest first.
        failing: Whether the last attempt of one of them went wrong.
        outdated: Whether one serves another version and takes new requests.
        balancer: Why it does not answer, or empty.
        traffic: What went through it.
        warning: What is to be known of what it serves.
        keeper: Name of the last replica that answers, whose GPUs another one waits for; or empty.
    """
    answer = [one for one in replicas if one.state is ReplicaState.READY]
    state, reason = _state(wish, replicas, answer, failing, outdated, balancer)
    if keeper:
        reason = f"{reason} {_KEEPS.format(name=keeper)}"
    return Deployment(
        name=wish.spec.name,
        owner=wish.owner,
        spec=wish.spec,
        version=wish.version,
        state=state,
        reason=reason,
        replicas=tuple(replicas),
        ready=len(answer),
        wished=wish.replicas,
        canary=wish.canary,
        previous=wish.previous,
        traffic=traffic,
        versions=_versions(wish, answer),
        warning=warning,
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
    wished = wish.replicas
    if not wished and not answer:
        return DeploymentState.IDLE, "no replica runs: the next request starts one."
    current = sum(one.version == wish.version for one in answer)
    if answer and balancer:
        return DeploymentState.DEGRADED, balancer
    if current >= wished and not outdated:
        return DeploymentState.READY, _canary(wish, replicas)
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


def _versions(wish: Wish, answer: Sequence[DeploymentReplica]) -> tuple[VersionTraffic, ...]:
    """Those that get requests, the canary's last; who answers what is added where it is known."""
    ready = Counter(one.version for one in answer)
    if wish.canary is not None:
        percent = {
            wish.version: 100 - wish.canary.percent,
            wish.canary.version: wish.canary.percent,
        }
    else:
        others = sorted(set(ready) - {wish.version})
        shares = {version: round(100 * ready[version] / len(answer)) for version in others}
        percent = {**shares, wish.version: 100 - sum(shares.values())}
    return tuple(
        VersionTraffic(version=version, percent=part, ready=ready[version])
        for version, part in percent.items()
    )


def _canary(wish: Wish, replicas: Sequence[DeploymentReplica]) -> str:
    """Why the canary does not answer; empty where it does, or there is none."""
    if wish.canary is None:
        return ""
    there = [one for one in replicas if one.version == wish.canary.version]
    if any(one.state is ReplicaState.READY for one in there):
        return ""
    troubled = [one for one in there if one.state in _TROUBLED]
    why = _trouble(troubled[0]) if troubled else "its replica starts."
    return f"the canary, version {wish.canary.version}, does not answer yet: {why}"


def _trouble(replica: DeploymentReplica) -> str:
    named = replica.reason.startswith(replica.name)
    return replica.reason if named else f"{replica.name}: {replica.reason}"


_KEEPS = (
    "{name} is the last that answers, and keeps its GPUs until others are free. "
    "With fewest replicas 0 it would go first, and requests wait for the new one."
)
_TROUBLED = {ReplicaState.FAILED: 0, ReplicaState.RESTARTING: 1, ReplicaState.STARTING: 2}
