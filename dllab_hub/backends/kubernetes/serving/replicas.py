"""`Replica`: a pod that answers, and which part of the requests it is to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....manifests.model_replica import address, name_of, version_of
from ....manifests.served import CANARY, TRACK_LABEL
from ...local.serving.wish import Wish

__all__ = ("Replica", "is_promoted", "parts", "reached")


@dataclass(frozen=True)
class Replica:
    """A pod that answers.

    Attributes:
        name: As people call it.
        host: Its address.
        pool: Which part of the requests it is to answer.
        leaves: It is to end: others are asked before it.
    """

    name: str
    host: str
    pool: str
    leaves: bool = False


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
        leaves = bool(pod["metadata"].get("deletionTimestamp"))
        found.append(Replica(name_of(pod), host, pool, leaves))
    return tuple(found)


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
