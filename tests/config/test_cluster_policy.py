"""The policy of config/kubernetes on a real API server: our jobs pass it, and no other does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from fenced_place import KUBECONFIG, PATHS, SETS, Place, a_set, without_owner

from dllab_hub.manifests.gang import set_name

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]


def template(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = made["spec"]["replicatedJobs"][-1]["template"]["spec"]["template"]
    return found


def pod(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template(made)["spec"]
    return found


def worker(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod(made)["containers"][0]
    return found


def shared(made: dict[str, Any]) -> dict[str, Any]:
    """The mount of the directory that all jobs' directories are in."""
    (name,) = (
        volume["name"]
        for volume in pod(made)["volumes"]
        if volume.get("persistentVolumeClaim") == {"claimName": "jobs"}
    )
    return next(mount for mount in worker(made)["volumeMounts"] if mount["name"] == name)


def team(made: dict[str, Any]) -> dict[str, Any]:
    """The mount of a claim of which each person has a directory."""
    return next(mount for mount in worker(made)["volumeMounts"] if mount["name"] == "data-team")


def more(made: dict[str, Any], path: str = "", **source: Any) -> None:
    """One more volume, and a mount of it."""
    pod(made)["volumes"].append({"name": "x", **source})
    mount = {"name": "x", "mountPath": "/x", **({"subPath": path} if path else {})}
    worker(made)["volumeMounts"].append(mount)


def tolerate(made: dict[str, Any], **taint: Any) -> None:
    pod(made)["tolerations"].append(taint)


def called(made: dict[str, Any], id: str, name: str) -> None:
    """A job of another id, whole, and the name of its JobSet."""
    old = made["metadata"]["labels"]["dllab-hub/job"]
    text = json.dumps(made).replace(old, id)
    made.clear()
    made.update(json.loads(text))
    made["metadata"]["name"] = name


@pytest.mark.parametrize("name", ["single", "allreduce", "ps", "custom"])
async def test_our_jobs_pass(place: Place, name: str) -> None:
    """Every strategy, with volumes, GPUs and words of a person on it."""
    assert (201, "") == await place.offer(a_set(place, name))


IMAGES = "Jobs may not have the image "
OWNER = "A job says whose it is, on its JobSet and in the same words on all of its pods."
NAMED = "A JobSet has the name that follows from its job's id."
VOLUMES = "A job mounts claims, CSI volumes of the drivers that the policy names, without a secret,"
CLAIMS = "A job mounts other claims as the policy names them only."
PLACE = "A job has no place of its choice, and no setting of pods that ours do not have."
SHARED = "A job mounts its own directories of the shared claim only."
LITERAL = "The environment of a job is literal, but for fields of its own pod."
ACCOUNT = "A job has no account of the cluster."
NODE = "A job has nothing of its node's own"
RIGHTS = "A job runs without any right, as somebody who is not root."
_SECRET = {"secretKeyRef": {"name": "hub", "key": "token"}}
_MAP = {"configMapRef": {"name": "hub"}}
_SHELL = {"name": "first", "command": ["sh"]}

