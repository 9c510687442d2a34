"""Why not all replicas of a job run, from pods and events as clusters write them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dllab_hub.manifests.pending import pending
from dllab_hub.specs import Cause, Code, Diagnosis, Role, TrainingSpec

AT = "2026-11-29T09:{:02}:00Z"
SPEC = TrainingSpec(
    name="digits", image="torch", code=Code(source="1"), roles=(Role(replicas=4, gpus=2),)
)
ONE = SPEC.model_copy(update={"roles": (Role(gpus=1),)})
PLACED = {"type": "PodScheduled", "status": "True"}
RUNNING = {"state": {"running": {"startedAt": AT.format(1)}}}
GPUS = (
    "0/5 nodes are available: 1 Insufficient nvidia.com/gpu, 4 node(s) didn't match Pod's node "
    "affinity/selector. preemption: 0/5 nodes are available: 1 No preemption victims found for "
    "incoming pod, 4 Preemption is not helpful for scheduling."
)
UNKNOWN = (
    'Back-off pulling image "registry.example.org/a:1": ErrImagePull: failed to pull and unpack '
    'image "registry.example.org/a:1": failed to resolve reference: unexpected status from HEAD '
    "request: 404 Not Found: manifest unknown: manifest unknown"
)
QUOTA = (
    'Error creating: pods "t-worker-0-2-x" is forbidden: exceeded quota: gpus, requested: '
    "requests.nvidia.com/gpu=2, used: requests.nvidia.com/gpu=7, limited: "
    "requests.nvidia.com/gpu={}"
)
POLICY = (
    'Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest": '
    "unrestricted capabilities"
)
WEBHOOK = (
    'Error creating: admission webhook "images.example.org" denied the request: images must be '
    "signed"
)


def pod(
    index: int = 0,
    restarts: int = 0,
    conditions: tuple[dict[str, Any], ...] = (PLACED,),
    spec: dict[str, Any] | None = None,
    made: int = 1,
    **status: Any,
) -> dict[str, Any]:
    """A worker's pod; ``container`` is the status of its only container."""
    container = status.pop("container", None)
    return {
        "metadata": {
            "name": f"t-worker-0-{index}-abcde",
            "uid": f"uid-{index}-{restarts}",
            "creationTimestamp": AT.format(made),
            "labels": {
                "jobset.sigs.k8s.io/replicatedjob-name": "worker",
                "jobset.sigs.k8s.io/restart-attempt": str(restarts),
                "batch.kubernetes.io/job-completion-index": str(index),
            },
        },
        "spec": spec or {},
        "status": {
            "phase": "Pending",
            "conditions": list(conditions),
            **({"containerStatuses": [{"name": "worker", **container}]} if container else {}),
            **status,
        },
    }


def running(index: int) -> dict[str, Any]:
    return pod(index, phase="Running", container=RUNNING)


