"""What became of a deployment, told from its Deployments, pods and events, in any order."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from servings import OWNER, SCALES, SERVINGS

from dllab_hub.manifests.endings import of_disruption
from dllab_hub.manifests.served import Served
from dllab_hub.manifests.serving_status import observed
from dllab_hub.manifests.wish import Wish
from dllab_hub.specs import Deployment, DeploymentState, ReplicaState

AT = "2026-11-30T09:{:02}:00Z"
PLACED = {"type": "PodScheduled", "status": "True"}
READY = {"type": "Ready", "status": "True"}
RUNNING = {"state": {"running": {"startedAt": AT.format(1)}}, "restartCount": 0}
ANSWERS: dict[str, Any] = {
    "phase": "Running", "conditions": [PLACED, READY], "container": {**RUNNING, "started": True},
}  # fmt: skip
GPUS = (
    "0/5 nodes are available: 1 Insufficient nvidia.com/gpu, 4 node(s) didn't match Pod's node "
    "affinity/selector. preemption: 0/5 nodes are available: 1 No preemption victims found for "
    "incoming pod, 4 Preemption is not helpful for scheduling."
)
REFUSES = (
    "2026-11-30 09:01:02,000 ERROR the model cannot be served: its file is damaged.\n"
    "2026-11-30 09:01:02,001 INFO bye"
)
QUOTA = (
    'pods "s-x" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu={}, used: '
    "requests.nvidia.com/gpu=7, limited: requests.nvidia.com/gpu=8"
)


def meta(name: str, track: str = "stable", version: int = 0, **more: Any) -> dict[str, Any]:
    labels = {
        "dllab-hub/deployment": "digits",
        "dllab-hub/owner": "ada-example-org-3b518a08",
        "dllab-hub/track": track,
        **({"dllab-hub/version": str(version)} if version else {}),
    }
    return {"name": name, "labels": labels, "annotations": {"dllab-hub/owner": OWNER}, **more}


def work(
    replicas: int, updated: int | None = None, track: str = "stable", **more: Any
) -> dict[str, Any]:
    """A Deployment as its controller leaves it."""
    fresh = replicas if updated is None else updated
    status = {"observedGeneration": 1, "replicas": replicas, "updatedReplicas": fresh}
    return {
        "metadata": meta("s-digits", track, **{"generation": 1, **more.pop("metadata", {})}),
        "spec": {"replicas": replicas},
        "status": {**status, **more},
    }


def pod(
    number: int = 1, version: int = 1, track: str = "stable", made: int = 1, **status: Any
) -> dict[str, Any]:
    """A pod as a kubelet leaves it; ``container`` is the status of its only container."""
    container = status.pop("container", None)
    going = {"deletionTimestamp": AT.format(9)} if status.pop("going", False) else {}
    more = {"uid": f"u{number}", "creationTimestamp": AT.format(made), **going}
    own = {"containerStatuses": [{"name": "model", **container}]} if container else {}
    return {
        "metadata": meta(f"s-digits-abc-pod{number:02}", track, version, **more),
        "spec": {},
        "status": {"phase": "Pending", "conditions": [PLACED], **own, **status},
    }


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}, **more}


def ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def seen(
    name: str | Served,
    works: list[dict[str, Any]],
    *pods: dict[str, Any],
    events: tuple[dict[str, Any], ...] = (),
) -> Deployment:
    """The same whatever order everything comes in."""
    served = SERVINGS[name] if isinstance(name, str) else name
    found = observed(served, SCALES, works, pods, events)
    mixed = (list(works), list(pods), list(events))
    for several in mixed:
        random.Random(7).shuffle(several)
    assert found == observed(served, SCALES, *mixed)
    return found


def test_it_starts() -> None:
    """Until its first replica answers it is starting, and says what that waits for."""
    found = seen("plain", [])
    assert (DeploymentState.STARTING, "the first replica starts.") == (found.state, found.reason)

    pulls = {
        "reason": "Pulling", "message": "Pulling image", "lastTimestamp": AT.format(2),
        "involvedObject": {"kind": "Pod", "name": "s-digits-abc-pod01", "uid": "u1"},
    }  # fmt: skip
    created = pod(container=waiting("ContainerCreating"))
    found = seen("plain", [work(1)], created, events=(pulls,))
    assert DeploymentState.STARTING is found.state
    assert found.reason.startswith("replica-pod01: The image is being downloaded")
    loads = pod(phase="Running", container={**RUNNING, "started": False})
    assert "replica-pod01: the model server starts." == seen("plain", [work(1)], loads).reason


def test_it_is_ready() -> None:
    """When all replicas of its version answer there is nothing to explain."""
    found = seen("plain", [work(1)], pod(**ANSWERS))

    assert (DeploymentState.READY, "", 1, 1) == (
        found.state, found.reason, found.ready, found.wished
    )  # fmt: skip
    (one,) = found.replicas
    assert ("replica-pod01", ReplicaState.READY, 1) == (one.name, one.state, one.version)
    assert one.started is not None
    assert [(1, 100, 1)] == [(each.version, each.percent, each.ready) for each in found.versions]


def test_it_rolls() -> None:
    """While the version before still answers, that is said, and what each of them gets."""
    old = pod(1, version=2, **ANSWERS)
    leaving = pod(2, version=2, going=True, **ANSWERS)
    new = [pod(3, version=3, made=2, **ANSWERS), pod(4, version=3, made=3, container=RUNNING)]
    found = seen("gpus", [work(3, 2)], old, leaving, *new)

    assert DeploymentState.DEGRADED is found.state
    assert "version 3 answers with 1 of 2 replicas. replica-pod04: the model server starts." == (
        found.reason
    )
    assert ["READY", "DRAINING", "READY", "STARTING"] == [one.state.value for one in found.replicas]
    assert [(2, 50, 1), (3, 50, 1)] == [
        (each.version, each.percent, each.ready) for each in found.versions
    ]


def test_the_cluster_has_not_looked_yet() -> None:
    """What it says of the wish before is not taken for an answer to the last one."""
    late = work(2, metadata={"generation": 2})
    found = seen("gpus", [late], *(pod(n, version=3, **ANSWERS) for n in (1, 2)))

    assert (DeploymentState.DEGRADED, "the cluster takes up what was wished for last.") == (
        found.state, found.reason
    )  # fmt: skip


def test_other_replicas_of_the_same_version_roll() -> None:
    """With other GPUs or threads pods are replaced too, and it is told how far that is."""
    old, new = pod(1, version=3, **ANSWERS), pod(2, version=3, made=2, **ANSWERS)
    found = seen("gpus", [work(3, 1)], old, new, pod(3, version=3, made=3))

    assert found.reason.startswith("version 3 answers with 1 of 2 replicas. replica-pod03: ")


def test_more_replicas_are_made() -> None:
    """Without another version it is told how many answer of how many."""
    found = seen("gpus", [work(2)], pod(1, version=3, **ANSWERS), pod(2, version=3, made=2))

    assert DeploymentState.DEGRADED is found.state
    assert found.reason.startswith("1 of 2 replicas answer. replica-pod02: ")


def test_no_image_comes() -> None:
    """What its registry says is the reason, and waiting is vain where there is no such image."""
    text = 'failed to pull image "x": manifest unknown'
    found = seen("plain", [work(1)], pod(container=waiting("ErrImagePull", text)))

    assert DeploymentState.FAILED is found.state
    assert "There is no such image in its registry." in found.reason
    later = 'failed to pull image "x": dial tcp: i/o timeout'
    found = seen("plain", [work(1)], pod(container=waiting("ImagePullBackOff", later)))
    assert DeploymentState.STARTING is found.state
    assert "it is tried again" in found.reason


def test_it_waits_for_gpus() -> None:
    """Nothing has failed: it is said that others have them."""
    unplaced = {
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": GPUS
    }  # fmt: skip
    found = seen("gpus", [work(2)], *(pod(n, 3, conditions=[unplaced]) for n in (1, 2)))

    assert DeploymentState.STARTING is found.state
    assert "replica-pod01: One machine has such GPUs, and none has one free now." == found.reason


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        (ended(1), "replica-pod01 ends as soon as it starts with code 1; it was started again 4"),
        (ended(1, REFUSES), "replica-pod01: the model cannot be served: its file is damaged."),
        (ended(137, reason="OOMKilled"), "replica-pod01 used more memory than it may"),
    ],
    ids=["code", "refusal", "memory"],
)
def test_it_ends_again_and_again(over: dict[str, Any], reason: str) -> None:
    """The code, the model server's own word or the memory is the reason, while none answers."""
    loops = waiting("CrashLoopBackOff", "back-off 40s", restartCount=4, lastState=over)
    found = seen("plain", [work(1)], pod(phase="Running", container=loops))

    assert DeploymentState.FAILED is found.state
    assert found.reason.startswith(reason)
    assert (ReplicaState.FAILED, 4) == (found.replicas[0].state, found.replicas[0].restarts)


