"""`Replica`: a pod that answers, and which part of the requests it is to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....manifests.endings import condition
from ....manifests.model_replica import address, is_over, name_of, version_of
from ....manifests.served import CANARY, TRACK_LABEL
from ...local.serving.wish import Wish

__all__ = ("Replica", "is_promoted", "parts", "reached", "standing")


@dataclass(frozen=True)
class Replica:
    """A pod that answers.

    Attributes:
        name: As people call it.
        host: Its address.
        pool: Which part of the requests it is to answer.
        leaves: It is to end: others are asked before it.
        pod: Its whole name, by which it knows that it is meant; empty: nobody asks.
    """

    name: str
    host: str
    pool: str
    leaves: bool = False
    pod: str = ""


def reached(wish: Wish, pods: Sequence[Mapping[str, Any]]) -> tuple[Replica, ...]:
    """Those pods of a deployment that are to be asked."""
    found = []
    for pod in pods:
        version, host = version_of(pod), address(pod)
        if version is None or not host:
            continue
        pool = wish.pool
        if wish.canary is not None and version == wish.canary.version:
            pool = wish.other_pool
        elif _is_of_canary(pod) and version != wish.version:
            continue  # Rolled back, or another one's turn: it gets nothing more.
        about = pod["metadata"]
        leaves = bool(about.get("deletionTimestamp"))
        found.append(Replica(name_of(pod), host, pool, leaves, str(about.get("name") or "")))
    return tuple(found)


def standing(pods: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    """Host of each pod that is there, and whether it answers the cluster."""
    found = {}
    for pod in pods:
        host = str((pod.get("status") or {}).get("podIP") or "")
        if host and not is_over(pod) and condition(pod, "Ready").get("status") != "Unknown":
            found[host] = bool(address(pod))
    return found


def parts(wish: Wish) -> dict[str, int]:
    """Of each pool, its part of 100 requests."""
    if wish.canary is None:
        return {wish.pool: 100}
    return {wish.pool: 100 - wish.canary.percent, wish.other_pool: wish.canary.percent}


def is_promoted(wish: Wish, pod: Mapping[str, Any]) -> bool:
    """Whether it is a canary's, and has the version that answers everything by now."""
    return _is_of_canary(pod) and version_of(pod) == wish.version


def _is_of_canary(pod: Mapping[str, Any]) -> bool:
    return (pod["metadata"].get("labels") or {}).get(TRACK_LABEL) == CANARY
