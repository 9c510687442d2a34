"""The serving policy of config/kubernetes on a real API server: nothing but ours passes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fenced_place import KUBECONFIG, Place
from fenced_serving import a_replica, an_inspection, offer, one_of

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]

_Object = dict[str, Any]


def template(made: _Object) -> _Object:
    """Of a Deployment's pods; a pod is its own."""
    found: _Object = made if made["kind"] == "Pod" else made["spec"]["template"]
    return found


def pod(made: _Object) -> _Object:
    found: _Object = template(made)["spec"]
    return found


def server(made: _Object) -> _Object:
    found: _Object = pod(made)["containers"][0]
    return found


def model(made: _Object) -> _Object:
    """The mount of the model."""
    found: _Object = server(made)["volumeMounts"][0]
    return found


def predictor(made: _Object) -> _Object:
    found: _Object = made["spec"]["predictor"]
    return found


def of(made: _Object, person: str) -> _Object:
    """The owner's labels, wherever they have to be."""
    for where in (made, template(made)):
        where["metadata"]["labels"]["dllab-hub/owner"] = person
    return made


def probe(made: _Object, **how: Any) -> None:
    server(made)["readinessProbe"] = {**how, "periodSeconds": 2}


def device(made: _Object) -> None:
    """The claim as a disk."""
    claim = pod(made)["volumes"][0]["persistentVolumeClaim"]
    pod(made)["volumes"].append({"name": "disk", "persistentVolumeClaim": claim})
    server(made)["volumeDevices"] = [{"name": "disk", "devicePath": "/dev/x"}]


OWNER = "A deployment says whose it is, on each of its objects and in the same words on its pods."
NAMED = "An object has the name that follows from its deployment's."
IMAGES = "Models may not be served in the image "
SHAPE = "A replica has one container, and no setting of pods that ours do not have."
PROGRAM = "A replica runs our model server, or looks into a model, and nothing else."
VOLUMES = "A replica mounts the shared claim, read-only, and empty directories only."
MOUNTS = "A replica mounts one version of a model of its owner's only, read-only, where ours do."
LITERAL = "The environment of a replica is literal, and has our names only."
ACCOUNT = "A replica has no account of the cluster."
NODE = "A replica has nothing of its node's own, neither network, processes nor ports, and none of"
PLACE = "A replica has no place of its choice."
RIGHTS = "A replica runs without any right, as somebody who is not root, and changes nothing of its"
FINDS = "A deployment's objects find its own pods only."
INSIDE = "A Service leads to pods from inside the cluster only."
MANY = "A deployment has as many replicas as the policy says at most."
SCALES = "An autoscaler looks after its own deployment only."
KSERVE = "An InferenceService, or a ServingRuntime, says what ours say."
_SECRET = {"secretKeyRef": {"name": "hub", "key": "token"}}
_MAP = {"configMapRef": {"name": "hub"}}
#: A second container, with which nothing else is wrong.
_MORE = {
    "name": "more", "image": "registry.example.org/lab/x:1",
    "securityContext": {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    },
}  # fmt: skip
_Change = tuple[Callable[[_Object], Any], str]