#: What is done to one of our jobs -> what the API server says to it.
FORBIDDEN: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a foreign image": (lambda s: worker(s).update(image="registry.example.org/x:1"), IMAGES),
    "an image whose name begins alike": (
        lambda s: worker(s).update(image="registry.example.org/lab-evil/x:1"), IMAGES),
    "no image": (lambda s: worker(s).pop("image"), IMAGES),
    "a foreign image before it": (
        lambda s: pod(s).setdefault("initContainers", []).append(
            {**_SHELL, "image": "docker.io/x:1", "securityContext": worker(s)["securityContext"]}),
        IMAGES),
    "no owner": (without_owner, OWNER),
    "no job": (lambda s: s["metadata"]["labels"].pop("dllab-hub/job"), OWNER),
    "no person": (lambda s: s["metadata"].pop("annotations"), OWNER),
    "pods of somebody else": (
        lambda s: template(s)["metadata"]["labels"].update({"dllab-hub/owner": "grace"}), OWNER),
    "pods in the name of somebody else": (
        lambda s: template(s)["metadata"]["annotations"].update({"dllab-hub/owner": "g"}), OWNER),
    "pods of another job": (
        lambda s: template(s)["metadata"]["labels"].update({"dllab-hub/job": "x"}), OWNER),
    "another name": (lambda s: s["metadata"].update(name="t-other-b2c3d4f"), NAMED),
    "another job's name": (lambda s: s["metadata"].update(name="t-digits-b2c3d4g"), NAMED),
    "no name of a job's": (lambda s: s["metadata"].update(name="digits-b2c3d4f"), NAMED),
    "an id that is none": (lambda s: called(s, "b2c3d4f", "t-b2c3d4f"), NAMED),
    "NFS": (lambda s: more(s, nfs={"server": "10.0.0.5", "path": "/"}), VOLUMES),
    "a foreign driver": (lambda s: more(s, csi={"driver": "hostpath.csi.k8s.io"}), VOLUMES),
    "a foreign claim": (
        lambda s: more(s, persistentVolumeClaim={"claimName": "grace"}), CLAIMS),
    "a claim whose name begins alike": (
        lambda s: more(s, "homes/ada", persistentVolumeClaim={"claimName": "team2"}), CLAIMS),
    "everybody's directory": (lambda s: team(s).pop("subPath"), CLAIMS),
    "everybody's directory by its name": (lambda s: team(s).update(subPath="homes"), CLAIMS),
    "everybody's directory by a dot": (lambda s: team(s).update(subPath="homes/."), CLAIMS),
    "everybody's directory by a slash": (lambda s: team(s).update(subPath="homes//"), CLAIMS),
    "a way out of a claim's directory": (
        lambda s: team(s).update(subPath="homes/../all"), CLAIMS),
    "more than the one directory": (lambda s: team(s).update(subPath="all/sets2"), CLAIMS),
    "a claim's directory that a variable names": (
        lambda s: team(s).update(subPathExpr=team(s).pop("subPath")), CLAIMS),
    "a directory of the node": (
        lambda s: pod(s)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), VOLUMES),
    "a secret as a volume": (
        lambda s: pod(s)["volumes"].append({"name": "x", "secret": {"secretName": "x"}}), VOLUMES),
    "a token as a volume": (
        lambda s: pod(s)["volumes"].append({"name": "x", "projected": {"sources": [
            {"serviceAccountToken": {"path": "token"}}]}}), VOLUMES),
    "two volumes in one": (
        lambda s: pod(s)["volumes"].append(
            {"name": "x", "emptyDir": {}, "hostPath": {"path": "/"}}), VOLUMES),
    "a volume that a secret opens": (
        lambda s: pod(s)["volumes"].append({"name": "x", "csi": {
            "driver": "s3.csi.example.org", "nodePublishSecretRef": {"name": "s"}}}), VOLUMES),
    "claims that the JobSet makes": (
        lambda s: s["spec"].update(volumeClaimPolicies=[{"templates": [
            {"metadata": {"name": "x"}, "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}}}}]}]), VOLUMES),
    "all jobs' directories": (lambda s: shared(s).pop("subPath"), SHARED),
    "another job's directory": (lambda s: shared(s).update(subPath="jobs/x-b2c3d4g/run"), SHARED),
    "what the lab service keeps of it": (
        lambda s: shared(s).update(subPath=shared(s)["subPath"].removesuffix("/run")), SHARED),
    "a directory whose name begins alike": (
        lambda s: shared(s).update(subPath=shared(s)["subPath"] + "x"), SHARED),
    "a way out of its directory": (
        lambda s: shared(s).update(subPath=shared(s)["subPath"] + "/../.."), SHARED),
    "another person's event files": (
        lambda s: shared(s).update(subPath="tensorboard/grace/digits-b2c3d4f"), SHARED),
    "a directory that a variable names": (
        lambda s: shared(s).update(subPathExpr=shared(s).pop("subPath")), SHARED),
    "a variable of a secret": (
        lambda s: worker(s)["env"].append({"name": "X", "valueFrom": _SECRET}), LITERAL),
    "a variable of the node's size": (
        lambda s: worker(s)["env"].append(
            {"name": "X", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}),
        LITERAL),
    "all variables of a map": (lambda s: worker(s).update(envFrom=[_MAP]), LITERAL),
    "an account": (lambda s: pod(s).update(serviceAccountName="default"), ACCOUNT),
    "an account by its old name": (lambda s: pod(s).update(serviceAccount="default"), ACCOUNT),
    "a token": (lambda s: pod(s).update(automountServiceAccountToken=True), ACCOUNT),
    "a token that is not refused": (
        lambda s: pod(s).pop("automountServiceAccountToken"), ACCOUNT),
    "the node's network": (lambda s: pod(s).update(hostNetwork=True), NODE),
    "the node's processes": (lambda s: pod(s).update(hostPID=True), NODE),
    "the node's memory": (lambda s: pod(s).update(hostIPC=True), NODE),
    "a port of the node": (
        lambda s: worker(s).update(ports=[{"containerPort": 1, "hostPort": 1}]), NODE),
    "a node": (lambda s: pod(s).update(nodeName="node-0"), PLACE),
    "a node by its label": (
        lambda s: pod(s).update(nodeSelector={"kubernetes.io/hostname": "node-0"}), PLACE),
    "nodes that it likes": (lambda s: pod(s).update(affinity={"nodeAffinity": {}}), PLACE),
    "every taint": (lambda s: tolerate(s, operator="Exists"), PLACE),
    "every taint of an effect": (
        lambda s: tolerate(s, operator="Exists", effect="NoSchedule"), PLACE),
    "the taint of the cluster's own nodes": (
        lambda s: tolerate(s, key="node-role.kubernetes.io/control-plane", operator="Exists"),
        PLACE),
    "a lost node for ever": (
        lambda s: tolerate(
            s, key="node.kubernetes.io/unreachable", operator="Exists", effect="NoExecute"),
        PLACE),
    "another scheduler": (lambda s: pod(s).update(schedulerName="x"), PLACE),
    "another runtime": (lambda s: pod(s).update(runtimeClassName="nvidia"), PLACE),
    "a device that no quota counts": (
        lambda s: pod(s).update(resourceClaims=[{"name": "x", "resourceClaimName": "x"}]), PLACE),
    "a place of JobSet's choice": (
        lambda s: s["metadata"]["annotations"].update(
            {"alpha.jobset.sigs.k8s.io/exclusive-topology": "kubernetes.io/hostname"}), PLACE),
    "the priority of the cluster": (
        lambda s: pod(s).update(priorityClassName="system-node-critical"), NODE),
    "a privileged container": (
        lambda s: worker(s)["securityContext"].update(privileged=True), RIGHTS),
    "ways to become root": (
        lambda s: worker(s)["securityContext"].pop("allowPrivilegeEscalation"), RIGHTS),
    "one more capability": (
        lambda s: worker(s)["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]), RIGHTS),
    "all capabilities": (lambda s: worker(s)["securityContext"].pop("capabilities"), RIGHTS),
    "root in a container": (lambda s: worker(s)["securityContext"].update(runAsUser=0), RIGHTS),
    "root": (lambda s: pod(s)["securityContext"].update(runAsUser=0), RIGHTS),
    "perhaps root": (lambda s: pod(s)["securityContext"].pop("runAsNonRoot"), RIGHTS),
    "no filter of system calls": (
        lambda s: pod(s)["securityContext"].update(seccompProfile={"type": "Unconfined"}), RIGHTS),
    "no security at all": (lambda s: pod(s).pop("securityContext"), RIGHTS),
}  # fmt: skip


#: What may be on a job beside, as the policy names it.
ALLOWED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a driver": lambda s: more(s, csi={"driver": "s3.csi.example.org"}),
    "one directory of a claim": lambda s: team(s).update(subPath="all/sets"),
    "a part of a claim that is open": (
        lambda s: more(s, "a/b", persistentVolumeClaim={"claimName": "sets"})),
    "a place of Kueue's choice": (
        lambda s: pod(s).update(nodeSelector={"example.org/pool": "gpus"})),
    "a taint of Kueue's choice": (
        lambda s: tolerate(s, key="nvidia.com/gpu", operator="Equal", value="present")),
    "a name": lambda s: called(s, "a-b2c3d4f", "t-a-b2c3d4f"),
    "a long name": (
        lambda s: called(s, f"a{'-' * 30}b-b2c3d4f", "t-a-b2c3d4f")),
    "a name that is cut": (
        lambda s: called(s, f"{'9' * 40}-b2c3d4f", f"t-{'9' * 22}-b2c3d4f")),
}  # fmt: skip


async def test_what_the_administrator_names_passes(place: Place) -> None:
    """Drivers, directories of claims, places; and every name that a job has."""
    wrong = {}
    for what, change in ALLOWED.items():
        changed = a_set(place)
        change(changed)
        assert changed["metadata"]["name"] == set_name(
            changed["metadata"]["labels"]["dllab-hub/job"]
        )
        status, said = await place.offer(changed)
        if status != 201:
            wrong[what] = status, said
    assert {} == wrong


async def test_no_other_job_passes(place: Place) -> None:
    """One thing is wrong with a job of ours, and the answer is the sentence about that."""
    wrong = {}
    for what, (spoil, expected) in FORBIDDEN.items():
        spoilt = a_set(place)
        spoil(spoilt)
        status, said = await place.offer(spoilt)
        if status != 422 or f"denied request: {expected}" not in said:
            wrong[what] = status, said
    assert {} == wrong


async def test_a_job_stays_its_owners(place: Place) -> None:
    """Labels of a job that is there cannot be changed, not even all of them alike."""
    made = a_set(place, "single")
    made["spec"]["suspend"] = True
    status, said = await place.ask("POST", SETS.format(place.name), made, hub=True)
    assert status == 201, said
    path = f"{SETS.format(place.name)}/{made['metadata']['name']}"

    for where in (made["metadata"], template(made)["metadata"]):
        where["labels"]["dllab-hub/owner"] = "grace"
    theirs = {"metadata": {"labels": made["metadata"]["labels"]}, "spec": made["spec"]}
    status, said = await place.ask("PATCH", path, theirs, hub=True)
    assert (422, True) == (status, "A job stays its owner's." in said["message"]), said
    status, said = await place.ask(
        "PATCH", path, {"spec": {"ttlSecondsAfterFinished": 60}}, hub=True
    )
    assert status == 200, said
    status, _ = await place.ask("DELETE", path, hub=True)
    assert status == 200


async def test_its_words_have_types(place: Place) -> None:
    """Kubernetes has held every expression against JobSet's schema, and has nothing to say."""
    path = f"{PATHS['ValidatingAdmissionPolicy']}/{place.name}"
    give_up = time.monotonic() + 30
    while "typeChecking" not in (found := (await place.ask("GET", path))[1]).get("status", {}):
        if time.monotonic() > give_up:
            pytest.skip("no controller manager looks at policies here")
        await asyncio.sleep(0.3)
    assert {} == found["status"]["typeChecking"]
