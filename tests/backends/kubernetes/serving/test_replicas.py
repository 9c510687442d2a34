"""Which pods of a deployment are asked, and for which part: a pure function of wish and pods."""

from __future__ import annotations

from typing import Any

from dllab_hub.backends.kubernetes.serving.replicas import parts, reached, standing
from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.serving.wish import Wish
from dllab_hub.specs import Canary, DeploymentSpec

WISH = Wish.new(
    "ada", Account(None, 1000, 1000, "/"), DeploymentSpec(name="digits", model="digits"), 1
)


def pod(track: str, version: int, number: int, ready: str = "True") -> dict[str, Any]:
    labels = {"dllab-hub/track": track, "dllab-hub/version": str(version)}
    return {
        "metadata": {"name": f"s-digits-0123456789-{number:05}", "labels": labels},
        "status": {
            "podIP": f"10.0.0.{number}",
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


PODS = [pod("stable", 1, 1), pod("canary", 2, 2)]


def asked(wish: Wish) -> dict[str, str]:
    return {one.host: one.pool for one in reached(wish, PODS)}


def test_a_canary_has_a_part_of_its_own() -> None:
    """Each of the two versions is asked for its part."""
    wish = WISH.with_canary(Canary(version=2, percent=20))

    assert {"10.0.0.1": wish.pool, "10.0.0.2": wish.other_pool} == asked(wish)
    assert {wish.pool: 80, wish.other_pool: 20} == parts(wish)


def test_a_canary_that_was_rolled_back_is_not_asked() -> None:
    """Its pods are there for a while, well, and get nothing new."""
    wish = WISH.with_canary(Canary(version=2)).rolled_back()

    assert {"10.0.0.1": wish.pool} == asked(wish)
    assert {"10.0.0.1": True, "10.0.0.2": True} == standing(PODS)


def test_a_canary_that_was_promoted_is_asked_on() -> None:
    """It answers for its version until others do; those of the version before as long as they are
    there.
    """
    wish = WISH.with_canary(Canary(version=2)).promoted()

    assert {"10.0.0.1": wish.pool, "10.0.0.2": wish.pool} == asked(wish)
    assert {wish.pool: 100} == parts(wish)


def test_one_of_a_node_that_is_lost_is_not_there() -> None:
    """Nothing is waited for of a pod of which the cluster knows nothing any more."""
    lost = [pod("stable", 1, 1, "Unknown"), pod("stable", 1, 2, "False")]

    assert {"10.0.0.2": False} == standing(lost)
    assert () == reached(WISH, lost)