def waiting(index: int, reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    state = {"state": {"waiting": {"reason": reason, "message": message}}, **more}
    return pod(index, container=state)


def over(index: int, code: int, at: int = 5, **more: Any) -> dict[str, Any]:
    ended = {"exitCode": code, "finishedAt": AT.format(at), "reason": "Error", **more}
    return pod(index, phase="Failed", container={"state": {"terminated": ended}})


def unplaced(index: int, text: str = GPUS) -> dict[str, Any]:
    said = {"reason": "Unschedulable", "message": text}
    return pod(index, conditions=({"type": "PodScheduled", "status": "False", **said},))


def disrupted(index: int, why: str, text: str = "", **status: Any) -> dict[str, Any]:
    target = {"type": "DisruptionTarget", "status": "True", "reason": why, "message": text}
    return pod(index, conditions=(PLACED, target), **{"phase": "Failed", **status})


def event(
    reason: str, text: str = "", kind: str = "Pod", name: str = "", at: int = 2, **more: Any
) -> dict[str, Any]:
    about = {"kind": kind, "name": name or "t-worker-0-2-abcde"}
    return {
        "reason": reason, "message": text, "involvedObject": {**about, **more},
        "lastTimestamp": AT.format(at),
    }  # fmt: skip


def failed_create(text: str, at: int = 3) -> dict[str, Any]:
    return event("FailedCreate", text, "Job", "t-worker-0", at)


THREE = [running(0), running(1), running(3)]
ROWS: list[tuple[list[Any], list[Any], Cause, bool, str]] = [
    ([*THREE, unplaced(2)], [], Cause.NO_FREE_GPU, False,
     "worker-2 of 4 waits: one machine has such GPUs, and none has 2 free now."),
    ([unplaced(n) for n in range(4)], [], Cause.NO_FREE_GPU, False,
     "All 4 replicas wait: one machine has such GPUs, and none has 2 free now."),
    ([running(0), running(1), unplaced(2), unplaced(3)], [], Cause.NO_FREE_GPU, False,
     "2 of 4 replicas wait: one machine"),
    ([*THREE, unplaced(2)], [event("TriggeredScaleUp", "pod triggered scale-up", at=4)],
     Cause.STARTING, False, "worker-2 of 4 waits: a machine is being added to the cluster"),
    ([*THREE, unplaced(2)], [event("NotTriggerScaleUp", "1 max node group size reached", at=4)],
     Cause.NO_FREE_GPU, False, "worker-2 of 4 waits: one machine has such GPUs"),
    ([*THREE, pod(2, conditions=())], [event("FailedScheduling", GPUS)], Cause.NO_FREE_GPU, False,
     "worker-2 of 4 waits: one machine"),
    ([*THREE, pod(2, conditions=({"type": "PodScheduled", "status": "False",
                                  "reason": "SchedulingGated"},))], [], Cause.QUOTA, False,
     "worker-2 of 4 waits: the cluster's queue has not let it go yet."),
    ([*THREE, waiting(2, "ImagePullBackOff", UNKNOWN)], [], Cause.IMAGE_PULL, True,
     "There is no such image in its registry. It says: manifest unknown."),
    ([*THREE, waiting(2, "ErrImagePull", "rpc error: pull access denied")], [], Cause.IMAGE_PULL,
     True, "The registry does not let the cluster have this image. It says: pull access denied."),
    ([*THREE, waiting(2, "ImagePullBackOff", 'Back-off pulling image "x"')],
     [event("Failed", 'Failed to pull image "x": toomanyrequests: You have reached your limit')],
     Cause.IMAGE_PULL, False, "The image cannot be downloaded now; it is tried again. The registry:"
     " too many requests."),
    ([*THREE, waiting(2, "ErrImageNeverPull", "is not present with pull policy of Never")], [],
     Cause.IMAGE_PULL, True, "The machine does not take this image: it may not be downloaded here"),
    ([*THREE, waiting(2, "ContainerCreating")],
     [event("FailedMount", 'MountVolume.SetUp failed for volume "run": mount failed: exit status '
            "32 mount.nfs: Connection timed out")], Cause.VOLUME, False,
     "worker-2 of 4 waits: a volume is not ready yet. Its storage does not answer."),
    ([*THREE, waiting(2, "ContainerCreating")],
     [event("FailedMount", 'MountVolume.SetUp failed for volume "x": secret "keys" not found')],
     Cause.VOLUME, True, "worker-2 of 4 waits: a volume does not exist."),
    ([*THREE, waiting(2, "ContainerCreating")],
     [event("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already '
            "exclusively attached to one node")], Cause.VOLUME, False,
     "worker-2 of 4 waits: a volume is not ready yet. Another machine has it"),
    ([*THREE, waiting(2, "ContainerCreating")],
     [event("FailedCreatePodSandBox", "plugin type=calico failed (add): failed to request IP")],
     Cause.NO_NODE, False, "worker-2 of 4 waits: the network of the machine"),
    ([*THREE, waiting(2, "ContainerCreating")], [event("Pulling", 'Pulling image "x"')],
     Cause.STARTING, False, "worker-2 of 4 waits: the image is being downloaded"),
    ([*THREE, waiting(2, "CreateContainerConfigError", 'secret "keys" not found')], [],
     Cause.CRASHED, True, "worker-2 of 4 waits: the container cannot be started: a secret"),
    ([*THREE, waiting(2, "CreateContainerConfigError", "container has runAsNonRoot and image will "
                      "run as root")], [], Cause.CRASHED, True,
     "worker-2 of 4 waits: the container cannot be started: the image wants to run as root"),
    ([*THREE, over(2, 137, reason="OOMKilled")], [], Cause.OUT_OF_MEMORY, False,
     "worker-2 used more memory than it may, and was killed."),
    ([*THREE, over(2, 1, message="Traceback (most recent call last):\nValueError: no")], [],
     Cause.CRASHED, False, "worker-2 exited with code 1."),
    ([*THREE, over(2, 139)], [], Cause.KILLED, False, "worker-2 was ended by SIGSEGV."),
    ([*THREE, over(2, 128, reason="StartError", message='failed to create containerd task: exec: '
                   '"python3": executable file not found in $PATH')], [], Cause.CRASHED, True,
     "worker-2 of 4 waits: the container cannot be started: the image does not have the program"),
    ([*THREE, pod(2, phase="Failed", reason="DeadlineExceeded")], [], Cause.TIME_LIMIT, False,
     "worker-2 ran longer than it may, and was ended."),
    ([*THREE, waiting(2, "CreateContainerError", "context deadline exceeded")], [], Cause.STARTING,
     False, "worker-2 of 4 waits: the machine that was found is too busy"),
    ([*THREE, waiting(2, "ContainerCreating")],
     [event("FailedMount", "driver name nfs.csi.k8s.io not found in the list of registered CSI "
            "drivers")], Cause.VOLUME, False, "worker-2 of 4 waits: a volume is not ready yet."),
    # The first to fail is told, not those that were ended because of it.
    ([over(0, 143, 4), over(1, 1, 9), over(2, 3, 5), over(3, 137, 1)], [], Cause.CRASHED, False,
     "worker-2 exited with code 3."),
    ([*THREE, waiting(2, "CrashLoopBackOff", restartCount=4,
                      lastState={"terminated": {"exitCode": 2, "message": "one\ntwo"}})], [],
     Cause.CRASHED, True, "worker-2 ends as soon as it starts with code 2; it was started again 4"),
    ([*THREE, waiting(2, "CrashLoopBackOff", restartCount=1,
                      lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})], [],
     Cause.OUT_OF_MEMORY, False, "worker-2 used more memory than it may; it was started again"),
    ([*THREE, disrupted(2, "PreemptionByScheduler", "default-scheduler: preempting to accommodate "
                        "a higher priority pod")], [], Cause.KILLED, False,
     "worker-2 had to make room for something more urgent."),
    ([*THREE, disrupted(2, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute "
                        "taint", phase="Running", container=RUNNING)], [], Cause.LOST, False,
     "The machine of worker-2 does not answer any more."),
    ([*THREE, disrupted(2, "DeletionByPodGC", "PodGC: node no longer exists")], [], Cause.LOST,
     False, "The machine of worker-2 no longer exists."),
    ([*THREE, pod(2, phase="Running", reason="NodeLost", container=RUNNING)], [], Cause.LOST, False,
     "The machine of worker-2 does not answer any more."),
    ([*THREE, pod(2, conditions=(PLACED, {"type": "Ready", "status": "False",
                                          "reason": "NodeStatusUnknown"}), phase="Running",
                  container=RUNNING)], [], Cause.LOST, False, "The machine of worker-2 does not"),
    ([*THREE, disrupted(2, "EvictionByEvictionAPI", "Eviction API: evicting")], [], Cause.LOST,
     False, "The machine of worker-2 is being emptied, and worker-2 was ended."),
    ([*THREE, disrupted(2, "TerminationByKubelet", "The node was low on resource: memory. "
                        "Container worker was using 9Gi, request is 1Gi", reason="Evicted")], [],
     Cause.OUT_OF_MEMORY, False, "The machine ran out of memory, and worker-2 was ended."),
    ([*THREE, pod(2, phase="Failed", reason="Evicted", message="The node was low on resource: "
                  "ephemeral-storage. Threshold quantity: 1Gi")], [], Cause.DISK_FULL, False,
     "The machine's disk is full, and worker-2 was ended."),
    ([*THREE, pod(2, phase="Failed", reason="Evicted", message="Container worker exceeded its "
                  'local ephemeral storage limit "10Gi". ')], [], Cause.DISK_FULL, False,
     "worker-2 wrote more to its own disk than it may, and was ended."),
    ([*THREE, disrupted(2, "TerminationByKubelet", "Pod was terminated in response to imminent "
                        "node shutdown.", reason="Terminated")], [], Cause.LOST, False,
     "The machine of worker-2 is shutting down."),
    ([*THREE, pod(2, phase="Failed", reason="OutOfnvidia.com/gpu", message="Node didn't have "
                  "enough resource: nvidia.com/gpu")], [], Cause.NO_NODE, False,
     "The machine that was found could not take worker-2."),
    (THREE, [failed_create(QUOTA.format(8))], Cause.QUOTA, False,
     "This is more than the cluster's quota has left now. It asks for 2 GPUs, and 1 of 8"),
    (THREE, [failed_create(QUOTA.format(1))], Cause.QUOTA, True,
     "This is more than the cluster's quota allows: 2 GPUs, and the quota is 1."),
    ([], [failed_create("failed quota: mem: must specify limits.memory for: worker")],
     Cause.QUOTA, True, "The cluster's quota takes a job only when it says how much it needs."),
    ([], [failed_create(POLICY)], Cause.CRASHED, True,
     "The cluster's security rules refuse this job."),
    ([], [failed_create(WEBHOOK)], Cause.CRASHED, True,
     "A rule of the cluster refuses this job: images must be signed."),
    ([], [event("JobCreationFailed", "jobs.batch is forbidden", "JobSet", "t")], Cause.CRASHED,
     True, "The cluster refuses this job."),
    # What cannot be helped comes before what can.
    ([unplaced(0), unplaced(1), waiting(2, "InvalidImageName"), over(3, 1)], [], Cause.IMAGE_PULL,
     True, "There is no such image in its registry."),
]  # fmt: skip


