"""The lab service as a process in front of a scripted API server, with jobs that run there."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from certificates import self_signed
from fake_api import FakeApi
from served import running_loop, stub_hub
from service_process import starting, up

from dllab_hub.backends.kubernetes.kinds import JOBSETS, NODES, PODS
from dllab_hub.backends.kubernetes.settings import cluster_of
from dllab_hub.backends.local import index
from dllab_hub.backends.local.store import Store
from dllab_hub.catalog import cluster_catalog
from dllab_hub.client import Client
from dllab_hub.manifests.gang import set_name
from dllab_hub.manifests.training import jobset
from dllab_hub.shim.ports import free_port
from dllab_hub.shim.replica import Replica
from dllab_hub.specs import Code, JobState, Role, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir

__all__ = ("SPACE", "Service", "a_job", "a_pod", "scripted", "serving", "write_job")

SPACE = "dllab-jobs"
WORKERS = 4
#: Seconds; thousands of jobs are looked at first.
_START = 180.0
SETTINGS = """
[[images]]
name = "here"
title = "Python"
framework = "python"
version = "3"
container = "registry.example.org/lab/python:3"

[cluster]
claim = "jobs"
user = {user}
"""

#: The service, with a service account that lies elsewhere than in a pod.
_IN_POD = """
import sys
from pathlib import Path
from dllab_hub.backends.kubernetes.connection import InPod
from dllab_hub.hub.service import main
InPod.account = Path({account!r})
sys.exit(main())
"""


@dataclass(frozen=True)
class Service:
    """A lab service that runs.

    Attributes:
        process: Its own.
        http: Ada's way to its interface.
        client: The same.
    """

    process: psutil.Process
    http: httpx.Client
    client: Client

    @property
    def cpu(self) -> float:
        """CPU seconds that it has used, with what the kernel did for it."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    @property
    def megabytes(self) -> float:
        """Of memory that it has now."""
        return float(self.process.memory_info().rss / 1e6)

    async def settled(self) -> None:
        """Wait until it has looked at everything: it uses a quarter of a CPU at the most."""
        give_up, before = time.monotonic() + 90, self.cpu
        while time.monotonic() < give_up:
            await asyncio.sleep(2)
            if (now := self.cpu) - before < 0.5:
                return
            before = now
        raise AssertionError("the service does not come to rest")


@asynccontextmanager
async def scripted(live: int) -> AsyncIterator[tuple[FakeApi, Path, list[TrainingJob]]]:
    """An API server and a home for a lab service, with jobs that run.

    Args:
        live: How many, of four workers each.
    """
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        home = Path(name)
        home.chmod(0o755)
        state = StateDir(home / "state", home / "state" / "envs", home / "shared")
        for folder in (state.root, state.jobs):
            folder.mkdir(parents=True)
        (state.root / "catalog.toml").write_text(SETTINGS.format(user=os.geteuid() or 1000))
        account = home / "account"
        account.mkdir()
        tls = self_signed(account, "127.0.0.1")
        (account / "ca.crt").write_bytes(tls[1].read_bytes())
        (account / "token").write_text("a-token")
        async with FakeApi(tls) as fake:
            room = {"cpu": "99999", "memory": "99Ti", "pods": "99999"}
            ready = [{"type": "Ready", "status": "True"}]
            fake.put(NODES, {
                "metadata": {"name": "node-0"},
                "status": {"allocatable": room, "conditions": ready},
            })  # fmt: skip
            (account / "host").write_text("127.0.0.1")
            (account / "port").write_text(fake.url.rpartition(":")[2])
            fake.kubeconfig(home / "kubeconfig")
            jobs = [a_job(number) for number in range(live)]
            if jobs:
                _put(state, fake, jobs)
            yield fake, home, jobs


@asynccontextmanager
async def serving(
    home: Path, kubeconfig: Path, shared: Path, script: str = _IN_POD
) -> AsyncIterator[Service]:
    """A lab service on a cluster, which has found it.

    Args:
        home: With ``state/catalog.toml``; with ``account`` it reaches the cluster as a pod does.
        kubeconfig: Of the cluster.
        shared: What jobs see.
        script: Starts it in that case; ``account`` is put in.
    """
    with ExitStack() as stack:
        start = _process(home, kubeconfig, shared, script)
        started = await asyncio.to_thread(stack.enter_context, start)
        await asyncio.to_thread(_found, started, home / "log")
        yield started
        await asyncio.to_thread(stack.close)


@contextmanager
def _process(home: Path, kubeconfig: Path, shared: Path, script: str) -> Iterator[Service]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/services/dllab/dllab/api/"
    with (
        running_loop() as loop,
        stub_hub(loop) as hub,
        starting(home, home / "log", port, hub) as start,
        httpx.Client(
            base_url=url,
            headers={"Authorization": "token ada-token"},
            trust_env=False,
            timeout=60,
        ) as http,
    ):
        client = Client(url, "ada-token")
        command, way = (), {"KUBECONFIG": str(kubeconfig)}
        if (account := home / "account").exists():  # As in a pod.
            command = (sys.executable, "-P", "-c", script.format(account=str(account)))
            way = {
                "KUBERNETES_SERVICE_HOST": (account / "host").read_text(),
                "KUBERNETES_SERVICE_PORT": (account / "port").read_text(),
            }
        process = start(command, DLLAB_TARGET="cluster", DLLAB_SHARED=str(shared), **way)
        try:
            up(client, process, _START)
            yield Service(process, http, client)
        finally:
            client.close()


