"""A training job as a JobSet: `jobset`.

Every strategy is the same shape. A failed pod fails its Job (``backoffLimit: 0``), and the JobSet
then recreates all of them, up to ``max_restarts``: the whole gang, as on one machine. With
parameter servers it is over when the chief has succeeded. To pause is to suspend.
"""

from __future__ import annotations

import json
from typing import Any

from ..errors import InvalidRequest
from ..names import slug
from ..specs import Catalog, GpuType, TrainingSpec
from . import volumes
from .cluster import Cluster
from .environment import escape, offered_volumes
from .gang import gang, role_name, set_name
from .gpus import any_gpu, tolerations

__all__ = ("ID_LABEL", "OWNER_ANNOTATION", "OWNER_LABEL", "jobset")

#: By these every read is filtered, and the annotation is looked at again.
ID_LABEL, OWNER_LABEL = "dllab-hub/job", "dllab-hub/owner"
#: The person's name as the hub has it; a label holds a `slug` only.
OWNER_ANNOTATION = "dllab-hub/owner"
#: JobSet writes it on its pods: how often they were all recreated.
_RESTARTS = "jobset.sigs.k8s.io/restart-attempt"
_QUEUE = "kueue.x-k8s.io/queue-name"
_LAUNCHER = ("python3", "-m", "dllab_hub.runtime.launcher")
_WORKSPACE, _RUN = "/dllab/workspace", "/dllab/run"


def jobset(
    id: str, owner: str, spec: TrainingSpec, catalog: Catalog, cluster: Cluster, token: str
) -> dict[str, Any]:
    """The object that runs a job.

    Args:
        id: Of the job.
        owner: Person.
        spec: It has been checked against the catalog.
        catalog: As this person sees it.
        cluster: Where it runs.
        token: Opens this job's files at the lab service and nothing else.

    Returns:
        A ``jobset.x-k8s.io/v1alpha2`` object that the Pod Security Standard "restricted" admits.

    Raises:
        InvalidRequest: the image is no container, a volume is nothing that a pod mounts, or two
            appear at the same place.
    """
    if spec.lab is not None:
        raise InvalidRequest(
            "what was installed in a lab does not travel to a cluster yet.", field="lab"
        )
    labels = {ID_LABEL: id, OWNER_LABEL: slug(owner)}
    notes = {OWNER_ANNOTATION: owner}
    made: dict[str, Any] = {
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
        "failurePolicy": {"maxRestarts": spec.max_restarts},
        "ttlSecondsAfterFinished": cluster.keep,
        "suspend": bool(cluster.queue),  # Kueue lets it go when it is its turn.
        "replicatedJobs": [
            _role(number, id, owner, spec, catalog, cluster, token, labels, notes)
            for number in range(len(spec.roles))
        ],
    }
    if spec.ends_with is not None:
        ends = next(n for n, role in enumerate(spec.roles) if role.name == spec.ends_with)
        made["successPolicy"] = {
            "operator": "All",
            "targetReplicatedJobs": [role_name(spec, ends)],
        }
    queue = {_QUEUE: cluster.queue} if cluster.queue else {}
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {
            "name": set_name(id),
            "namespace": cluster.namespace,
            "labels": {**labels, **queue},
            "annotations": notes,
        },
        "spec": made,
    }


