"""A training job as a JobSet: `jobset`.

Every strategy is the same shape. A failed pod fails its Job (``backoffLimit: 0``), and the JobSet
then recreates all of them, up to ``max_restarts``: the whole gang, as on one machine. With
parameter servers it is over when the chief has succeeded. A JobSet is there while its job wants to
run: to pause is to delete it, and to resume is to make another of the same name.
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
from .gang import FIRST_ATTEMPT, gang, role_name, set_name
from .gpus import any_gpu, tolerations
from .pod import confined, container_security, lost_nodes

__all__ = ("ID_LABEL", "OWNER_ANNOTATION", "OWNER_LABEL", "jobset")

#: By these every read is filtered, and the annotation is looked at again.
ID_LABEL, OWNER_LABEL = "dllab-hub/job", "dllab-hub/owner"
#: The person's name as the hub has it; a label holds a `slug` only.
OWNER_ANNOTATION = "dllab-hub/owner"
#: JobSet writes it on its pods: how often they were all recreated.
_RESTARTS = "jobset.sigs.k8s.io/restart-attempt"
_QUEUE = "kueue.x-k8s.io/queue-name"
#: -P: a file ``json.py`` among the code is the code's, and none of the launcher's.
_LAUNCHER = ("python3", "-P", "-m", "dllab_hub.runtime.launcher")
#: So a person's variables are called until the launcher starts the code: none of them, such as
#: PYTHONINSPECT, is the launcher's own, or a word to what starts the container.
_PERSONS = "DLLAB_ENV_"
_RUN, _TENSORBOARD = "/dllab/run", "/dllab/tensorboard"
_WORKSPACE = f"{_RUN}/workspace"
#: Below it are the volumes that appear in the workspace; there the launcher links them, as a shim
#: does. Mounted there they would leave directories of root in it.
_VOLUMES = "/dllab/volumes"
#: Seconds from SIGTERM to SIGKILL: of a pod, and of its code. The rest is the launcher's.
_GRACE, _LAUNCHERS_PART = 45, 10
#: Seconds beyond its time limit after which a pod is ended even if the lab service is gone. They
#: hold the pulling of the image, which Kubernetes counts too.
_FENCE = 900
#: Bytes of an object. etcd takes 1.5 MiB with what controllers add, and the words once more in the
#: Jobs that JobSet makes of it.
_LARGEST = 900 * 1024


def jobset(
    id: str,
    owner: str,
    spec: TrainingSpec,
    catalog: Catalog,
    cluster: Cluster,
    *,
    first_attempt: int = 1,
) -> dict[str, Any]:
    """The object that runs a job.

    Args:
        id: Of the job.
        owner: Person.
        spec: It has been checked against the catalog.
        catalog: As this person sees it.
        cluster: Where it runs.
        first_attempt: Number of the first attempt of this launch, from 1.

    Returns:
        A ``jobset.x-k8s.io/v1alpha2`` object that the Pod Security Standard "restricted" admits.

    Raises:
        InvalidRequest: the image is no container, a volume is nothing that a pod mounts, two
            appear at the same place, or all of it is more than a cluster takes.
    """
    if spec.lab is not None:
        raise InvalidRequest(
            "what was installed in a lab does not travel to a cluster yet.", field="lab"
        )
    labels = {ID_LABEL: id, OWNER_LABEL: slug(owner)}
    notes = {OWNER_ANNOTATION: owner, FIRST_ATTEMPT: str(first_attempt)}
    made: dict[str, Any] = {
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
        # Blocking: a chief that saves is not to meet the one of the next attempt.
        "failurePolicy": {
            "maxRestarts": spec.max_restarts,
            "restartStrategy": "BlockingRecreate",
        },
        "ttlSecondsAfterFinished": cluster.keep,
        "suspend": bool(cluster.queue),  # Kueue lets it go when it is its turn.
        "replicatedJobs": [
            _role(number, id, owner, spec, catalog, cluster, labels, notes)
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
    whole = {
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
    _check_size(whole)
    return whole


def _check_size(made: dict[str, Any]) -> None:
    """Refuse what the cluster's database would, in words of a request and not of a database."""
    if len(json.dumps(made)) > _LARGEST:
        raise InvalidRequest(
            "the variables and words of this job are too large for a cluster.",
            hint="They go to every role; put what is large into a file of the workspace.",
            field="env",
        )


