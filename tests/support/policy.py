"""What no object of ours may be: rules written from Kubernetes' documentation, not from our code.

`of_jobset`, `of_object` and `of_pod` list what is wrong with an object, one ``rule: where`` each;
nothing of the package is imported here, so that no mistake is made twice. The rules of the Pod
Security Standard "restricted" are those of
https://kubernetes.io/docs/concepts/security/pod-security-standards/, read for 1.34.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ("Fence", "of_jobset", "of_object", "of_pod")

#: Bytes of one object: etcd takes 1.5 MiB of a request, and a controller adds to what we send.
LARGEST = 1024 * 1024
#: Bytes of all annotations of one object; Kubernetes takes 256 KiB.
NOTES = 16 * 1024
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUANTITY = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTPE]i?|[eE][-+]?[0-9]+)?")
_FIELD = re.compile(r"metadata\.labels\['[a-z0-9./-]+'\]")
_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
_SELINUX = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
#: All that a pod, and a container of it, may say. What is new here has to be thought about.
_POD = {
    "activeDeadlineSeconds", "affinity", "automountServiceAccountToken", "containers",
    "enableServiceLinks", "hostname", "initContainers", "nodeSelector", "priorityClassName",
    "restartPolicy", "schedulingGates", "securityContext", "subdomain",
    "terminationGracePeriodSeconds", "tolerations", "topologySpreadConstraints", "volumes",
}  # fmt: skip
_CONTAINER = {
    "args", "command", "env", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "name",
    "ports", "readinessProbe", "resources", "securityContext", "startupProbe",
    "terminationMessagePath", "terminationMessagePolicy", "volumeMounts", "workingDir",
}  # fmt: skip
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


@dataclass(frozen=True)
class Fence:
    """What the administrator has said of one person.

    Attributes:
        images: References that they may use.
        claims: Names of claims that they may mount.
        drivers: CSI drivers that they may use.
        owner: The label that says whose it is, and its value.
        person: The annotation that says so, and its value.
        namespace: Where it goes.
        own: Claim on which each job has its directories, and what their paths begin with.
        kinds: Of volumes; those of "restricted" that hold no secret or setting of the namespace.
    """

    images: Collection[str]
    claims: Collection[str]
    drivers: Collection[str] = ()
    owner: tuple[str, str] = ("", "")
    person: tuple[str, str] = ("", "")
    namespace: str = ""
    own: tuple[str, Collection[str]] = ("", ())
    kinds: Collection[str] = ("emptyDir", "persistentVolumeClaim", "csi")


def of_jobset(made: Mapping[str, Any], fence: Fence) -> list[str]:
    """What is wrong with a JobSet."""
    return list(_jobset(made, fence))


def of_pod(made: Mapping[str, Any], fence: Fence) -> list[str]:
    """What is wrong with a pod, or with the template of one."""
    return list(_pod(made, fence, "pod"))


def of_object(made: Mapping[str, Any], fence: Fence) -> list[str]:
    """What is wrong with an object of any kind, but for what it is to do."""
    return list(_object(made, fence, str(made["kind"]).lower()))


def _object(made: Mapping[str, Any], fence: Fence, where: str) -> Iterator[str]:
    """Rules that hold for an object of any kind."""
    name = made["metadata"]["name"]
    if not _LABEL_1035.fullmatch(name):
        yield f"name: {name}"
    if made["metadata"].get("namespace") != fence.namespace:
        yield f"namespace: {made['metadata'].get('namespace')}"
    yield from _metadata(made["metadata"], fence, where)
    size = len(json.dumps(made, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size >= LARGEST:
        yield f"size: {size}"


def _jobset(made: Mapping[str, Any], fence: Fence) -> Iterator[str]:
    name = made["metadata"]["name"]
    yield from _object(made, fence, "jobset")
    jobs = made["spec"]["replicatedJobs"]
    names = [job["name"] for job in jobs]
    if len(set(names)) != len(names):
        yield f"two jobs of one name: {names}"
    if not set(made["spec"].get("successPolicy", {}).get("targetReplicatedJobs", ())) <= set(names):
        yield "no such job: successPolicy"
    for job in jobs:
        where = f"jobs[{job['name']}]"
        template = job["template"]["spec"]
        last = f"{name}-{job['name']}-{job['replicas'] - 1}-{template['completions'] - 1}"
        # The Job controller puts a hyphen and five characters after it.
        if not _LABEL.fullmatch(job["name"]) or not _LABEL_1035.fullmatch(f"{last}-abcde"):
            yield f"pod name: {where}: {last}"
        yield from _pod(template["template"], fence, where)


def _metadata(made: Mapping[str, Any], fence: Fence, where: str) -> Iterator[str]:
    labels, notes = made.get("labels", {}), made.get("annotations", {})
    for key, value in labels.items():
        if not _is_key(key) or not isinstance(value, str) or not _VALUE.fullmatch(value):
            yield f"label: {where}: {key}"
    for key, value in notes.items():
        if not _is_key(key) or not isinstance(value, str):
            yield f"annotation: {where}: {key}"
        if "apparmor" in key or "seccomp" in key:
            yield f"annotation of a profile: {where}: {key}"
    size = sum(
        len(key) + len(str(value).encode("utf-8", "replace")) for key, value in notes.items()
    )
    if size > NOTES:
        yield f"annotations: {where}: {size} bytes"
    for (key, value), there in ((fence.owner, labels), (fence.person, notes)):
        if key and there.get(key) != value:
            yield f"owner: {where}: {there.get(key)}"


def _pod(made: Mapping[str, Any], fence: Fence, where: str) -> Iterator[str]:
    yield from _metadata(made.get("metadata", {}), fence, where)
    pod = made["spec"]
    for key in pod.keys() - _POD:
        yield f"no such setting is allowed: {where}.{key}"
    if pod.get("automountServiceAccountToken") is not False:
        yield f"account of the cluster: {where}"
    if str(pod.get("priorityClassName", "")).startswith("system-"):
        yield f"priority: {where}"
    context = pod.get("securityContext", {})
    yield from _security(context, f"{where}.securityContext")
    if context.get("seccompProfile", {}).get("type") == "Unconfined":
        yield f"seccomp: {where}"
    for sysctl in context.get("sysctls", ()):
        if sysctl["name"] not in _SYSCTLS:
            yield f"sysctl: {where}: {sysctl['name']}"
    yield from _volumes(pod.get("volumes", ()), fence, where)
    own = {v["name"] for v in pod.get("volumes", ()) if _claim(v) == fence.own[0] != ""}
    containers = [*pod.get("initContainers", ()), *pod["containers"]]
    for container in containers:
        at = f"{where}.{container['name']}"
        yield from _container(container, context, fence, at)
        yield from _mounts(container, {v["name"] for v in pod.get("volumes", ())}, at)
        for mount in container.get("volumeMounts", ()):
            path = f"{mount.get('subPath', '')}/"
            if mount["name"] in own and not path.startswith(tuple(fence.own[1])):
                yield f"another job's directory: {at}: {path}"
    names = [container["name"] for container in containers]
    if len(set(names)) != len(names) or not all(map(_LABEL.fullmatch, names)):
        yield f"container names: {where}: {names}"


def _container(
    made: Mapping[str, Any], pod: Mapping[str, Any], fence: Fence, where: str
) -> Iterator[str]:
    for key in made.keys() - _CONTAINER:
        yield f"no such setting is allowed: {where}.{key}"
    if made.get("image") not in fence.images:
        yield f"image: {where}: {made.get('image')}"
    own = made.get("securityContext", {})
    yield from _security(own, f"{where}.securityContext")
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"privilege escalation: {where}"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield f"capabilities are not dropped: {where}"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield f"capabilities are added: {where}"
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield f"may be root: {where}"
    seccomp = own.get("seccompProfile", pod.get("seccompProfile", {}))
    if seccomp.get("type") not in ("RuntimeDefault", "Localhost"):
        yield f"seccomp: {where}"
    for port in made.get("ports", ()):
        if port.get("hostPort"):
            yield f"port of the node: {where}"
    for name in _PROBES:
        if any(_hosts(made.get(name))):
            yield f"host of a probe: {where}.{name}"
    if any(_hosts(made.get("lifecycle"))):
        yield f"host of a probe: {where}.lifecycle"
    yield from _environment(made, where)
    for kind in ("requests", "limits"):
        for key, value in made.get("resources", {}).get(kind, {}).items():
            if not _QUANTITY.fullmatch(str(value)):
                yield f"quantity: {where}: {key} {value}"
    for word in (*made.get("command", ()), *made.get("args", ())):
        if "\0" in word or _refers(word):
            yield f"a reference in the command: {where}"


def _security(made: Mapping[str, Any], where: str) -> Iterator[str]:
    """Rules that hold for a pod's context and for each container's."""
    if made.get("privileged"):
        yield f"privileged: {where}"
    if made.get("runAsUser") == 0:
        yield f"root: {where}"
    if made.get("runAsNonRoot") is False:
        yield f"may be root: {where}"
    if made.get("windowsOptions", {}).get("hostProcess"):
        yield f"process of the node: {where}"
    if made.get("procMount", "Default") != "Default":
        yield f"proc: {where}"
    if made.get("appArmorProfile", {}).get("type") not in (None, "RuntimeDefault", "Localhost"):
        yield f"AppArmor: {where}"
    linux = made.get("seLinuxOptions", {})
    if linux.get("type") not in _SELINUX or linux.get("user") or linux.get("role"):
        yield f"SELinux: {where}"


def _environment(made: Mapping[str, Any], where: str) -> Iterator[str]:
    for entry in made.get("env", ()):
        at = f"{where}: {entry['name']}"
        if not _ENV.fullmatch(entry["name"]):
            yield f"name of a variable: {at}"
        if "valueFrom" in entry:
            source = entry["valueFrom"]
            path = source.get("fieldRef", {}).get("fieldPath", "")
            if set(source) != {"fieldRef"} or not _FIELD.fullmatch(path) or "value" in entry:
                yield f"variable from elsewhere: {at}"
            continue
        value = entry.get("value", "")
        if not isinstance(value, str) or "\0" in value or _refers(value):
            yield f"a reference in a variable: {at}"
        # With it NVIDIA's container runtime gives GPUs that the pod has not asked for.
        if entry["name"] == "NVIDIA_VISIBLE_DEVICES" and value != "void":
            yield f"GPUs that nobody counts: {at}"


def _volumes(volumes: Any, fence: Fence, where: str) -> Iterator[str]:
    names = [volume["name"] for volume in volumes]
    if len(set(names)) != len(names) or not all(map(_LABEL.fullmatch, names)):
        yield f"volume names: {where}: {names}"
    for volume in volumes:
        at = f"{where}: {volume['name']}"
        kinds = volume.keys() - {"name"}
        if len(kinds) != 1 or not kinds <= set(fence.kinds):
            yield f"kind of volume: {at}: {sorted(kinds)}"
        if "persistentVolumeClaim" in volume and _claim(volume) not in fence.claims:
            yield f"claim: {at}: {_claim(volume)}"
        if csi := volume.get("csi"):
            if csi.get("driver") not in fence.drivers:
                yield f"driver: {at}"
            if "nodePublishSecretRef" in csi:
                yield f"secret: {at}"


def _mounts(container: Mapping[str, Any], volumes: Collection[str], where: str) -> Iterator[str]:
    paths = [mount["mountPath"] for mount in container.get("volumeMounts", ())]
    if len({path.rstrip("/") for path in paths}) != len(paths):
        yield f"two at one place: {where}"
    for mount in container.get("volumeMounts", ()):
        at = f"{where}: {mount['mountPath']}"
        if mount["name"] not in volumes:
            yield f"no such volume: {at}"
        path = mount["mountPath"]
        if not path.startswith("/") or ":" in path or ".." in path.split("/"):
            yield f"mount path: {at}"
        sub = mount.get("subPath", "")
        if sub.startswith("/") or ".." in sub.split("/") or "subPathExpr" in mount:
            yield f"sub path: {at}: {sub}"
        if mount.get("mountPropagation", "None") != "None":
            yield f"mounts of the node: {at}"


def _claim(volume: Mapping[str, Any]) -> str:
    return str(volume.get("persistentVolumeClaim", {}).get("claimName", ""))


def _hosts(made: Any) -> Iterator[Any]:
    """Values of every ``host`` in a probe or a hook."""
    if isinstance(made, Mapping):
        yield made.get("host")
        for value in made.values():
            yield from _hosts(value)


def _refers(text: str) -> bool:
    """Whether Kubernetes would replace something: ``$(NAME)`` that no dollar before it escapes."""
    index = 0
    while (index := text.find("$", index)) >= 0:
        if text[index + 1 : index + 2] == "(":
            return True
        index += 2  # After two dollars, or one and something else.
    return False


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    good = 0 < len(name) <= 63 and bool(_VALUE.fullmatch(name))
    return good and (not slash or (len(prefix) <= 253 and bool(_PREFIX.fullmatch(prefix))))