def test_it_was_killed_for_its_memory() -> None:
    """One that has just ended, and one that is started again, say why; the other answers on."""
    killed = ended(137, reason="OOMKilled")
    now = {"state": killed, "restartCount": 0}
    found = seen("gpus", [work(2)], pod(1, 3, **ANSWERS), pod(2, 3, made=2, container=now))
    assert DeploymentState.DEGRADED is found.state
    assert (
        "1 of 2 replicas answer. replica-pod02 used more memory than it may, and was killed."
        == found.reason
    )
    again = {**RUNNING, "restartCount": 1, "lastState": killed}
    found = seen("plain", [work(1)], pod(phase="Running", container=again))
    assert (DeploymentState.STARTING, ReplicaState.RESTARTING) == (
        found.state, found.replicas[0].state
    )  # fmt: skip
    assert "used more memory than it may" in found.reason


def test_it_falls_silent() -> None:
    """One that has answered before and runs, but does not answer, is said to."""
    silent = pod(phase="Running", container={**RUNNING, "started": True})

    assert "replica-pod01: it does not answer." == seen("plain", [work(1)], silent).reason


@pytest.mark.parametrize(
    ("wants", "state", "reason"),
    [
        (1, DeploymentState.STARTING, "This is more than the cluster's quota has left now."),
        (9, DeploymentState.FAILED, "This is more than the cluster's quota allows"),
    ],
)
def test_the_quota_is_used_up(wants: int, state: DeploymentState, reason: str) -> None:
    """No pod is there to be asked: the Deployment says why none is made."""
    failure = {"type": "ReplicaFailure", "status": "True", "message": QUOTA.format(wants)}
    found = seen("gpus", [work(2, conditions=[failure])])

    assert state is found.state
    assert found.reason.startswith(reason)


