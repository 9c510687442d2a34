"""Events and states as clusters write them, and what a person reads."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dllab_hub.hub.words import Words
from dllab_hub.manifests.diagnosis import PLAIN, diagnose, refusal, say
from dllab_hub.specs import Cause, LabSpec, Remedy

GPU = "nvidia.com/gpu"
WEBHOOK = 'admission webhook "x" denied the request: 镜像'
CPU = LabSpec(image="torch")
GPUS = LabSpec(image="torch", gpus=2)
PATIENT = LabSpec(image="torch", gpus=2, wait=60)
OWN = LabSpec(image="custom", custom="registry.example.org/own/x:1")
TAKEN = (
    "0/5 nodes are available: 2 Insufficient nvidia.com/gpu, 3 node(s) didn't match Pod's node "
    "affinity/selector. preemption: 0/5 nodes are available: 2 No preemption victims found for "
    "incoming pod, 3 Preemption is not helpful for scheduling."
)
NO_TYPE = (
    "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. no new claims "
    "to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful."
)
FULL = "pod didn't trigger scale-up: 1 max node group size reached, 2 node(s) didn't match"
NEVER = "pod didn't trigger scale-up: 3 node(s) didn't match Pod's node affinity/selector"
MISSING = (
    'Failed to pull image "registry.example.org/own/x:1": rpc error: code = NotFound desc = failed '
    "to pull and unpack image: failed to resolve reference: registry.example.org/own/x:1: not found"
)
DENIED = (
    'Failed to pull image "x": failed to authorize: pull access denied, repository may require '
    "authorization: insufficient_scope: authorization failed"
)
SLOW = 'Failed to pull image "x": dial tcp 10.0.0.9:443: i/o timeout'
NO_CLAIM = '0/3 nodes are available: persistentvolumeclaim "grace" not found. preemption: 0/3'
UNBOUND = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0"

#: What happened (reason, text), of whom; the cause, whether waiting is vain, and the sentence.
ROWS: list[tuple[list[tuple[str, str]], LabSpec, Cause, bool, str]] = [
    ([("FailedScheduling", TAKEN)], GPUS, Cause.NO_FREE_GPU, False,
     "2 machines have such GPUs, and none has 2 free now."),
    ([("FailedScheduling", TAKEN), ("NotTriggerScaleUp", FULL)], GPUS, Cause.NO_FREE_GPU, True,
     "2 machines have such GPUs, and none has 2 free now."),
    ([("FailedScheduling", TAKEN), ("NotTriggerScaleUp", FULL)], PATIENT, Cause.NO_FREE_GPU, False,
     "2 machines have such GPUs"),
    ([("NotTriggerScaleUp", FULL), ("FailedScheduling", TAKEN)], GPUS, Cause.NO_FREE_GPU, True,
     "2 machines have such GPUs"),
    ([("FailedScheduling", TAKEN), ("TriggeredScaleUp", "x"), ("FailedScheduling", TAKEN)], GPUS,
     Cause.STARTING, False, "A machine is being added to the cluster"),
    ([("FailedScheduling", NO_TYPE)], GPUS, Cause.NO_NODE, False,
     "None of the cluster's 3 machines takes a lab with 2 of this kind now."),
    ([("FailedScheduling", NO_TYPE), ("NotTriggerScaleUp", NEVER)], PATIENT, Cause.NO_NODE, True,
     "No machine of this cluster has 2 of this kind, and none can be added."),
    ([("FailedScheduling", "0/2 nodes are available: 2 Insufficient memory. preemption: no")], CPU,
     Cause.NO_NODE, False, "No machine has enough free memory now."),
    ([("FailedScheduling", "no nodes available to schedule pods")], CPU, Cause.NO_NODE, False,
     "No machine of the cluster takes a lab now."),
    ([("FailedScheduling", NO_CLAIM)], CPU, Cause.VOLUME, True,
     "The storage of a data volume does not exist."),
    ([("FailedScheduling", UNBOUND)], CPU, Cause.VOLUME, False, "Storage is not ready"),
    ([("Scheduled", "x"), ("FailedMount", "MountVolume.SetUp failed: mount.nfs: Connection timed "
       "out")], CPU, Cause.VOLUME, False, "A data volume is not ready yet."),
    ([("Scheduled", "x"), ("Failed", MISSING)], OWN, Cause.IMAGE_PULL, True,
     "There is no such image in its registry."),
    ([("Failed", DENIED)], CPU, Cause.IMAGE_PULL, True,
     "The registry does not let the cluster have this image."),
    ([("Failed", SLOW)], CPU, Cause.IMAGE_PULL, False, "The image cannot be downloaded now"),
    ([("Failed", 'Failed to pull image "x": write: no space left on device')], CPU,
     Cause.DISK_FULL, False, "The machine has no room for the image."),
]  # fmt: skip


def events(*told: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"reason": reason, "message": text} for reason, text in told]


@pytest.mark.parametrize(("told", "spec", "cause", "final", "said"), ROWS)
def test_events_become_a_sentence(
    told: list[tuple[str, str]], spec: LabSpec, cause: Cause, final: bool, said: str
) -> None:
    """Each cause is named, says whether waiting helps, and offers something to do."""
    found = diagnose(events(*told), None, spec)

    assert found is not None
    assert (cause, final) == (found.cause, found.final)
    assert found.message.startswith(said)
    assert found.remedies


def test_what_is_over_is_forgotten() -> None:
    """A machine that was found, or storage that came, ends the complaint about it."""
    assert diagnose(events(("FailedScheduling", TAKEN), ("Scheduled", "x")), None, GPUS) is None
    assert diagnose(events(("FailedMount", "x"), ("Pulled", "x")), None, GPUS) is None
    assert diagnose([], None, GPUS) is None


def test_the_registrys_reason_stays() -> None:
    """The kubelet's repetitions, which do not say why, hide nothing."""
    told = [("Failed", MISSING), ("Failed", "Error: ErrImagePull"), ("BackOff", "Back-off pulling")]
    again = status(state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}})
    for pod in (None, again):
        found = diagnose(events(*told, ("Failed", "Error: ImagePullBackOff")), pod, OWN)
        assert found
        assert found.final
        assert "There is no such image in its registry. It says: not found." == found.message


