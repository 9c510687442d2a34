"""`news`: what has happened to the replicas of a deployment between two looks, as events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....specs import Deployment, DeploymentReplica, ReplicaState

__all__ = ("news",)


def news(before: Sequence[DeploymentReplica], now: Deployment) -> Iterator[tuple[str, str]]:
    """Reason and sentence of each event, in the words of one machine.

    Args:
        before: Replicas at the look before.
        now: The deployment by now.
    """
    old = {one.name: one for one in before}
    for one in now.replicas:
        known = old.pop(one.name, None)
        if known is None:
            yield "ReplicaStarted", f"{one.name} with version {one.version} of {now.spec.model}."
        elif known.state is one.state:
            continue
        if one.state is ReplicaState.READY:
            yield "ReplicaReady", f"{one.name} answers."
        elif one.state is ReplicaState.DRAINING:
            yield "Draining", f"{one.name} answers its last requests."
        elif one.state is ReplicaState.FAILED:
            yield "ReplicaFailed", f"{one.name}: {one.reason}"
        elif one.state is ReplicaState.RESTARTING:
            yield "ReplicaRestarted", f"{one.name}: {one.reason}"
    for name in old:
        yield "ReplicaEnded", f"{name} has ended."