def _found(service: Service, log: Path) -> None:
    give_up = time.monotonic() + 30
    while (answer := service.http.get("capacity")).status_code != 200:
        assert time.monotonic() < give_up, answer.text + log.read_text()[-3000:]
        time.sleep(0.1)


def a_job(number: int, owner: str = "ada", workers: int = WORKERS, gpus: int = 0) -> TrainingJob:
    """One that runs.

    Args:
        number: No other has it.
        owner: Person.
        workers: Replicas.
        gpus: Of each.
    """
    role = Role(replicas=workers, cpus=0.1, gpus=gpus)
    now = time.time()
    return TrainingJob(
        id=f"digits-{number:07d}", owner=owner, state=JobState.RUNNING, attempt=1,
        spec=TrainingSpec(
            name="digits", image="here", code=Code(source=f"seed = {number}"), roles=(role,)
        ),
        created=now - 60, started=now - 50,
    )  # fmt: skip


def _put(state: StateDir, fake: FakeApi, jobs: list[TrainingJob]) -> None:
    """Have jobs run, as if a service before had submitted them."""
    store, cluster, catalog = Store(state.root), cluster_of(state), cluster_catalog(state)
    store.open()
    with store._db:
        for job in jobs:
            index.put(store._db, job)
            write_job(state.jobs / job.id, job)
            made = fake.put(JOBSETS, jobset(job.id, job.owner, job.spec, catalog, cluster))
            ready = [{"name": "worker", "ready": WORKERS, "active": WORKERS}]
            fake.put(JOBSETS, {**made, "status": {"restarts": 0, "replicatedJobsStatus": ready}})
            for index_ in range(WORKERS):
                fake.put(PODS, a_pod(made, job, index_))
    store.close()


def write_job(folder: Path, job: TrainingJob) -> None:
    """What the service and four launchers have written, but for the disk's own sake."""
    run = folder / "run"
    attempt = run / "attempts" / "1"
    made = (run / "workspace", run / "checkpoints")
    for path in (attempt, *made) if job.started else made:
        path.mkdir(parents=True)
    about = {"id": job.id, "owner": job.owner, "account": None, "spec": job.spec.to_wire()}
    (folder / "job.json").write_text(json.dumps({**about, "created": job.created}))
    (folder / "launch.json").write_text(json.dumps({"first_attempt": 1}))
    for number in range(job.spec.replicas if job.started else 0):
        one = Replica("worker", number, number, 1, pid=7, started=job.started, cpu=0.9,
                      memory=800 << 20, peak_memory=900 << 20)  # fmt: skip
        told = {"attempt": 1, "first_attempt": 1, "over": False, "code": None, "reason": "",
                "time": time.time(), "processes": [one.wire()]}  # fmt: skip
        (attempt / f"worker-{number}.status.json").write_text(json.dumps(told))
        (attempt / f"worker-{number}.log").write_text("step 1\n")
    if job.started:
        (attempt / "all.log").write_text("[worker-0] step 1\n")
    if os.geteuid() == 0:
        for path in (run, *run.rglob("*")):
            os.chown(path, 1000, 1000)


def a_pod(made: dict[str, Any], job: TrainingJob, number: int) -> dict[str, Any]:
    """As JobSet, the scheduler and the kubelet leave one, with what they note about themselves."""
    template = made["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    meta, name = template["metadata"], set_name(job.id)
    labels = {
        **meta.get("labels", {}),
        "batch.kubernetes.io/job-completion-index": str(number),
        "jobset.sigs.k8s.io/jobset-name": name,
        "jobset.sigs.k8s.io/replicatedjob-name": "worker",
        "jobset.sigs.k8s.io/restart-attempt": "0",
    }
    fields = {f"f:{key}": {".": {}, "f:value": {}} for key in (*labels, *range(60))}
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(job.started))
    return {
        "metadata": {
            "namespace": SPACE,
            "name": f"{name}-worker-0-{number}-{number}bcdf",
            "labels": labels,
            "annotations": meta.get("annotations", {}),
            "ownerReferences": [{"kind": "Job", "name": f"{name}-worker-0", "uid": "of-a-job"}],
            "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": fields}],
        },
        "spec": {**template["spec"], "nodeName": "node-0"},
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": type_, "status": "True", "lastTransitionTime": since}
                for type_ in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "containerStatuses": [
                {"name": "worker", "ready": True, "state": {"running": {"startedAt": since}}}
            ],
            "startTime": since,
        },
    }