@pytest.mark.parametrize(("pods", "events", "cause", "final", "said"), ROWS)
def test_the_most_important_reason(
    pods: list[Any], events: list[Any], cause: Cause, final: bool, said: str
) -> None:
    """It is named with the replica that it is about; waiting is said to be vain where it is."""
    found = pending(pods, events, SPEC)

    assert found is not None
    assert (cause, final) == (found.cause, found.final)
    assert found.message.startswith(said)
    assert found.message.endswith(".")
    assert found.remedies


@pytest.mark.parametrize(("pods", "events", "cause", "final", "said"), ROWS)
def test_order_does_not_matter(
    pods: list[Any], events: list[Any], cause: Cause, final: bool, said: str
) -> None:
    """A list that came in another order says the same."""
    mixed, told = list(pods), list(events)
    for seed in range(3):
        random.Random(seed).shuffle(mixed)
        random.Random(seed).shuffle(told)
        again = pending(mixed, told, SPEC)
        assert again
        assert (cause, final) == (again.cause, again.final)
        assert again.message.startswith(said)


def test_all_is_well() -> None:
    """Nothing is said while all run, have succeeded, or are about to be made."""
    done = pod(2, phase="Succeeded", container={"state": {"terminated": {"exitCode": 0}}})

    assert pending([*THREE, running(2)], [], SPEC) is None
    assert pending([*THREE, done], [], SPEC) is None
    assert pending([], [], SPEC) is None
    assert pending(THREE, [], SPEC) is None
    assert pending([*THREE, waiting(2, "ContainerCreating")], [], SPEC) is None


