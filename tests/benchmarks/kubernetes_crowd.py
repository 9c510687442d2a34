"""A cluster full of labs, jobs and deployments, as a service before has left them: `crowded`."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from kubernetes_nodes import GPU, TAINT, Admin, simulated
from kubernetes_service import a_job, a_pod, write_job
from real_cluster import a_namespace
from servings import published

from dllab_hub.backends.kubernetes.kinds import JOBSETS, PODS, Kind
from dllab_hub.backends.kubernetes.places import account_of_pods
from dllab_hub.backends.kubernetes.settings import cluster_of
from dllab_hub.backends.local import index
from dllab_hub.backends.local.serving.deploymentdir import DeploymentDir
from dllab_hub.backends.local.serving.wish import Wish
from dllab_hub.backends.local.store import Store
from dllab_hub.catalog import cluster_catalog
from dllab_hub.manifests.gang import set_name
from dllab_hub.manifests.training import jobset
from dllab_hub.names import slug
from dllab_hub.specs import DeploymentSpec, JobState, TrainingJob
from dllab_hub.state import StateDir

__all__ = ("Crowd", "Numbers", "crowded")

_ACCOUNTS = Kind("", "v1", "serviceaccounts")
_BINDINGS = Kind("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
#: Every one of so many belongs to ada, who asks; the others to one person after another.
_EVERY = 10
#: Pods of a node.
_PODS_EACH = 50
#: Requests under way at a time.
_AT_ONCE = 24
#: No JobSet controller makes pods of them: they are made here, of a part.
_MANAGED = "dllab-hub.example.org/simulated"
_SETTINGS = """
[[images]]
name = "here"
title = "Python"
framework = "python"
version = "3"
container = "registry.example.org/lab/python:3"

[[images]]
name = "serving"
title = "Model server"
framework = "kserve"
version = "0.21"
serves = ["onnx"]
container = "registry.example.org/lab/serving:0.21"

[[gpu_types]]
name = "any"
title = "A simulated GPU"
tolerations = [{{key = "{taint}", operator = "Exists"}}]

[cluster]
namespace = "{jobs}"
claim = "jobs"
user = {user}

[serving.cluster]
namespace = "{models}"
claim = "jobs"
user = {user}
"""


@dataclass(frozen=True)
class Numbers:
    """How many there are.

    Attributes:
        labs: Pods of labs, one for each person.
        jobs: That wait or run.
        running: Of the jobs, those that run, with one pod; the others' JobSets are suspended.
        deployments: Of one replica.
    """

    labs: int = 1000
    jobs: int = 5000
    running: int = 1000
    deployments: int = 500

    def __str__(self) -> str:
        jobs = f"{self.jobs} jobs ({self.running} run)"
        return f"{self.labs} labs, {jobs}, {self.deployments} deployments"


@dataclass(frozen=True)
class Crowd:
    """What is there.

    Attributes:
        api: Of the cluster, as its administrator.
        home: Of a lab service that has all this in its books.
        space: Namespace of jobs.
        models: Namespace of deployments.
        jobs: All of them, those that run first.
        deployments: Owner and name of each.
        took: Seconds in which the objects of labs and jobs were made.
        objects: How many these are.
    """

    api: Admin
    home: Path
    space: str
    models: str
    jobs: list[TrainingJob]
    deployments: list[tuple[str, str]]
    took: float
    objects: int

    @property
    def shared(self) -> Path:
        """What jobs see."""
        return self.home / "shared"

    @property
    def running(self) -> list[TrainingJob]:
        """Those of ada's jobs that run."""
        return [job for job in self.jobs if job.owner == "ada" and job.started is not None]

    async def end(self, job: TrainingJob) -> None:
        """Have a job come to its end, as far as the cluster says so."""
        over = {"type": "Completed", "status": "True", "reason": "AllJobsCompleted"}
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        over |= {"lastTransitionTime": now, "message": "jobset completed successfully"}
        status = {"status": {"restarts": 0, "conditions": [over]}}
        await self.api.merge(JOBSETS, self.space, set_name(job.id), status, "status")