def test_only_gpu_labs_are_offered_the_cpu() -> None:
    """A lab without GPUs is not told to take fewer."""
    text = "0/2 nodes are available: 2 Too many pods."
    cpu, gpu = (diagnose(events(("FailedScheduling", text)), None, spec) for spec in (CPU, GPUS))

    assert cpu
    assert gpu
    assert (False, True) == (Remedy.CPU in cpu.remedies, Remedy.CPU in gpu.remedies)


def status(name: str = "notebook", init: bool = False, **state: Any) -> dict[str, Any]:
    entry = {"name": name, "state": {}, **state}
    return {"status": {"initContainerStatuses" if init else "containerStatuses": [entry]}}


def ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


PODS: list[tuple[dict[str, Any], LabSpec, Cause, bool, str]] = [
    (status(state=ended(1, "Traceback\nValueError: no")), CPU, Cause.CRASHED, True,
     "The lab's server ended while it started (exit code 1)."),
    (status(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ended(127)), OWN,
     Cause.CRASHED, True, "The lab's server had nothing to run."),
    (status(state=ended(137, reason="OOMKilled")), CPU, Cause.OUT_OF_MEMORY, True,
     "The lab needed more memory than it has"),
    (status(state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off: not found"}}),
     CPU, Cause.IMAGE_PULL, True, "There is no such image"),
    (status(state={"waiting": {"reason": "InvalidImageName", "message": "parse"}}),
     OWN, Cause.IMAGE_PULL, True, "There is no such image"),
    (status(state={"waiting": {"reason": "CreateContainerConfigError", "message": "secret"}}),
     CPU, Cause.CRASHED, True, "The container cannot be started."),
    (status("packages", True, state=ended(1, "ERROR: No matching distribution found for numpyy")),
     CPU, Cause.CRASHED, True,
     "Your packages cannot be installed: No matching distribution found for numpyy"),
    (status("block-cloud-metadata", True, state=ended(2)), CPU, Cause.CRASHED, True,
     "The lab's server ended"),
    ({"status": {"phase": "Failed", "reason": "Evicted",
                 "message": "The node was low on resource: ephemeral-storage."}},
     CPU, Cause.DISK_FULL, True, "The machine's disk is full"),
    ({"status": {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "gpu"}},
     GPUS, Cause.NO_NODE, True, "The machine that was found could not take the lab."),
]  # fmt: skip


@pytest.mark.parametrize(("pod", "spec", "cause", "final", "said"), PODS)
def test_a_pods_state_becomes_a_sentence(
    pod: dict[str, Any], spec: LabSpec, cause: Cause, final: bool, said: str
) -> None:
    """Crashes, missing images and evictions are told apart, with what was said last."""
    found = diagnose([], pod, spec)

    assert found is not None
    assert (cause, final) == (found.cause, found.final)
    assert found.message.startswith(said)


@pytest.mark.parametrize(
    "pod",
    [
        status("packages", True, state=ended(0)),
        status(state={"waiting": {"reason": "ContainerCreating"}}),
        status(state={"running": {}}),
        {"status": {}},
        {},
    ],
)
def test_a_pod_on_its_way_is_no_trouble(pod: dict[str, Any]) -> None:
    """Nothing is said while everything goes well."""
    assert diagnose([], pod, CPU) is None


def test_a_crash_shows_its_last_lines() -> None:
    """At most twenty, each of a sentence's length."""
    text = "\n".join(f"line {number} " + "x" * 500 for number in range(90))
    found = diagnose([], status(state=ended(1, text)), CPU)

    assert found
    assert 20 == len(found.log)
    assert found.log[-1].startswith("line 89 ")
    assert 300 == len(found.log[-1])


def test_good_news_is_said_too() -> None:
    """Each step of a start is a plain sentence; what helps nobody is left out."""
    first = {"fieldPath": "spec.initContainers{packages}"}

    assert "A machine was found" == say({"reason": "Scheduled", "message": "x"}, CPU)
    assert "Installing your packages, which can take minutes" == say(
        {"reason": "Started", "message": "x", "involvedObject": first}, CPU
    )
    assert "Starting Jupyter Server" == say({"reason": "Started", "message": None}, CPU)
    assert say({"reason": "Whatever", "message": "x"}, CPU) is None


REFUSALS = [
    (403, 'pods "x" is forbidden: exceeded quota: gpu, requested: requests.nvidia.com/gpu=2',
     Cause.QUOTA, "This is more than the cluster's quota has left now."),
    (403, 'violates PodSecurity "restricted:latest"', Cause.CRASHED,
     "The cluster's security rules refuse this lab."),
    (403, 'pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi',
     Cause.CRASHED, "The cluster's limits refuse this lab: maximum memory usage per"),
    (422, "Invalid value", Cause.CRASHED, "The cluster refuses this lab."),
    (503, "", Cause.STARTING, "The cluster does not answer"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text", "cause", "said"), REFUSALS)
def test_a_refusal_becomes_a_sentence(code: int, text: str, cause: Cause, said: str) -> None:
    """A quota is told from what only an administrator can mend."""
    found = refusal(code, json.dumps({"kind": "Status", "message": text}))

    assert (cause, True) == (found.cause, found.final)
    assert found.message.startswith(said)


@pytest.mark.parametrize("body", ["", "<html>", "[]", "null", '{"message": 3}'])
def test_a_refusal_that_is_no_status_is_read_too(body: str) -> None:
    """A proxy in between answers what it likes."""
    assert refusal(502, body).final


QUOTA = (
    "exceeded quota: q, requested: requests.{0}={1}, used: requests.{0}={2}, limited: "
    "requests.{0}=8"
)
#: What is no English: names, units, and what a registry or pip has said.
_NAMES = re.compile(
    r"GPUs?|CPUs?|GiB|JupyterLab|jupyterhub-singleuser|HTTPS|Jupyter Server|not found|root"
    r"|authorization failed|pull access denied|No matching distribution found for numpyy"
    r"|nvidia.com/gpu"
)


def test_the_progress_page_is_chinese_too() -> None:
    """All that a lab's start on a cluster can say is said in the person's language."""
    told = [diagnose(events(*told), None, spec) for told, spec, *_ in ROWS]
    told += [diagnose([], pod, spec) for pod, spec, *_ in PODS if "packages" not in str(pod)]
    texts = [text for _, text, *_ in REFUSALS if "maximum" not in text]  # In the cluster's words.
    texts += [QUOTA.format(name, *n) for name in (GPU, "cpu") for n in ((2, 7), (9, 0), (1, 8))]
    texts += [
        QUOTA.format("memory", "2Gi", 7),
        "failed quota: q: must specify limits.memory for: x",
    ]
    told += [refusal(403, json.dumps({"message": text})) for text in (*texts, WEBHOOK)]
    plain = [say(event, CPU) for event in events(*((reason, "") for reason in PLAIN))]
    chinese = Words("zh-CN")
    for found in told:
        assert found
        for text in (found.message, found.hint):
            said = _NAMES.sub("", chinese.say(text))
            assert not re.search("[A-Za-z]{2}", said), (text, said)
    assert not [text for text in plain if chinese.say(str(text)) == text]
