"""What became of a job, told from its JobSet and pods, in any order and any moment."""

from __future__ import annotations

import copy
import random
from typing import Any

from trainings import WISHES

from dllab_hub.manifests.status import Observed, observed
from dllab_hub.specs import JobState

AT = "2026-11-29T09:31:5{}Z"


def jobset(kind: str = "", restarts: int = 0, **spec: Any) -> dict[str, Any]:
    """As JobSet's controller leaves it."""
    conditions = [{"type": "StartupPolicyCompleted", "status": "False"}]
    if kind:
        conditions.append(
            {"type": kind, "status": "True", "lastTransitionTime": AT.format(9), "message": "so"}
        )
    return {
        "metadata": {"name": "t", "annotations": {}},
        "spec": {"suspend": False, **spec},
        "status": {"conditions": conditions, "restarts": restarts},
    }


def pod(role: str = "worker", index: int = 0, restarts: int = 0, **state: Any) -> dict[str, Any]:
    """As a kubelet leaves it."""
    return {
        "metadata": {
            "name": f"t-{role}-0-{index}-abcde",
            "labels": {
                "jobset.sigs.k8s.io/replicatedjob-name": role,
                "jobset.sigs.k8s.io/restart-attempt": str(restarts),
                "batch.kubernetes.io/job-completion-index": str(index),
            },
        },
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"name": "worker", "state": state}],
        },
    }


def ended(code: int, at: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "terminated": {
            "exitCode": code, "startedAt": AT.format(1), "finishedAt": AT.format(at), **more
        }
    }  # fmt: skip


RUNNING = {"running": {"startedAt": AT.format(1)}}


def seen(name: str, set_: dict[str, Any], *pods: dict[str, Any]) -> Observed:
    """The same whatever order the pods come in."""
    shuffled = list(pods)
    random.Random(7).shuffle(shuffled)
    found = observed(set_, pods, WISHES[name])
    assert found == observed(set_, shuffled, WISHES[name])
    return found


def test_it_runs_when_all_replicas_do() -> None:
    """Before that it says how many have started."""
    three = [pod(index=n, **RUNNING) for n in range(3)]
    waits = pod(index=3, waiting={"reason": "PodInitializing"})

    assert (JobState.PENDING, "3 of 4 replicas have started.") == (
        (found := seen("allreduce", jobset(), *three, waits)).state,
        found.reason,
    )
    found = seen("allreduce", jobset(), *three, pod(index=3, **RUNNING))
    assert (JobState.RUNNING, "", 1) == (found.state, found.reason, found.attempt)
    assert ["worker-0", "worker-1", "worker-2", "worker-3"] == [one.name for one in found.replicas]


def test_pods_of_the_attempt_before_do_not_count() -> None:
    """A relaunch is restarting until all of its own pods run."""
    old = [pod(index=n, **ended(1)) for n in range(4)]
    found = seen("allreduce", jobset(restarts=1), *old, pod(index=0, restarts=1, **RUNNING))

    assert (JobState.RESTARTING, 2) == (found.state, found.attempt)
    assert [2] == [one.attempt for one in found.replicas]


def test_the_first_that_failed_is_named() -> None:
    """Not the ones that the cluster ended because of it, though they ended before."""
    told = {"message": "noise\nTraceback (most recent call last):\n  ...\nValueError: 3"}
    found = seen(
        "allreduce",
        jobset("Failed", restarts=3),
        pod(index=0, restarts=3, **ended(143, 4)),
        pod(index=1, restarts=3, **ended(1, 7)),
        pod(index=2, restarts=3, **ended(7, 5, **told)),
        pod(index=3, restarts=3, **ended(137, 4)),
    )

    assert JobState.FAILED is found.state
    assert (
        "worker-2 exited with code 7: ValueError: 3. It was relaunched 3 times before."
        == found.reason
    )
    assert found.replicas[2].traceback.endswith("ValueError: 3")
    assert (None, "SIGTERM") == (found.replicas[0].exit_code, found.replicas[0].signal)
    assert found.ended


def test_memory_is_a_cause() -> None:
    """A container that its limit has ended says so, also with SIGKILL's code."""
    found = seen("single", jobset("Failed"), pod(**ended(137, reason="OOMKilled")))

    assert "worker-0 used more memory than it may, and was killed." == found.reason
    assert found.replicas[0].oom


def test_a_machine_that_is_lost() -> None:
    """A replica whose machine says nothing, or that is being ended, is not one that runs."""
    lost = pod(**RUNNING)
    lost["status"]["phase"] = "Running"
    for change in (
        lambda one: one["metadata"].update(deletionTimestamp=AT.format(5)),
        lambda one: one["status"].update(
            conditions=[{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]
        ),
    ):
        one = copy.deepcopy(lost)
        change(one)
        found = seen("single", jobset(), one)

        assert (JobState.RESTARTING, "1 of 1 replicas are being ended.") == (
            found.state,
            found.reason,
        )


def test_servers_are_ended_when_the_chief_has_succeeded() -> None:
    """The job has succeeded; its parameter servers, which never end by themselves, did not fail."""
    found = seen(
        "ps", jobset("Completed"), pod("chief", **ended(0)), pod("ps", **RUNNING),
        pod("worker", **RUNNING),
    )  # fmt: skip

    assert (JobState.SUCCEEDED, "") == (found.state, found.reason)
    assert {
        "chief-0": JobState.SUCCEEDED,
        "ps-0": JobState.CANCELLED,
        "worker-0": JobState.CANCELLED,
    } == {one.name: one.state for one in found.replicas}


def test_suspended_waits_in_the_queue() -> None:
    """A set that the cluster's queue has not let go yet waits for its turn."""
    found = seen("single", jobset(suspend=True))

    assert (JobState.PENDING, "it waits for its turn in the cluster's queue.") == (
        found.state,
        found.reason,
    )


def test_a_role_with_a_long_name_is_called_by_it() -> None:
    """What the JobSet calls by number has its own name again."""
    found = seen("custom", jobset(), pod("r0", **RUNNING), pod("learner", **RUNNING))

    assert ["a-role-with-a-long-name-0", "learner-0"] == [one.name for one in found.replicas]


def test_a_stranger_among_the_pods_is_not_seen() -> None:
    """A pod of a role that the wish does not have is none of the job's."""
    found = seen("single", jobset(), pod(**RUNNING), pod("intruder", **RUNNING))

    assert ["worker-0"] == [one.name for one in found.replicas]


def test_nothing_was_created_yet() -> None:
    """A JobSet without a status waits, and says for what."""
    found = observed({"metadata": {}, "spec": {}}, (), WISHES["single"])

    assert (JobState.PENDING, "0 of 1 replicas have started.") == (found.state, found.reason)
