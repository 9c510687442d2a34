"""A backend on a scripted API server, where the test plays the controllers and the kubelets.

It shows what we do about what an API server says; that real ones say so, the tests on a real
cluster show.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_api import FakeApi
from mirrored import Following, a_following, an_api

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.backend import KubernetesBackend
from dllab_hub.backends.kubernetes.kinds import JOBSETS, NODES, PODS
from dllab_hub.manifests.gang import FIRST_ATTEMPT, set_name
from dllab_hub.manifests.training import ID_LABEL, OWNER_ANNOTATION
from dllab_hub.specs import Code, Role, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir

SETTINGS = f"""
[[images]]
name = "torch"
title = "PyTorch"
framework = "pytorch"
version = "2.13"
container = "registry.example.org/lab/torch:2.13"

[cluster]
claim = "jobs"
user = {os.geteuid() or 1000}
"""
SPACE = "dllab-jobs"


@dataclass
class Played:
    """A cluster that does what the test says.

    Attributes:
        fake: Its API server.
        state: Of the lab service.
    """

    fake: FakeApi
    state: StateDir

    @asynccontextmanager
    async def service(self) -> AsyncIterator[KubernetesBackend]:
        """A lab service that has found the cluster; it lets go at the end."""
        config = self.state.root / "kubeconfig"
        backend = KubernetesBackend(
            self.state, connect=lambda: Api.connect(str(self.fake.kubeconfig(config)))
        )
        await backend.start()
        try:
            await backend.cluster.found(20)
            yield backend
        finally:
            await backend.close()

    def jobset(self, job: TrainingJob) -> dict[str, Any] | None:
        """That of a job."""
        return self.fake.get(JOBSETS, SPACE, set_name(job.id))

    def set_status(self, job: TrainingJob, **status: Any) -> None:
        """What JobSet's controller says of it."""
        found = self.jobset(job)
        assert found is not None
        self.fake.put(JOBSETS, {**found, "status": status})

    def pod(self, job: TrainingJob, index: int = 0, *, restarts: int = 0, **more: Any) -> None:
        """A pod of a worker. ``running``, ``code`` or ``status`` say how it is."""
        name = f"{set_name(job.id)}-worker-0-{index}"
        found = self.jobset(job)
        first = "1" if found is None else found["metadata"]["annotations"][FIRST_ATTEMPT]
        container: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
        if "code" in more:
            container = {"terminated": {"exitCode": more["code"], "startedAt": _now(),
                                        "finishedAt": _now()}}  # fmt: skip
        elif more.get("running"):
            container = {"running": {"startedAt": _now()}}
        status = {"phase": "Running", "containerStatuses": [{"name": "worker", "state": container}]}
        labels = {
            ID_LABEL: job.id,
            "jobset.sigs.k8s.io/replicatedjob-name": "worker",
            "jobset.sigs.k8s.io/restart-attempt": str(restarts),
            "batch.kubernetes.io/job-completion-index": str(index),
        }
        notes = {OWNER_ANNOTATION: more.get("owner", job.owner), FIRST_ATTEMPT: first}
        owners = [] if found is None else [{"uid": found["metadata"]["uid"]}]
        meta = {"namespace": SPACE, "name": f"{name}-{restarts}{more.get('suffix', '')}"}
        self.fake.put(PODS, {
            "metadata": {**meta, "labels": labels, "annotations": notes, "ownerReferences": owners},
            "spec": {"containers": [{"name": "worker"}]},
            "status": more.get("status", status),
        })  # fmt: skip

    def wrote(self, job: TrainingJob, index: int, attempt: int, code: int | None) -> None:
        """What the launcher of a replica has written of itself."""
        folder = self.state.jobs / job.id / "run" / "attempts" / str(attempt)
        folder.mkdir(parents=True, exist_ok=True)
        state = "RUNNING" if code is None else "FAILED" if code else "SUCCEEDED"
        one = {"role": "worker", "index": index, "attempt": attempt, "state": state, "pid": 7,
               "started": time.time(), "exit_code": code,
               "ended": None if code is None else time.time()}  # fmt: skip
        text = {"attempt": attempt, "over": code is not None, "code": code, "processes": [one]}
        path = folder / f"worker-{index}.status.json"
        path.write_text(json.dumps(text))
        uid = SETTINGS.partition("user = ")[2].strip()
        for entry in (folder, path):
            os.chown(entry, int(uid), int(uid))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """A scripted API server with nothing on it."""
    async with FakeApi() as fake:
        yield fake


@pytest.fixture
async def api(fake: FakeApi, tmp_path: Path) -> AsyncIterator[Api]:
    """What leads to it."""
    async with an_api(fake, tmp_path) as api:
        yield api


@pytest.fixture
async def following(api: Api) -> AsyncIterator[Following]:
    """Makes mirrors that are closed when the test is over."""
    async with a_following() as following:
        yield following


@pytest.fixture
async def played(fake: FakeApi, tmp_path: Path) -> Played:
    """A cluster with JobSet and one node of 64 CPUs and 8 GPUs."""
    root = tmp_path / "state"
    root.mkdir()
    (root / "catalog.toml").write_text(SETTINGS)
    there = {"cpu": "64", "memory": "256Gi", "nvidia.com/gpu": "8", "pods": "110"}
    fake.put(NODES, {
        "metadata": {"name": "node-0"},
        "status": {"allocatable": there, "conditions": [{"type": "Ready", "status": "True"}]},
    })  # fmt: skip
    return Played(fake, StateDir(root, root / "envs", tmp_path / "shared"))


@pytest.fixture
def wish():
    """Makes a wish for some workers."""

    def make(replicas: int = 1, **more: Any) -> TrainingSpec:
        more = {"name": "digits", "max_restarts": 2, **more}
        return TrainingSpec(
            image="torch", code=Code(source="print()"), roles=(Role(replicas=replicas),), **more
        )

    return make
