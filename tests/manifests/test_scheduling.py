"""What kube-scheduler 1.30 to 1.36 and the cluster autoscaler write, and the cause people read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dllab_hub.hub.words import Words
from dllab_hub.manifests.declines import LACKING, Declines, Why, declines, is_gpu
from dllab_hub.manifests.scheduling import scheduling
from dllab_hub.manifests.wish import Wish
from dllab_hub.specs import Cause, Remedy

LAB, JOB = Wish("lab", gpus=2), Wish("job", gpus=2, patient=True)
CPU = Wish("job", patient=True)
AFTER = " preemption: 0/{n} nodes are available: {said}."
NOT_TYPE = "node(s) didn't match Pod's node affinity/selector"


def message(counted: str, victims: int = -1, unhelpful: int = 0) -> str:
    """As `FitError` puts it together; the second half since 1.20."""
    total = sum(int(part.split()[0]) for part in counted.split(", "))
    said = []
    if victims > 0:
        said.append(f"{victims} No preemption victims found for incoming pod")
    if unhelpful:
        said.append(f"{unhelpful} Preemption is not helpful for scheduling")
    n = victims + unhelpful if said else total
    after = " no new claims to deallocate," if unhelpful % 2 else ""
    after += AFTER.format(n=n, said=", ".join(said)) if said else ""
    return f"0/{n} nodes are available: {counted}.{after}"


#: What the scheduler says, of whose pod, the cause, how the sentence begins, and what is hinted at.
ROWS: list[tuple[str, Wish, Cause, str, str]] = [
    (message(f"2 Insufficient nvidia.com/gpu, 3 {NOT_TYPE}", 2, 3), JOB, Cause.NO_FREE_GPU,
     "2 machines have such GPUs, and none has 2 free now.", "The job starts as soon as"),
    (message("1 Insufficient nvidia.com/mig-1g.10gb", 1), Wish("lab", gpus=1), Cause.NO_FREE_GPU,
     "One machine has such GPUs, and none has one free now.", "The lab starts"),
    # Without a selector, machines without GPUs lack them too; newer schedulers tell them apart.
    (message("5 Insufficient nvidia.com/gpu", 1, 4), JOB, Cause.NO_FREE_GPU,
     "One machine has such GPUs, and none has 2 free now.", ""),
    (message("5 Insufficient nvidia.com/gpu", 0, 5), JOB, Cause.NO_NODE,
     "No machine of the cluster has 2 such GPUs, even with nothing else on it.", "Pick less."),
    # Two machines lack CPUs only: there the GPUs are free.
    (message("2 Insufficient cpu, 3 Insufficient nvidia.com/gpu", 5), LAB, Cause.NO_NODE,
     "2 machines have the 2 GPUs free, but not enough CPUs.", "with less of it the lab may"),
    # Both are lacking on the same machines.
    ("0/3 nodes are available: 3 Insufficient cpu, 3 Insufficient nvidia.com/gpu.", LAB,
     Cause.NO_FREE_GPU, "3 machines have such GPUs, and none has 2 free now.", ""),
    ("0/5 nodes are available: 2 Insufficient cpu, 5 Insufficient nvidia.com/gpu.", LAB,
     Cause.NO_FREE_GPU, "5 machines have such GPUs", ""),
    (message("2 Insufficient memory"), CPU, Cause.NO_NODE,
     "No machine has enough free memory now.", "The job starts as soon as one has."),
    (message("4 Insufficient cpu"), CPU, Cause.NO_NODE, "No machine has enough free CPUs now.", ""),
    ("0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory.", CPU, Cause.NO_NODE,
     "No machine has enough free memory or CPUs now.", ""),
    ("0/4 nodes are available: 1 Insufficient cpu, 4 Insufficient memory.", CPU, Cause.NO_NODE,
     "No machine has enough free memory now.", ""),
    (message("3 Insufficient ephemeral-storage"), CPU, Cause.NO_NODE,
     "No machine has enough room on its disk now.", ""),
    (message("3 Insufficient memory", 0, 3), CPU, Cause.NO_NODE,
     "No machine of the cluster has enough memory, even with nothing else on it.", ""),
    (message("3 Too many pods"), CPU, Cause.NO_NODE,
     "No machine has enough room for another pod now.", ""),
    (message("2 Insufficient rdma/hca, 1 node(s) were unschedulable"), CPU, Cause.NO_NODE,
     "No machine has enough of a device that it asks for now.", ""),
    (message("1 node(s) had untolerated taint {team: vision}, "
             f"2 {NOT_TYPE}"), JOB, Cause.NO_NODE,
     "The machines that could take a replica with 2 of this kind are kept for something else.",
     "the job does not tolerate team."),
    (message("3 node(s) had untolerated taint(s)", 0, 3), CPU, Cause.NO_NODE,
     "The machines that could take a replica are kept for something else.", "their taints"),
    (message(f"1 node(s) had untolerated taint(s), 3 {NOT_TYPE}", 0, 4), JOB, Cause.NO_NODE,
     "None of the cluster's 4 machines takes a replica with 2 of this kind now.", "One may be"),
    (message("2 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint {nvidia.com/gpu: "
             "present}", 2, 1), JOB, Cause.NO_FREE_GPU, "2 machines have such GPUs, and none has",
     "Other machines are kept for something else: the job does not tolerate nvidia.com/gpu."),
    (message("2 Insufficient nvidia.com/gpu, 2 node(s) had untolerated taint {nvidia.com/gpu: "
             "present}", 0, 4), JOB, Cause.NO_NODE, "No machine that it may use has 2 such GPUs",
     "tell the administrator: the job does not tolerate nvidia.com/gpu."),
    # The control plane takes nobody's work and is not counted.
    (message("1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, "
             f"3 {NOT_TYPE}"), LAB, Cause.NO_NODE,
     "None of the cluster's 3 machines takes a lab with 2 of this kind now.", "One may be added"),
    (message("1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, "
             "2 Insufficient nvidia.com/gpu"), LAB, Cause.NO_FREE_GPU,
     "2 machines have such GPUs, and none has 2 free now.", ""),
    (message("1 node(s) were unschedulable, 2 " + NOT_TYPE), LAB, Cause.NO_NODE,
     "One machine takes nothing new for now, and no other takes a lab with 2 of this kind.",
     "when one is ready again"),
    (message("2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, "
             "1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }"), CPU,
     Cause.NO_NODE, "3 machines take nothing new for now", ""),
    ("0/3 nodes are available: 3 node(s) had volume node affinity conflict.", LAB, Cause.VOLUME,
     "Storage is not ready on a machine that could take the lab.", "without the data volume"),
    (message("2 node(s) didn't match PersistentVolume's node affinity", 0, 2), JOB, Cause.VOLUME,
     "Storage is not ready on a machine that could take the job.", ""),
    (message("2 node(s) had no available volume zone"), JOB, Cause.VOLUME, "Storage is not", ""),
    (message("2 node(s) exceed max volume count"), JOB, Cause.VOLUME, "Storage is not ready", ""),
    (message("1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode "
             "already in-use by another pod"), LAB, Cause.VOLUME, "Storage is not ready", ""),
    # The one that can reach the volume is full; it is what can be waited for.
    (message("1 Insufficient nvidia.com/gpu, 4 node(s) had volume node affinity conflict"), LAB,
     Cause.NO_FREE_GPU, "One machine has such GPUs, and none has 2 free now.",
     "4 other machines have room, but cannot reach a data volume"),
    ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/3 "
     "nodes are available: 3 Preemption is not helpful for scheduling.", JOB, Cause.VOLUME,
     "Storage is not ready", "If it stays so"),
    # As 1.36 writes it.
    ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found", JOB,
     Cause.VOLUME, "Storage is not ready", "If it stays so"),
    (message("1 Insufficient cpu, 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated "
             "taint(s), 1 node(s) were unschedulable", 0, 4), JOB, Cause.NO_NODE,
     "No machine that it may use has enough CPUs or GPUs, even with nothing else on it.", ""),
    ('running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded', JOB,
     Cause.VOLUME, "Storage is not ready", ""),
    (message("3 node(s) didn't match pod topology spread constraints"), CPU, Cause.NO_NODE,
     "The machines with room must not take a replica beside what they run.", ""),
    (message("3 node(s) didn't match pod anti-affinity rules"), CPU, Cause.NO_NODE,
     "The machines with room must not take a replica", ""),
    (message("2 node(s) didn't have free ports for the requested pod ports"), CPU, Cause.NO_NODE,
     "The machines with room must not", ""),
    ("no nodes available to schedule pods", CPU, Cause.NO_NODE,
     "No machine of the cluster takes a replica now.", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wish", "cause", "said", "hint"), ROWS)
def test_the_dominant_cause(text: str, wish: Wish, cause: Cause, said: str, hint: str) -> None:
    """Named is what would let the pod go, were it lifted, and what can be done."""
    found = scheduling([{"reason": "FailedScheduling", "message": text}], wish).diagnosis

    assert found is not None
    assert (cause, False) == (found.cause, found.final)
    assert found.message.startswith(said)
    assert hint in found.hint
    assert found.hint.endswith(".")
    assert text[:300] == found.log[0]
    assert (Remedy.CPU in found.remedies) <= (wish.what == "lab" and wish.gpus > 0)


def test_a_lab_is_told_in_chinese_too() -> None:
    """Each sentence about a lab, and each hint, has a translation."""
    chinese = Words("zh-CN")
    for text, wish, *_ in ROWS:
        for patient in (True, False):
            asked = Wish("lab", wish.gpus, patient=patient)
            for more in ([], [{"reason": "NotTriggerScaleUp", "message": "max node group size"}]):
                told = [{"reason": "FailedScheduling", "message": text}, *more]
                found = scheduling(told, asked).diagnosis
                assert found
                for english in (found.message, found.hint):
                    said = re.sub(r"[CG]PUs?|nvidia.com/gpu|team", "", chinese.say(english))
                    assert not re.search("[A-Za-z]{2}", said), (english, said)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ('persistentvolumeclaim "grace" not found', "The storage of a volume does not exist."),
        ('persistentvolumeclaim "g" is being deleted', "The storage of a volume is being deleted."),
    ],
)
def test_a_claim_that_is_not_there(claim: str, said: str) -> None:
    """Waiting is vain without the claim."""
    for after in ("preemption: 0/3 nodes are available: 3 Preemption is not helpful.", "not found"):
        text = f"0/3 nodes are available: {claim}. {after}"
        found = scheduling([{"reason": "FailedScheduling", "note": text}], JOB).diagnosis
        assert found
        assert (Cause.VOLUME, True, said) == (found.cause, found.final, found.message)


MEMORY = message("2 Insufficient memory", 2)
TOO_MUCH = message("2 Insufficient memory", 0, 2)
SMALL = "pod didn't trigger scale-up: 1 Insufficient memory"


@pytest.mark.parametrize(
    ("wish", "text", "final"),
    [
        # Somebody gives it back some day.
        (CPU, MEMORY, False),
        (Wish("lab"), MEMORY, True),
        (Wish("lab", patient=True), MEMORY, False),
        # No machine has it, and none that has can be added.
        (CPU, TOO_MUCH, True),
        (JOB, message(f"3 {NOT_TYPE}"), True),
    ],
)
def test_no_machine_is_added(wish: Wish, text: str, final: bool) -> None:
    """When the autoscaler refuses, waiting helps only for what others hold."""
    told = [
        {"reason": "FailedScheduling", "message": text},
        {"reason": "NotTriggerScaleUp", "message": SMALL},
    ]
    found, again = scheduling(told, wish).diagnosis, scheduling([*told, told[0]], wish).diagnosis

    assert found
    assert again
    assert final == found.final
    assert "added" in found.hint + found.message


def test_names_of_gpus() -> None:
    """Parts of GPUs are GPUs; other devices are none."""
    gpus = ("nvidia.com/gpu", "nvidia.com/mig-3g.40gb", "amd.com/gpu", "gpu.intel.com/i915")

    assert all(map(is_gpu, gpus))
    assert not any(map(is_gpu, ("rdma/hca", "cpu", "memory", "example.com/fpga", "")))


_COUNTS = st.dictionaries(st.sampled_from(list(Why)), st.integers(1, 9), max_size=5)


@given(counts=_COUNTS, machines=st.integers(0, 60))
def test_only_is_never_too_many(counts: dict[Why, int], machines: int) -> None:
    """No more machines lack only one thing than lack it at all."""
    said = Declines(machines=machines, counts=counts)

    assert all(0 <= said.only(why) <= counts.get(why, 0) for why in LACKING)
    assert said.lacks == tuple(why for why in LACKING if why in counts)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """Whatever a scheduler with plugins of its own writes, there is an answer."""
    for whole in (text, f"0/3 nodes are available: {text}", f"0/3 nodes are available: 3 {text}."):
        assert declines(whole)
        assert scheduling([{"reason": "FailedScheduling", "message": whole}], JOB).diagnosis