@asynccontextmanager
async def crowded(api: Admin, kubeconfig: Path, numbers: Numbers) -> AsyncIterator[Crowd]:
    """A cluster with all of it, and a home for a lab service; the cluster removes it afterwards.

    Deployments are in the books only: the service makes them.

    Args:
        api: Of the cluster, as its administrator.
        kubeconfig: The same.
        numbers: How many of each.
    """
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dllab-bench-")))
        home.chmod(0o755)
        disk = home / "disk"
        disk.mkdir()
        labs, space, models = [
            (await stack.enter_async_context(a_namespace(disk))).name for _ in range(3)
        ]
        await _account(stack, api, kubeconfig, home / "account", space)
        pods = numbers.labs + numbers.running + numbers.deployments
        simulation = simulated(api, space, pods // _PODS_EACH + 1, (labs, space, models))
        nodes = itertools.cycle(await stack.enter_async_context(simulation))
        state = _state(home, space, models)
        jobs = await asyncio.to_thread(_keep_jobs, state, numbers)
        deployments = await asyncio.to_thread(_keep_deployments, state, numbers)
        began = time.monotonic()
        bodies = _jobsets(state, jobs)
        await _all(_lab(api, labs, next(nodes), number) for number in range(numbers.labs))
        await _all(_job(api, space, next(nodes), *pair) for pair in zip(jobs, bodies, strict=True))
        objects = numbers.labs + numbers.jobs + numbers.running
        took = time.monotonic() - began
        yield Crowd(api, home, space, models, jobs, deployments, took, objects)


def _owner(number: int) -> str:
    return f"person-{number}" if number % _EVERY else "ada"


def _state(home: Path, space: str, models: str) -> StateDir:
    state = StateDir(home / "state", home / "state" / "envs", home / "shared")
    for folder in (state.root, state.jobs):
        folder.mkdir(parents=True)
    user = os.geteuid() or 1000
    text = _SETTINGS.format(taint=TAINT, jobs=space, models=models, user=user)
    (state.root / "catalog.toml").write_text(text)
    return state


async def _account(
    stack: AsyncExitStack, api: Admin, kubeconfig: Path, folder: Path, space: str
) -> None:
    """A service account for the lab service, as in a pod, that may do what it needs."""
    await api.create(_ACCOUNTS, space, {"metadata": {"name": "lab"}})
    role = {"apiGroup": _BINDINGS.group, "kind": "ClusterRole", "name": "cluster-admin"}
    whose = {"kind": "ServiceAccount", "namespace": space, "name": "lab"}
    binding = {"metadata": {"name": space}, "roleRef": role, "subjects": [whose]}
    await api.create(_BINDINGS, None, binding)
    stack.push_async_callback(api.delete, _BINDINGS, None, space)
    tokens = Kind("", "v1", "serviceaccounts/lab/token")
    asked = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}}
    made = await api.create(tokens, space, asked)
    folder.mkdir()
    (folder / "token").write_text(made["status"]["token"])
    config = yaml.safe_load(kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    data = cluster.get("certificate-authority-data")
    known = base64.b64decode(data) if data else Path(cluster["certificate-authority"]).read_bytes()
    (folder / "ca.crt").write_bytes(known)
    where = urlsplit(cluster["server"])
    (folder / "host").write_text(str(where.hostname))
    (folder / "port").write_text(str(where.port or 443))


def _keep_jobs(state: StateDir, numbers: Numbers) -> list[TrainingJob]:
    """What a service before has written of the jobs; those that run come first."""
    store, jobs = Store(state.root), []
    store.open()
    with store._db:
        for number in range(numbers.jobs):
            job = a_job(number, _owner(number), workers=1, gpus=1)
            if number >= numbers.running:
                waits = {"state": JobState.PENDING, "started": None, "attempt": 0}
                job = job.model_copy(update=waits)
            index.put(store._db, job)
            write_job(state.jobs / job.id, job)
            jobs.append(job)
    store.close()
    return jobs


def _keep_deployments(state: StateDir, numbers: Numbers) -> list[tuple[str, str]]:
    """What a service before has written of the deployments, and their models."""
    made, record = [], json.dumps(published().to_wire())
    account = account_of_pods(os.geteuid() or 1000, "serving.cluster")
    for number in range(numbers.deployments):
        owner, name = _owner(number), f"digits-{number}"
        folder = state.models / slug(owner) / "digits" / "1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").write_text(record)
        spec = DeploymentSpec(name=name, model="digits", gpus=1)
        place = DeploymentDir(state.deployments / slug(owner) / name)
        place.create(Wish.new(owner, account, spec, 1))
        made.append((owner, name))
    return made


def _jobsets(state: StateDir, jobs: Iterable[TrainingJob]) -> list[dict[str, Any]]:
    catalog, cluster = cluster_catalog(state), cluster_of(state)
    bodies = []
    for job in jobs:
        body = jobset(job.id, job.owner, job.spec, catalog, cluster)
        body["spec"] |= {"managedBy": _MANAGED, "suspend": job.started is None}
        bodies.append(body)
    return bodies


async def _lab(api: Admin, space: str, node: str, number: int) -> None:
    """A pod as KubeSpawner makes it of our profile."""
    resources = {"cpu": "2", "memory": "4Gi"} | ({GPU: "1"} if number % _EVERY == 0 else {})
    body = {
        "metadata": {
            "name": f"jupyter-person-{number}",
            "labels": {
                "app": "jupyterhub",
                "component": "singleuser-server",
                "hub.jupyter.org/username": f"person-{number}",
                "hub.jupyter.org/servername": "",
            },
            "annotations": {"hub.jupyter.org/username": f"person-{number}"},
        },
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "notebook",
                    "image": "registry.example.org/lab/python:3",
                    "args": ["jupyterhub-singleuser"],
                    "env": [{"name": f"VARIABLE_{n}", "value": "x" * 40} for n in range(30)],
                    "resources": {"requests": resources, "limits": resources},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
    await api.create(PODS, space, body)


async def _job(api: Admin, space: str, node: str, job: TrainingJob, body: dict[str, Any]) -> None:
    """The JobSet of a job, and its pod if it runs; that is for no controller to do."""
    await api.create(JOBSETS, space, body)
    if job.started is None:
        return
    ready = {"name": "worker", "ready": 1, "active": 1, "failed": 0, "succeeded": 0, "suspended": 0}
    status = {"status": {"restarts": 0, "replicatedJobsStatus": [ready]}}
    await api.merge(JOBSETS, space, body["metadata"]["name"], status, "status")
    pod = a_pod(body, job, 0)
    about = {key: pod["metadata"][key] for key in ("name", "labels", "annotations")}
    await api.create(PODS, space, {"metadata": about, "spec": {**pod["spec"], "nodeName": node}})


async def _all(things: Iterable[Awaitable[None]]) -> None:
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(thing: Awaitable[None]) -> None:
        async with few:
            await thing

    await asyncio.gather(*map(one, things))