def test_a_canary_does_not_answer_yet() -> None:
    """What serves is ready; why its canary is not is told beside it."""
    stable = [pod(n, 2, **ANSWERS) for n in (1, 2)]
    works = [work(2), work(1, track="canary")]
    loops = waiting("CrashLoopBackOff", restartCount=3, lastState=ended(3))
    found = seen("canary", works, *stable, pod(3, 3, "canary", container=loops))

    assert DeploymentState.READY is found.state
    assert found.reason.startswith(
        "the canary, version 3, does not answer yet: replica-pod03 ends as soon as it starts with "
        "code 3"
    )
    assert [(2, 80, 2), (3, 20, 0)] == [
        (each.version, each.percent, each.ready) for each in found.versions
    ]


def test_a_canary_answers() -> None:
    """Both versions get their part; its replicas are no others' to count."""
    stable = [pod(n, 2, **ANSWERS) for n in (1, 2)]
    works = [work(2), work(1, track="canary")]
    found = seen("canary", works, *stable, pod(3, 3, "canary", **ANSWERS))

    assert (DeploymentState.READY, "", 3, 2) == (
        found.state, found.reason, found.ready, found.wished
    )  # fmt: skip
    assert [(2, 80, 2), (3, 20, 1)] == [
        (each.version, each.percent, each.ready) for each in found.versions
    ]
    over = replace(SERVINGS["canary"], canary=None, canary_model=None)
    found = seen(over, works, *stable, pod(3, 3, "canary", going=True, **ANSWERS))
    assert ["READY", "READY", "DRAINING"] == [one.state.value for one in found.replicas]
    assert [(2, 100)] == [(each.version, each.percent) for each in found.versions]


def test_an_evicted_pod_is_told_of_until_another_one_comes() -> None:
    """It is the reason while nothing has taken its place, and then no replica any more."""
    gone = pod(1, phase="Failed", reason="Evicted", message="The node was low on resource: memory.")

    found = seen("plain", [work(1)], gone)
    assert DeploymentState.FAILED is found.state
    assert "ran out of memory" in found.reason
    found = seen("plain", [work(1)], gone, pod(2, made=3, **ANSWERS))
    assert (DeploymentState.READY, 1) == (found.state, len(found.replicas))


def test_what_follows_an_eviction() -> None:
    """A job is relaunched as a whole; of a deployment another replica is made."""
    gone = pod(1, phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    found = of_disruption(gone, Wish.of_deployment(SERVINGS["plain"].spec), "replica-pod01")

    assert found is not None
    assert "Another replica takes its place." == found.hint


def test_a_pod_that_nobody_has_looked_at() -> None:
    """One without a status yet, on its way to a machine, is starting."""
    new = pod()
    del new["status"]

    assert DeploymentState.STARTING is seen("plain", [work(1)], new).state


def test_it_is_being_deleted() -> None:
    """Its last requests are answered; then it is no more."""
    going = work(1, metadata={"deletionTimestamp": AT.format(9)})

    assert DeploymentState.DELETING is seen("plain", [going], pod(**ANSWERS)).state


def test_the_autoscaler_says_how_many() -> None:
    """The number is the Deployment's, and how it is found is said where it is not as wished."""
    found = seen("autoscale", [work(4)], *(pod(n, 2, **ANSWERS) for n in range(1, 5)))

    assert (DeploymentState.READY, 4) == (found.state, found.wished)
    assert "follows how busy their CPUs are" in found.warning
    assert "" == seen("plain", [work(1)], pod(**ANSWERS)).warning


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"dllab-hub/owner": "grace"}},
        {"annotations": {"dllab-hub/owner": "Ada@EXAMPLE.org"}},
        {"labels": {"dllab-hub/version": "$(HOME)"}},
    ],
)
def test_what_is_somebody_elses_does_not_count(change: dict[str, dict[str, str]]) -> None:
    """Labels and the whole name both have to say so, and a version is a number."""
    other = pod(**ANSWERS)
    for key, value in change.items():
        other["metadata"][key].update(value)

    assert () == seen("plain", [work(1)], other).replicas
