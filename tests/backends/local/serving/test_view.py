"""A deployment as others see it."""

from __future__ import annotations

import pytest

from dllab_hub.backends.local.serving.view import view
from dllab_hub.backends.local.serving.wish import Wish
from dllab_hub.specs import DeploymentReplica, DeploymentSpec, DeploymentState, ReplicaState

WISH = Wish(
    id="0",
    owner="ada",
    account=None,
    spec=DeploymentSpec(name="digits", model="digits", replicas=2),
    version=2,
    created=1.0,
    updated=2.0,
)


def replicas(*words: str) -> list[DeploymentReplica]:
    """Of ``"READY"``, or ``"READY 1"`` for version 1."""
    return [
        DeploymentReplica(
            name=f"replica-{number}",
            version=int(word.partition(" ")[2] or 2),
            state=ReplicaState(word.partition(" ")[0]),
            reason="" if word.startswith("READY") else "it broke.",
        )
        for number, word in enumerate(words, 1)
    ]


@pytest.mark.parametrize(
    ("words", "more", "state", "reason"),
    [
        ((), {}, "STARTING", "the first replica starts."),
        (("STARTING", "STARTING"), {}, "STARTING", "replica-1: it broke."),
        (("RESTARTING",), {}, "STARTING", "replica-1: it broke."),
        (("STARTING", "FAILED"), {"failing": True}, "FAILED", "replica-2: it broke."),
        (("RESTARTING",), {"failing": True}, "FAILED", "replica-1: it broke."),
        (("READY", "READY"), {}, "READY", ""),
        (("READY", "READY", "DRAINING 1"), {}, "READY", ""),
        (("READY", "FAILED"), {"failing": True}, "DEGRADED", "1 of 2 replicas answer. replica-2: "),
        (("READY", "READY"), {"balancer": "it is gone."}, "DEGRADED", "it is gone."),
        ((), {"balancer": "no room."}, "STARTING", "no room."),
        (
            ("READY 1", "READY 1", "STARTING"),
            {"outdated": True},
            "DEGRADED",
            "version 2 answers with 0 of 2 replicas. replica-3: it broke.",
        ),
        (("READY 1", "READY", "READY"), {"outdated": True}, "DEGRADED", "version 2 answers with 2"),
    ],
)
def test_states(words, more, state, reason):
    """The state is what is true of the parts, and the reason is its cause."""
    options = {"failing": False, "outdated": False, "balancer": "", "traffic": None, **more}
    seen = view(WISH, replicas(*words), **options)

    assert DeploymentState(state) is seen.state
    assert seen.reason.startswith(reason) if reason else seen.reason == ""
    assert sum(word.startswith("READY") for word in words) == seen.ready