def test_what_is_over_is_forgotten() -> None:
    """A refusal is out of date once a newer pod was made or its Job made one after all."""
    later = [running(0), running(1), pod(3, made=5, container=RUNNING)]
    made = event("SuccessfulCreate", "Created pod", "Job", "t-worker-0", 4)

    assert pending(later, [failed_create(QUOTA.format(8))], SPEC) is None
    assert pending(THREE, [failed_create(QUOTA.format(8)), made], SPEC) is None
    assert pending([*THREE, running(2)], [failed_create(QUOTA.format(8), 9)], SPEC) is None
    mounted = [event("FailedMount", "timed out"), event("Pulled", at=3)]
    assert pending([*THREE, waiting(2, "ContainerCreating")], mounted, SPEC) is None


def test_only_the_newest_attempt_counts() -> None:
    """What became of an earlier attempt is not why this one waits."""
    old = [over(n, 1) for n in range(4)]
    new = [pod(n, restarts=1, phase="Running", container=RUNNING) for n in range(4)]
    stale = event("FailedMount", "timed out", uid="uid-2-0")
    new[2] = pod(2, restarts=1, container={"state": {"waiting": {"reason": "ContainerCreating"}}})

    assert pending([*old, *new], [stale], SPEC) is None


def test_foreign_objects_are_left_out() -> None:
    """A pod with a label that the job does not know, and events about others, say nothing."""
    other = over(2, 1)
    other["metadata"]["labels"]["jobset.sigs.k8s.io/replicatedjob-name"] = "miner"
    events = [event("FailedMount", "timed out", name="somebody-else"), {"reason": "FailedMount"}]

    assert pending([*THREE, running(2), other], events, SPEC) is None


def test_one_replica_is_not_named() -> None:
    """A job of one replica is the job itself; the log and the replica come along."""
    found = pending([unplaced(0)], [], ONE)

    assert found
    assert "One machine has such GPUs, and none has one free now." == found.message
    assert "worker-0" == found.replica
    assert GPUS[:300] == found.log[0]


def test_the_last_lines_come_along() -> None:
    """A crash is told with its traceback and the last lines, a quota with the cluster's words."""
    text = "one\nTraceback (most recent call last):\n  here\nValueError: no"
    found: Diagnosis | None = pending([*THREE, over(2, 1, message=text)], [], SPEC)

    assert found
    assert "ValueError: no" == found.log[-1]
    assert found.traceback.startswith("Traceback")
    assert "worker-2" == found.replica


def test_events_of_both_interfaces() -> None:
    """What is read from events.k8s.io has other names for the same."""
    told = {
        "reason": "FailedMount", "note": "mount.nfs: Connection timed out",
        "regarding": {"kind": "Pod", "name": "t-worker-0-2-abcde"},
        "eventTime": "2026-11-29T09:02:00.123456Z", "series": {"lastObservedTime": None},
    }  # fmt: skip
    found = pending([*THREE, waiting(2, "ContainerCreating")], [told], SPEC)

    assert found
    assert Cause.VOLUME is found.cause