def _role(
    number: int,
    id: str,
    owner: str,
    spec: TrainingSpec,
    catalog: Catalog,
    cluster: Cluster,
    labels: dict[str, str],
    notes: dict[str, str],
) -> dict[str, Any]:
    role = spec.roles[number]
    image = catalog.image(spec.image).container
    if not image:
        raise InvalidRequest("this image has no container image to pull.", field="image")
    kind = any_gpu(catalog)
    sources, mounts = _volumes(id, owner, spec, catalog, cluster)
    resources = _resources(spec, number, kind)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        **confined(cluster.user, _GRACE),
        "containers": [
            {
                "name": "worker",
                "image": image,
                **({"imagePullPolicy": cluster.pull_policy} if cluster.pull_policy else {}),
                "command": [*_LAUNCHER, *map(escape, _program(spec, number))],
                "workingDir": _WORKSPACE,
                "env": _environment(number, id, spec, catalog, notes[FIRST_ATTEMPT]),
                "volumeMounts": mounts,
                "resources": resources,
                "securityContext": container_security(),
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
        "volumes": sources,
        "tolerations": [*(tolerations(kind) if role.gpus else ()), *lost_nodes()],
    }
    if spec.time_limit is not None:
        pod["activeDeadlineSeconds"] = spec.time_limit + _FENCE
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


def _environment(
    number: int, id: str, spec: TrainingSpec, catalog: Catalog, first: str
) -> list[Any]:
    role = spec.roles[number]
    offered = offered_volumes(spec.volumes, catalog, _VOLUMES)
    own = {
        "HOME": _RUN,
        "PYTHONUNBUFFERED": "1",
        "DLLAB_JOB_ID": id,
        "DLLAB_ROLE": role.name,
        "DLLAB_GANG": json.dumps(gang(id, spec)),
        "DLLAB_WORKSPACE": _WORKSPACE,
        "DLLAB_RUN": _RUN,
        "DLLAB_TENSORBOARD_DIR": _TENSORBOARD,
        "DLLAB_FIRST_ATTEMPT": first,
        "DLLAB_GRACE": str(_GRACE - _LAUNCHERS_PART),
        "DLLAB_CHECKPOINT_EVERY": str(spec.checkpoint_every),
        "DLLAB_VOLUMES": json.dumps(offered),
    }
    if not role.gpus:
        # Framework images say NVIDIA_VISIBLE_DEVICES=all, with which NVIDIA's container runtime
        # gives every GPU of the node to a pod that has asked for none.
        own["NVIDIA_VISIBLE_DEVICES"] = "void"
    restarts = {"fieldRef": {"fieldPath": f"metadata.labels['{_RESTARTS}']"}}
    return [
        *_literal({_PERSONS + name: value for name, value in spec.env.items()}),
        *_literal(own),
        {"name": "DLLAB_RESTARTS", "valueFrom": restarts},
    ]


def _literal(env: dict[str, str]) -> list[dict[str, Any]]:
    """Words as they are: a person's must not become references to something else."""
    return [{"name": key, "value": escape(value)} for key, value in env.items()]


def _volumes(
    id: str, owner: str, spec: TrainingSpec, catalog: Catalog, cluster: Cluster
) -> tuple[list[Any], list[Any]]:
    sources: list[Any] = [
        {"name": "run", "persistentVolumeClaim": {"claimName": cluster.claim}},
    ]
    mounts: list[Any] = [
        {"name": "run", "mountPath": _RUN, "subPath": f"jobs/{id}/run"},
        {
            "name": "run",
            "mountPath": _TENSORBOARD,
            "subPath": f"tensorboard/{slug(owner)}/{id}",
        },
    ]
    volumes.add(sources, mounts, map(catalog.volume, spec.volumes), _VOLUMES, slug(owner))
    volumes.check(mounts)
    return sources, mounts
