"""Times on a real cluster: to the first line of a gang, and with a container before each pod.

Its node is this machine (see `real_cluster`), so images are there and the disk is near.
"""

from __future__ import annotations

import asyncio
import copy
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from real_cluster import KUBECONFIG, WHY_NOT, Namespace, a_namespace
from table import Row, Spread, pairs

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.backend import KubernetesBackend
from dllab_hub.backends.kubernetes.kinds import JOBSETS, Kind
from dllab_hub.specs import Code, JobState, Role, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir

__all__ = ("line_rows",)

WORKERS, ROUNDS, PAIRS = 4, 3, 5
STAYS, ENDS = "import time; print('up', flush=True); time.sleep(600)", "print('up')"
FIRST = f"kubernetes: submit to the first line of rank 0, {WORKERS} workers"
AGAIN = "kubernetes: a pod deleted to the first line of rank 0 of the next attempt"
FETCH = "kubernetes: JobSet applied to the first line, against one whose pods first fetch the code"


class Fetching(Api):
    """Adds to pods, when told to, what would fetch the code at the least.

    Attributes:
        fetches: Whether it does.
        applied: When the last JobSet was asked for, on the monotonic clock.
    """

    fetches, applied = False, 0.0

    async def apply(
        self, kind: Kind, namespace: str | None, name: str, body: dict[str, Any], **more: Any
    ) -> dict[str, Any]:
        if kind == JOBSETS and self.fetches:
            body = copy.deepcopy(body)
            for role in body["spec"]["replicatedJobs"]:
                pod = role["template"]["spec"]["template"]["spec"]
                (main,) = pod["containers"]
                alike = ("image", "securityContext", "resources")
                # No more than this: a real one also asks the lab service, and unpacks.
                command = ["python3", "-c", "import urllib.request, tarfile"]
                fetch = {key: main[key] for key in alike if key in main}
                pod["initContainers"] = [{**fetch, "name": "fetch", "command": command}]
        self.applied = time.monotonic()
        return await super().apply(kind, namespace, name, body, **more)


async def line_rows() -> list[Row]:
    """All rows that need pods which run."""
    if WHY_NOT:
        return [Row(name, why=WHY_NOT) for name in (FIRST, AGAIN, FETCH)]
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        disk = Path(name) / "disk"
        disk.mkdir()
        async with a_namespace(disk) as here:
            state = here.state(Path(name) / "state")
            async with _backend(state) as (backend, api):
                await _first_line(backend, api, state)  # Whatever is made at the first use.
                first, again = [], []
                for _ in range(ROUNDS):
                    one, other = await _gang(here, backend, state)
                    first.append(one)
                    again.append(other)
                plain, fetching = [], []
                for _ in range(PAIRS):
                    for api.fetches, took in ((False, plain), (True, fetching)):
                        took.append(await _first_line(backend, api, state))
    ours, theirs = Spread(tuple(plain), "s"), Spread(tuple(fetching), "s")
    none = "none was set"
    return [
        Row(FIRST, Spread(tuple(first), "s"), None, none, True),
        Row(AGAIN, Spread(tuple(again), "s"), None, none, True),
        Row(
            f"{FETCH}; median difference {-pairs(ours, theirs, 'difference'):.2f} s",
            ours,
            theirs,
            "less than that",
            pairs(ours, theirs, "ratio") < 1,
        ),
    ]


@asynccontextmanager
async def _backend(state: StateDir) -> AsyncIterator[tuple[KubernetesBackend, Fetching]]:
    api = await Fetching.connect(KUBECONFIG)
    assert isinstance(api, Fetching)

    async def connected() -> Api:
        return api

    backend = KubernetesBackend(state, connect=connected)
    await backend.start()
    try:
        await backend.cluster.found(30)
        yield backend, api
    finally:
        await backend.close()


async def _gang(
    here: Namespace, backend: KubernetesBackend, state: StateDir
) -> tuple[float, float]:
    """Seconds to the first line, and to that of the attempt after a lost pod."""
    began = time.monotonic()
    job = await backend.submit("ada", _wish(STAYS, WORKERS))
    first = await _line(state, job, 1) - began
    for n in range(WORKERS):
        await _line(state, job, 1, n)
    victim = (await here.pods(job.id))[-1]
    began = time.monotonic()
    await here.core.delete_namespaced_pod(victim.metadata.name, here.name)
    again = await _line(state, job, 2) - began
    await backend.cancel(job.owner, job.id)
    await _until(backend, job, JobState.CANCELLED)  # Nothing of it disturbs the next one.
    return first, again


async def _first_line(backend: KubernetesBackend, api: Fetching, state: StateDir) -> float:
    """Seconds from the JobSet to a line."""
    job = await backend.submit("ada", _wish(ENDS, 1))
    took = await _line(state, job, 1) - api.applied
    await _until(backend, job, JobState.SUCCEEDED)
    return took


def _wish(source: str, workers: int) -> TrainingSpec:
    roles = (Role(replicas=workers, cpus=0.05),)
    return TrainingSpec(name="digits", image="here", code=Code(source=source), roles=roles)


async def _line(state: StateDir, job: TrainingJob, attempt: int, number: int = 0) -> float:
    """When a worker has said something, on the monotonic clock."""
    log = state.jobs / job.id / "run" / "attempts" / str(attempt) / f"worker-{number}.log"
    give_up = time.monotonic() + 90
    while not (log.exists() and b"up\n" in log.read_bytes()):
        assert time.monotonic() < give_up, f"{log} has no line"
        await asyncio.sleep(0.01)
    return time.monotonic()


async def _until(backend: KubernetesBackend, job: TrainingJob, state: JobState) -> None:
    give_up = time.monotonic() + 60
    while (now := await backend.get(job.owner, job.id)).state is not state:
        assert time.monotonic() < give_up, (now.state, now.reason)
        await asyncio.sleep(0.1)
