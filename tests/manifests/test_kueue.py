"""Why Kueue has not let a job go, from the conditions of its Workload, old reasons and new."""

from __future__ import annotations

from typing import Any

import pytest

from dllab_hub.manifests.pending import pending_workload
from dllab_hub.specs import Cause

LACKING = "couldn't assign flavors to pod set worker: "
MORE = f"{LACKING}insufficient unused quota for nvidia.com/gpu in flavor a100, 4 more needed"
MOST = (
    f"{LACKING}insufficient quota for nvidia.com/gpu in flavor a100, previously considered podsets "
    "requests (0) + current podset request (16) > maximum capacity (8)"
)
TURN = "The job waits for its turn in the cluster's queue"


def workload(*conditions: tuple[str, str, str, str], **more: Any) -> dict[str, Any]:
    """With conditions of type, status, reason and message."""
    made = [
        dict(zip(("type", "status", "reason", "message"), each, strict=True)) for each in conditions
    ]
    spec, checks = more.pop("spec", {}), more.pop("checks", [])
    return {"spec": spec, "status": {"conditions": made, "admissionChecks": checks}}


def reserved(reason: str, message: str = "") -> dict[str, Any]:
    return workload(("QuotaReserved", "False", reason, message))


EVICTED = ("Evicted", "True", "Preempted", "Preempted to accommodate a workload")
ROWS: list[tuple[dict[str, Any] | None, int | None, Cause, bool, str]] = [
    (None, None, Cause.QUOTA, False, f"{TURN}."),
    (None, 3, Cause.QUOTA, False, f"{TURN}: 3 jobs are before it."),
    (workload(), 1, Cause.QUOTA, False, f"{TURN}: 1 job is before it."),
    (reserved("Pending", MORE), 0, Cause.QUOTA, False,
     f"{TURN}: it is the next. It needs 4 more GPUs than its queue has free."),
    (reserved("WaitingForQuota", MORE), None, Cause.QUOTA, False,
     f"{TURN}. It needs 4 more GPUs than its queue has free."),
    (reserved("Pending", MOST), 2, Cause.QUOTA, True,
     "The job needs more than its queue may ever have, which has 8 GPUs."),
    (reserved("ExceedsMaxQuota", MOST), None, Cause.QUOTA, True, "The job needs more than"),
    (reserved("ExceedsMaxQuota"), None, Cause.QUOTA, True,
     "The job needs more than its queue may ever have."),
    # There are two kinds of machines: of one there is enough when others are done.
    (reserved("Pending", f"{MOST}, insufficient unused quota for nvidia.com/gpu in flavor h100, 1 "
              "more needed"), None, Cause.QUOTA, False, f"{TURN}. It needs 1 more GPU than"),
    (reserved("Pending", f"{LACKING}insufficient unused quota for cpu in flavor a, 2 more needed"),
     None, Cause.QUOTA, False, f"{TURN}. It needs 2 more CPUs than its queue has free."),
    (reserved("Pending", f"{LACKING}insufficient unused quota for memory in flavor a, 8Gi more "
              "needed"), None, Cause.QUOTA, False, f"{TURN}. It needs 8Gi more memory than"),
    (reserved("Inadmissible", "LocalQueue jobs doesn't exist"), None, Cause.QUOTA, True,
     "The queue that jobs go through is not set up."),
    (reserved("Misconfigured", "ClusterQueue all doesn't exist"), None, Cause.QUOTA, True,
     "The queue that jobs go through is not set up."),
    (reserved("Inadmissible", "ClusterQueue all is inactive"), None, Cause.QUOTA, False,
     f"{TURN}. The queue is stopped; the administrator opens it again."),
    (reserved("Suspended", "LocalQueue jobs is stopped"), 4, Cause.QUOTA, False,
     f"{TURN}: 4 jobs are before it. The queue is stopped"),
    (reserved("NoMatchingFlavor", f"{LACKING}flavor a100 doesn't match node affinity"), None,
     Cause.QUOTA, True, "No kind of machine in the queue is what the job asks for."),
    (reserved("Waiting", "waiting for all admitted workloads to be in PodsReady condition"), None,
     Cause.QUOTA, False, f"{TURN}. It waits until the job before it has started."),
    (reserved("TopologyPlacementFailed", "x"), None, Cause.QUOTA, False,
     f"{TURN}. It waits for machines that are close enough"),
    (workload(EVICTED, ("QuotaReserved", "False", "Pending", MORE)), 1, Cause.QUOTA, False,
     f"{TURN}: 1 job is before it. It had to make room for a job of higher priority. It needs 4"),
    (workload(EVICTED, ("QuotaReserved", "True", "x", ""), ("Admitted", "True", "x", "")), None,
     Cause.QUOTA, False, f"{TURN}. It had to make room"),
    (workload(("Evicted", "True", "Deactivated", "exceeded the requeue limit"),
              spec={"active": False}), None, Cause.QUOTA, True,
     "The job was taken out of the cluster's queue."),
    (workload(("QuotaReserved", "True", "QuotaReserved", ""),
              ("Admitted", "False", "UnsatisfiedAdmissionChecks", "not all checks are ready"),
              checks=[{"name": "prov", "state": "Pending", "message": "Waiting for a node"}]),
     None, Cause.STARTING, False,
     "It is the job's turn: the cluster prepares machines for it."),
    (workload(("QuotaReserved", "True", "QuotaReserved", ""),
              checks=[{"name": "prov", "state": "Rejected", "message": "no such zone"}]),
     None, Cause.QUOTA, True, "The cluster cannot prepare what the job needs."),
]  # fmt: skip


@pytest.mark.parametrize(("of", "position", "cause", "final", "said"), ROWS)
def test_the_place_in_the_queue(
    of: dict[str, Any] | None, position: int | None, cause: Cause, final: bool, said: str
) -> None:
    """How many are before it where that is known, what is lacking, and whether waiting is vain."""
    found = pending_workload(of, position)

    assert found is not None
    assert (cause, final) == (found.cause, found.final)
    assert found.message.startswith(said)
    assert found.message.endswith(".")


@pytest.mark.parametrize(
    "of",
    [
        workload(("QuotaReserved", "True", "x", ""), ("Admitted", "True", "Admitted", "")),
        workload(("Admitted", "True", "x", ""), ("Finished", "True", "Succeeded", "")),
        workload(("Evicted", "False", "x", ""), ("Admitted", "True", "Admitted", "")),
    ],
)
def test_what_kueue_has_let_go(of: dict[str, Any]) -> None:
    """A job that was admitted does not wait in the queue."""
    assert pending_workload(of, None) is None


def test_the_words_of_kueue_come_along() -> None:
    """For whoever knows Kueue, its own message is there too."""
    found = pending_workload(reserved("Pending", MORE), 2)

    assert found
    assert (MORE,) == found.log