#: What is done to a Deployment of ours -> what the API server says to it.
DEPLOYMENTS: dict[str, _Change] = {
    "no owner": (lambda d: d["metadata"]["labels"].pop("dllab-hub/owner"), OWNER),
    "no person": (lambda d: d["metadata"].pop("annotations"), OWNER),
    "no deployment": (lambda d: d["metadata"]["labels"].pop("dllab-hub/deployment"), OWNER),
    "pods in the name of somebody else": (
        lambda d: template(d)["metadata"]["annotations"].update({"dllab-hub/owner": "g"}), OWNER),
    "a deployment that inspects": (
        lambda d: d["metadata"]["labels"].update({"dllab-hub/inspection": "0a"}), OWNER),
    "another deployment's name": (
        lambda d: d["metadata"].update(name="s-other-4620b5474b"), NAMED),
    "no name of a deployment's": (lambda d: d["metadata"].update(name="digits"), NAMED),
    "a name without the person's part": (
        lambda d: d["metadata"].update(name="s-digits-x"), NAMED),
    "a foreign image": (lambda d: server(d).update(image="docker.io/x:1"), IMAGES),
    "an image whose name begins alike": (
        lambda d: server(d).update(image="registry.example.org/lab-evil/x:1"), IMAGES),
    "one more container": (lambda d: pod(d)["containers"].append(_MORE), SHAPE),
    "a container before it": (lambda d: pod(d).update(initContainers=[_MORE]), SHAPE),
    "a node": (lambda d: pod(d).update(nodeName="node-0"), SHAPE),
    "nodes that it likes": (lambda d: pod(d).update(affinity={"nodeAffinity": {}}), SHAPE),
    "another scheduler": (lambda d: pod(d).update(schedulerName="x"), SHAPE),
    "another runtime": (lambda d: pod(d).update(runtimeClassName="nvidia"), SHAPE),
    "names of its own": (
        lambda d: pod(d).update(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["hub"]}]), SHAPE),
    "a secret that pulls": (
        lambda d: pod(d).update(imagePullSecrets=[{"name": "theirs"}]), SHAPE),
    "a device": (device, SHAPE),
    "another program": (lambda d: server(d).update(command=["sh", "-c", "id"]), PROGRAM),
    "no program": (lambda d: server(d).pop("command"), PROGRAM),
    "a program's words": (lambda d: server(d).update(args=["x"]), PROGRAM),
    "modules that lie beside": (
        lambda d: server(d).update(
            command=["python3", "-m", "dllab_hub.runtime.model_server"]), PROGRAM),
    "an inspection that stays": (
        lambda d: server(d).update(
            command=["python3", "-P", "-m", "dllab_hub.runtime.inspect_model",
                     "/dllab/model/x"]), PROGRAM),
    "a program that asks whether it is well": (
        lambda d: probe(d, exec={"command": ["sh"]}), PROGRAM),
    "a question to somebody else": (
        lambda d: probe(d, httpGet={"host": "10.0.0.1", "path": "/", "port": 80}), PROGRAM),
    "a program at its start": (
        lambda d: server(d)["lifecycle"].update(postStart={"exec": {"command": ["sh"]}}), PROGRAM),
    "a program at its end": (
        lambda d: server(d)["lifecycle"].update(preStop={"exec": {"command": ["sh"]}}), PROGRAM),
    "a foreign claim": (
        lambda d: pod(d)["volumes"][0]["persistentVolumeClaim"].update(claimName="grace"),
        VOLUMES),
    "a claim to write": (
        lambda d: pod(d)["volumes"][0]["persistentVolumeClaim"].pop("readOnly"), VOLUMES),
    "a map as a volume": (
        lambda d: pod(d)["volumes"].append({"name": "x", "configMap": {"name": "hub"}}), VOLUMES),
    "a directory of the node": (
        lambda d: pod(d)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), VOLUMES),
    "a secret as a volume": (
        lambda d: pod(d)["volumes"].append({"name": "x", "secret": {"secretName": "x"}}), VOLUMES),
    "a token as a volume": (
        lambda d: pod(d)["volumes"].append({"name": "x", "projected": {"sources": [
            {"serviceAccountToken": {"path": "token"}}]}}), VOLUMES),
    "all that is on the claim": (lambda d: model(d).pop("subPath"), MOUNTS),
    "another person's model": (lambda d: model(d).update(subPath="models/grace/digits/1"), MOUNTS),
    "all versions of a model": (
        lambda d: model(d).update(subPath=model(d)["subPath"].rpartition("/")[0]), MOUNTS),
    "what is not published yet": (
        lambda d: model(d).update(subPath=model(d)["subPath"].rpartition("/")[0] + "/.new-x"),
        MOUNTS),
    "a directory that a variable names": (
        lambda d: model(d).update(subPathExpr=model(d).pop("subPath")), MOUNTS),
    "a model that can be written": (lambda d: model(d).pop("readOnly"), MOUNTS),
    "a model in the place of modules": (
        lambda d: model(d).update(mountPath="/usr/lib/python3/dist-packages"), MOUNTS),
    "an empty directory in the place of programs": (
        lambda d: server(d)["volumeMounts"][1].update(mountPath="/usr"), MOUNTS),
    "a variable of a secret": (
        lambda d: server(d)["env"].append({"name": "DLLAB_X", "valueFrom": _SECRET}), LITERAL),
    "all variables of a map": (lambda d: server(d).update(envFrom=[_MAP]), LITERAL),
    "modules that a variable names": (
        lambda d: server(d)["env"].append({"name": "PYTHONPATH", "value": "/dllab/model"}),
        LITERAL),
    "a library that a variable names": (
        lambda d: server(d)["env"].append({"name": "LD_PRELOAD", "value": "/dllab/model/x.so"}),
        LITERAL),
    "GPUs that nobody counts": (
        lambda d: server(d)["env"].append({"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}),
        LITERAL),
    "an account": (lambda d: pod(d).update(serviceAccountName="default"), ACCOUNT),
    "a token": (lambda d: pod(d).update(automountServiceAccountToken=True), ACCOUNT),
    "a token that is not refused": (
        lambda d: pod(d).pop("automountServiceAccountToken"), ACCOUNT),
    "the node's network": (lambda d: pod(d).update(hostNetwork=True), NODE),
    "the node's processes": (lambda d: pod(d).update(hostPID=True), NODE),
    "the node's memory": (lambda d: pod(d).update(hostIPC=True), NODE),
    "a port of the node": (lambda d: server(d)["ports"][0].update(hostPort=8080), NODE),
    "the priority of the cluster": (
        lambda d: pod(d).update(priorityClassName="system-node-critical"), NODE),
    "a node by its label": (
        lambda d: pod(d).update(nodeSelector={"kubernetes.io/hostname": "node-0"}), PLACE),
    "every taint": (lambda d: pod(d)["tolerations"].append({"operator": "Exists"}), PLACE),
    "a lost node for ever": (
        lambda d: pod(d)["tolerations"].append(
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists",
             "effect": "NoExecute"}), PLACE),
    "a privileged container": (
        lambda d: server(d)["securityContext"].update(
            privileged=True, allowPrivilegeEscalation=True), RIGHTS),
    "ways to become root": (
        lambda d: server(d)["securityContext"].pop("allowPrivilegeEscalation"), RIGHTS),
    "one more capability": (
        lambda d: server(d)["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]), RIGHTS),
    "all capabilities": (lambda d: server(d)["securityContext"].pop("capabilities"), RIGHTS),
    "an image that can be changed": (
        lambda d: server(d)["securityContext"].pop("readOnlyRootFilesystem"), RIGHTS),
    "root in a container": (lambda d: server(d)["securityContext"].update(runAsUser=0), RIGHTS),
    "root": (lambda d: pod(d)["securityContext"].update(runAsUser=0), RIGHTS),
    "perhaps root": (lambda d: pod(d)["securityContext"].pop("runAsNonRoot"), RIGHTS),
    "no filter of system calls": (
        lambda d: pod(d)["securityContext"].update(seccompProfile={"type": "Unconfined"}), RIGHTS),
    "no security at all": (lambda d: pod(d).pop("securityContext"), RIGHTS),
    "pods of all deployments of a person": (
        lambda d: d["spec"]["selector"]["matchLabels"].pop("dllab-hub/deployment"), FINDS),
    "too many replicas": (lambda d: d["spec"].update(replicas=33), MANY),
}  # fmt: skip

#: The same of a pod: somebody makes one without a Deployment.
PODS: dict[str, _Change] = {
    "a foreign image": (lambda p: server(p).update(image="docker.io/x:1"), IMAGES),
    "a name of one's own": (lambda p: p["metadata"].update(name="shell"), NAMED),
    "a name of an inspection": (lambda p: p["metadata"].update(name="i-0a1b"), NAMED),
    "another program": (lambda p: server(p).update(command=["sh"]), PROGRAM),
    "a node": (lambda p: pod(p).update(nodeName="node-0"), SHAPE),
    "another person's model": (lambda p: of(p, "grace"), MOUNTS),
    "one more container": (lambda p: pod(p)["containers"].append(_MORE), SHAPE),
}  # fmt: skip

INSPECTIONS: dict[str, _Change] = {
    "no owner": (lambda p: p["metadata"]["labels"].pop("dllab-hub/owner"), OWNER),
    "pods that a Service finds": (
        lambda p: p["metadata"]["labels"].update({"dllab-hub/deployment": "digits"}), OWNER),
    "another name": (lambda p: p["metadata"].update(name="shell"), NAMED),
    "another program": (lambda p: server(p).update(command=["python3", "-c", "x"]), PROGRAM),
    "a program's words": (lambda p: server(p).update(args=["x"]), PROGRAM),
    "another file": (lambda p: server(p)["command"].append("/etc/passwd"), PROGRAM),
    "a way to another file": (
        lambda p: server(p)["command"].append("/dllab/model/../../etc/passwd"), PROGRAM),
    "another person's new model": (
        lambda p: model(p).update(subPath="models/grace/.new-Xy_1-2z"), MOUNTS),
    "all that a person has": (
        lambda p: model(p).update(subPath=model(p)["subPath"].rpartition("/")[0]), MOUNTS),
}  # fmt: skip

SERVICES: dict[str, _Change] = {
    "no owner": (lambda s: s["metadata"]["labels"].pop("dllab-hub/owner"), OWNER),
    "everybody's pods": (lambda s: s["spec"].update(selector={"a": "b"}), FINDS),
    "another person's pods": (
        lambda s: s["spec"]["selector"].update({"dllab-hub/owner": "grace"}), FINDS),
    "no pods, but addresses": (lambda s: s["spec"].pop("selector"), FINDS),
    "a port of each node": (lambda s: s["spec"].update(type="NodePort"), INSIDE),
    "an address in the world": (lambda s: s["spec"].update(externalIPs=["192.0.2.1"]), INSIDE),
    "a name in the world": (
        lambda s: s["spec"].update(type="ExternalName", externalName="example.org"), INSIDE),
}  # fmt: skip

BUDGETS: dict[str, _Change] = {
    "everybody's pods": (lambda b: b["spec"].update(selector={}), FINDS),
    "another person's pods": (
        lambda b: b["spec"]["selector"]["matchLabels"].update({"dllab-hub/owner": "g"}), FINDS),
}  # fmt: skip

AUTOSCALERS: dict[str, _Change] = {
    "another deployment": (
        lambda a: a["spec"]["scaleTargetRef"].update(name="s-other-0123456789"), SCALES),
    "another kind": (lambda a: a["spec"]["scaleTargetRef"].update(kind="ReplicaSet"), SCALES),
    "too many replicas": (lambda a: a["spec"].update(maxReplicas=33), MANY),
}  # fmt: skip

INFERENCES: dict[str, _Change] = {
    "no owner": (lambda i: i["metadata"]["labels"].pop("dllab-hub/owner"), OWNER),
    "another version's owner": (
        lambda i: predictor(i)["labels"].update({"dllab-hub/owner": "grace"}), OWNER),
    "a foreign image": (
        lambda i: predictor(i)["model"].update(image="docker.io/x:1"), PROGRAM),
    "another runtime": (lambda i: predictor(i)["model"].update(runtime="theirs"), PROGRAM),
    "a model from anywhere": (
        lambda i: predictor(i)["model"].update(storageUri="https://example.org/x"), SHAPE),
    "a container of one's own": (lambda i: predictor(i).update(containers=[_MORE]), SHAPE),
    "another person's model": (
        lambda i: predictor(i)["model"]["volumeMounts"][0].update(
            subPath="models/grace/digits/1"), MOUNTS),
    "something before the model": (
        lambda i: i["spec"].update(transformer={"containers": [_MORE]}), KSERVE),
    "another mode": (
        lambda i: i["metadata"]["annotations"].update(
            {"serving.kserve.io/deploymentMode": "Knative"}), KSERVE),
}  # fmt: skip

RUNTIMES: dict[str, _Change] = {
    "a foreign image": (
        lambda r: r["spec"]["containers"][0].update(image="docker.io/x:1"), IMAGES),
    "another program": (lambda r: r["spec"]["containers"][0].update(command=["sh"]), PROGRAM),
    "another name": (lambda r: r["metadata"].update(name="theirs"), NAMED),
    "volumes for all": (
        lambda r: r["spec"].update(volumes=[{"name": "x", "hostPath": {"path": "/"}}]), KSERVE),
}  # fmt: skip

FORBIDDEN: dict[str, tuple[Callable[[], _Object], dict[str, _Change]]] = {
    "Deployment": (lambda: one_of("Deployment"), DEPLOYMENTS),
    "Pod": (a_replica, PODS),
    "inspection": (an_inspection, INSPECTIONS),
    "Service": (lambda: one_of("Service"), SERVICES),
    "PodDisruptionBudget": (lambda: one_of("PodDisruptionBudget"), BUDGETS),
    "HorizontalPodAutoscaler": (lambda: one_of("HorizontalPodAutoscaler"), AUTOSCALERS),
    "InferenceService": (lambda: one_of("InferenceService"), INFERENCES),
    "ServingRuntime": (lambda: one_of("ServingRuntime"), RUNTIMES),
}


@pytest.mark.parametrize("kind", FORBIDDEN)
async def test_no_other_object_passes(serving: Place, kind: str) -> None:
    """One thing is wrong with an object of ours, and the answer is the sentence about that."""
    make, several = FORBIDDEN[kind]
    wrong: dict[str, Any] = {}
    for what, (spoil, expected) in several.items():
        spoilt = make()
        spoil(spoilt)
        status, said = await offer(serving, spoilt)
        if status != 422 or f"denied request: {expected}" not in said:
            wrong[what] = status, said
    assert {} == wrong


async def test_no_pod_has_another_account(serving: Place) -> None:
    """Not even one that is there."""
    accounts = f"/api/v1/namespaces/{serving.serving}/serviceaccounts"
    status, said = await serving.ask("POST", accounts, {"metadata": {"name": "builder"}})
    assert status == 201, said
    spoilt = a_replica()
    pod(spoilt)["serviceAccountName"] = "builder"
    status, refusal = await offer(serving, spoilt)
    assert (422, True) == (status, ACCOUNT in refusal), refusal


async def test_the_administrator_is_asked_too(serving: Place) -> None:
    """Whoever makes a pod that is none of ours, it is refused, and before its image is pulled."""
    spoilt = a_replica()
    server(spoilt)["image"] = "docker.io/x:1"
    status, said = await offer(serving, spoilt, user="admin")
    assert (422, True) == (status, IMAGES in said), said