def _role(
    number: int,
    id: str,
    owner: str,
    spec: TrainingSpec,
    catalog: Catalog,
    cluster: Cluster,
    token: str,
    labels: dict[str, str],
    notes: dict[str, str],
) -> dict[str, Any]:
    role = spec.roles[number]
    image = catalog.image(spec.image).container
    if not image:
        raise InvalidRequest("this image has no container image to pull.", field="image")
    kind = any_gpu(catalog)
    sources, mounts = _volumes(id, owner, spec, catalog, cluster)
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    resources = _resources(spec, number, kind)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": cluster.user,
            "runAsGroup": cluster.user,
            "fsGroup": cluster.user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [
            {
                "name": "workspace",
                "image": image,
                "command": ["python3", "-m", "dllab_hub.runtime.fetch", _WORKSPACE],
                "env": _literal(
                    {
                        "DLLAB_FETCH_URL": f"{cluster.service_url}dllab/api/jobs/{id}/workspace",
                        "DLLAB_FETCH_TOKEN": token,
                        "NVIDIA_VISIBLE_DEVICES": "void",
                    }
                ),
                "volumeMounts": [{"name": "workspace", "mountPath": _WORKSPACE}],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                    "limits": {"memory": "512Mi"},
                },
                "securityContext": security,
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
        "containers": [
            {
                "name": "worker",
                "image": image,
                "command": [*_LAUNCHER, *map(escape, _program(spec, number))],
                "workingDir": _WORKSPACE,
                "env": _environment(number, id, spec, catalog),
                "volumeMounts": mounts,
                "resources": resources,
                "securityContext": security,
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
        "volumes": sources,
    }
    if role.gpus and (tolerated := tolerations(kind)):
        pod["tolerations"] = tolerated
    if cluster.priority_class:
        pod["priorityClassName"] = cluster.priority_class
    return {
        "name": role_name(spec, number),
        "replicas": 1,
        "template": {
            "spec": {
                "completionMode": "Indexed",
                "completions": role.replicas,
                "parallelism": role.replicas,
                "backoffLimit": 0,  # Else the Job tries alone what only the whole gang can do.
                "template": {
                    "metadata": {"labels": labels, "annotations": notes},
                    "spec": pod,
                },
            }
        },
    }


def _program(spec: TrainingSpec, number: int) -> list[str]:
    if spec.roles[number].command:
        return list(spec.roles[number].command)
    return spec.code.program("python3")


def _resources(spec: TrainingSpec, number: int, kind: GpuType) -> dict[str, Any]:
    """What a container asks for and may use.

    CPUs are a request only: who has idle ones may use them. Memory is the same in both, as a pod
    that uses more than it asked for is the first to be evicted.
    """
    role = spec.roles[number]
    cpus = spec.processes_of(role) if role.cpus is None else role.cpus
    requests, limits = {"cpu": f"{cpus:g}"}, {}
    if role.memory is not None:
        requests["memory"] = limits["memory"] = str(role.memory)
    if role.gpus:
        requests[kind.resource] = limits[kind.resource] = str(role.gpus)
    return {"requests": requests, **({"limits": limits} if limits else {})}


def _environment(number: int, id: str, spec: TrainingSpec, catalog: Catalog) -> list[Any]:
    role = spec.roles[number]
    offered = offered_volumes(spec.volumes, catalog, _WORKSPACE)
    own = {
        "HOME": _RUN,
        "PYTHONUNBUFFERED": "1",
        "DLLAB_JOB_ID": id,
        "DLLAB_ROLE": role.name,
        "DLLAB_GANG": json.dumps(gang(id, spec)),
        "DLLAB_WORKSPACE": _WORKSPACE,
        "DLLAB_RUN": _RUN,
        "DLLAB_CHECKPOINT_EVERY": str(spec.checkpoint_every),
        "DLLAB_VOLUMES": json.dumps(offered),
    }
    if not role.gpus:
        # Framework images say NVIDIA_VISIBLE_DEVICES=all, with which NVIDIA's container runtime
        # gives every GPU of the node to a pod that has asked for none.
        own["NVIDIA_VISIBLE_DEVICES"] = "void"
    restarts = {"fieldRef": {"fieldPath": f"metadata.labels['{_RESTARTS}']"}}
    return [
        *_literal({**spec.env, **own}),
        {"name": "DLLAB_RESTARTS", "valueFrom": restarts},
    ]


def _literal(env: dict[str, str]) -> list[dict[str, Any]]:
    """Words as they are: a person's must not become references to something else."""
    return [{"name": key, "value": escape(value)} for key, value in env.items()]


def _volumes(
    id: str, owner: str, spec: TrainingSpec, catalog: Catalog, cluster: Cluster
) -> tuple[list[Any], list[Any]]:
    sources: list[Any] = [
        {"name": "workspace", "emptyDir": {}},
        {"name": "run", "persistentVolumeClaim": {"claimName": cluster.claim}},
    ]
    mounts: list[Any] = [
        {"name": "workspace", "mountPath": _WORKSPACE},
        {"name": "run", "mountPath": _RUN, "subPath": f"jobs/{id}"},
    ]
    volumes.add(sources, mounts, map(catalog.volume, spec.volumes), _WORKSPACE, slug(owner))
    volumes.check(mounts)
    return sources, mounts
