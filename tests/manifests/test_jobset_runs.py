"""JobSets of ours on a real cluster with JobSet's controller and one node that runs pods.

``KUBECONFIG`` names the cluster; ``DLLAB_TEST_IMAGE`` an image there with Python and this package;
``DLLAB_TEST_HOST`` the address by which pods reach this machine, which plays the lab service and
the node's disk. They say nothing of several nodes or of GPUs.
"""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fake_cluster import CATALOG
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.rest import ApiException

from dllab_hub.catalog import assemble
from dllab_hub.manifests.cluster import Cluster
from dllab_hub.manifests.gang import set_name
from dllab_hub.manifests.status import Observed, observed
from dllab_hub.manifests.training import ID_LABEL, jobset
from dllab_hub.names import new_id
from dllab_hub.specs import Code, JobState, Role, TrainingSpec

KUBECONFIG, IMAGE, HOST = map(os.environ.get, ("KUBECONFIG", "DLLAB_TEST_IMAGE", "DLLAB_TEST_HOST"))
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (KUBECONFIG and IMAGE and HOST),
        reason="KUBECONFIG, DLLAB_TEST_IMAGE and DLLAB_TEST_HOST name no cluster",
    ),
]
SETS = ("jobset.x-k8s.io", "v1alpha2")
#: Rank 0 adds up what the others say, and tells them; rank 0 of the first attempt saves.
ALLREDUCE = """
import os, pathlib, socket, time
saved = pathlib.Path(os.environ["DLLAB_CHECKPOINT_DIR"]) / "step"
step = int(saved.read_text()) if saved.exists() else 0
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    with socket.create_server(("", where[1])) as server:
        others = [server.accept()[0] for _ in range(world - 1)]
        total = sum(int(other.recv(10)) for other in others)
        for other in others:
            other.sendall(str(total).encode())
else:
    for _ in range(300):
        try:
            with socket.create_connection(where, timeout=30) as other:
                other.sendall(str(rank).encode())
                total = int(other.recv(10))
            break
        except OSError:
            time.sleep(0.2)
print("attempt", os.environ["DLLAB_ATTEMPT"], "sum", total, "from step", step, flush=True)
if step == 0:
    if rank == 0:
        saved.write_text("30")
    time.sleep(600)
"""
#: The chief asks a parameter server by its address, and ends; the servers never would.
PARAMETER_SERVER = """
import json, os, socket, time
about = json.loads(os.environ["TF_CONFIG"])
role, index = about["task"]["type"], about["task"]["index"]
host, port = about["cluster"]["ps"][0].split(":")
if role == "ps":
    with socket.create_server(("", int(port))) as server:
        while True:
            server.accept()[0].sendall(b"parameters")
for _ in range(200):
    try:
        with socket.create_connection((host, int(port)), timeout=2) as asked:
            print(role, index, asked.recv(100).decode(), flush=True)
            break
    except OSError:
        time.sleep(0.2)
else:
    raise SystemExit("no parameter server")
if role == "worker":
    time.sleep(600)
"""


class _Files(BaseHTTPRequestHandler):
    codes: dict[str, str] = {}  # noqa: RUF012 - by token

    def do_GET(self) -> None:
        code = self.codes.get((self.headers["Authorization"] or "").removeprefix("Bearer "))
        if code is None:
            self.send_error(403)
            return
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            info = tarfile.TarInfo("train.py")
            info.size, info.mode = len(code.encode()), 0o644
            tar.addfile(info, io.BytesIO(code.encode()))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(file.getvalue())

    def log_message(self, *_: Any) -> None:
        """Not a word among those of the tests."""


@pytest.fixture
def service() -> Iterator[str]:
    """Hands out the code of a job to whoever has its token; its URL as pods see it."""
    with ThreadingHTTPServer((str(HOST), 0), _Files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://{HOST}:{server.server_port}/"
        server.shutdown()
        thread.join()


class Place:
    """A namespace under the Pod Security Standard "restricted", with a claim for jobs."""

    def __init__(self, api: client.ApiClient, name: str, service: str) -> None:
        self.core = client.CoreV1Api(api)
        self.sets = client.CustomObjectsApi(api)
        self.name = name
        self.cluster = Cluster(namespace=name, claim="jobs", service_url=service)
        images = [{**CATALOG["images"][0], "container": IMAGE}]
        self.catalog = assemble({"images": images}, (), "cluster").for_person("ada")

    async def submit(self, spec: TrainingSpec) -> str:
        """The id of the job."""
        id, token = new_id(spec.name), uuid.uuid4().hex
        _Files.codes[token] = spec.code.source
        body = jobset(id, "ada", spec, self.catalog, self.cluster, token)
        await self.sets.create_namespaced_custom_object(*SETS, self.name, "jobsets", body)
        return id

    async def set_of(self, id: str) -> dict[str, Any]:
        found = await self.sets.get_namespaced_custom_object(
            *SETS, self.name, "jobsets", set_name(id)
        )
        return dict(found)

    async def pods(self, id: str) -> list[Any]:
        found = await self.core.list_namespaced_pod(self.name, label_selector=f"{ID_LABEL}={id}")
        return sorted(found.items, key=lambda pod: str(pod.metadata.name))

    async def seen(self, id: str, spec: TrainingSpec) -> Observed:
        """What `observed` makes of the real objects."""
        found = await self.core.list_namespaced_pod(
            self.name, label_selector=f"{ID_LABEL}={id}", _preload_content=False
        )
        return observed(await self.set_of(id), (await found.json())["items"], spec)

    async def log(self, pod: Any) -> str:
        try:
            return str(await self.core.read_namespaced_pod_log(pod.metadata.name, self.name))
        except ApiException as exc:
            if exc.status in (400, 404):  # It has not started yet, or is gone already.
                return ""
            raise

    async def said(self, id: str, text: str, number: int, limit: float = 120) -> None:
        """Wait until so many pods have said it."""
        give_up = time.monotonic() + limit
        while True:
            logs = [await self.log(pod) for pod in await self.pods(id)]
            if sum(text in log for log in logs) >= number:
                return
            assert time.monotonic() < give_up, (logs, (await self.set_of(id)).get("status"))
            await asyncio.sleep(0.3)

    async def until(self, id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a status of the JobSet."""
        give_up = time.monotonic() + 120
        while not wanted(found := (await self.set_of(id)).get("status", {})):
            assert time.monotonic() < give_up, found
            await asyncio.sleep(0.3)
        return dict(found)


@pytest.fixture
async def place(service: str, tmp_path: Path) -> AsyncIterator[Place]:
    await config.load_kube_config(KUBECONFIG)
    async with client.ApiClient() as api:
        name = f"dllab-test-{uuid.uuid4().hex[:8]}"
        here = Place(api, name, service)
        disk = tmp_path / "disk"
        disk.mkdir()
        disk.chmod(0o777)  # The pods' user is another.
        for parent in (tmp_path, *tmp_path.parents[:2]):
            parent.chmod(0o755)
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        await here.core.create_namespace({"metadata": {"name": name, "labels": labels}})
        size = {"storage": "1Gi"}
        spec = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
        await here.core.create_persistent_volume(
            {
                "metadata": {"name": name},
                "spec": {**spec, "capacity": size, "hostPath": {"path": str(disk)}},
            }
        )
        await here.core.create_namespaced_persistent_volume_claim(
            name,
            {
                "metadata": {"name": "jobs"},
                "spec": {**spec, "volumeName": name, "resources": {"requests": size}},
            },
        )
        yield here
        await here.core.delete_namespace(name)
        await here.core.delete_persistent_volume(name)


def complete(status: dict[str, Any]) -> bool:
    return bool(status.get("terminalState") == "Completed")


async def test_a_lost_pod_is_a_new_attempt_of_all(place: Place) -> None:
    """Four ranks meet by their names; when a pod goes all are relaunched, and resume."""
    spec = TrainingSpec(
        name="digits",
        image="torch",
        code=Code(source=ALLREDUCE),
        roles=(Role(replicas=4, cpus=0.1),),
    )
    id = await place.submit(spec)
    await place.said(id, "attempt 1 sum 6 from step 0", 4)
    assert JobState.RUNNING is (await place.seen(id, spec)).state
    await asyncio.sleep(1)  # Rank 0 saves after it has said so.
    victim = (await place.pods(id))[2]
    await place.core.delete_namespaced_pod(victim.metadata.name, place.name)

    await place.said(id, "attempt 2 sum 6 from step 30", 4)
    status = await place.until(id, complete)
    assert 1 == status["restarts"]
    found = await place.seen(id, spec)
    assert (JobState.SUCCEEDED, 2, 4) == (found.state, found.attempt, len(found.replicas))
    assert {0} == {replica.exit_code for replica in found.replicas}


async def test_the_chief_ends_the_servers(place: Place) -> None:
    """When the chief has succeeded the JobSet is complete and nothing of it runs."""
    spec = TrainingSpec(
        name="servers",
        image="torch",
        code=Code(source=PARAMETER_SERVER),
        strategy="ps",
        roles=tuple(
            Role(name=name, replicas=n, cpus=0.1)
            for name, n in (("chief", 1), ("ps", 1), ("worker", 2))
        ),
    )
    id = await place.submit(spec)
    await place.until(id, complete)
    assert JobState.SUCCEEDED is (await place.seen(id, spec)).state

    give_up = time.monotonic() + 60
    while any(pod.status.phase == "Running" for pod in await place.pods(id)):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.3)


async def test_a_suspended_set_has_no_pods_and_goes_on(place: Place) -> None:
    """To pause is to suspend: its pods are gone, and after that it starts with the checkpoint."""
    spec = TrainingSpec(
        name="paused",
        image="torch",
        code=Code(source=ALLREDUCE),
        roles=(Role(replicas=2, cpus=0.1),),
    )
    id = await place.submit(spec)
    await place.said(id, "attempt 1 sum 1 from step 0", 2)
    await asyncio.sleep(1)

    async def suspend(wish: bool) -> None:
        await place.sets.patch_namespaced_custom_object(
            *SETS,
            place.name,
            "jobsets",
            set_name(id),
            [{"op": "replace", "path": "/spec/suspend", "value": wish}],
        )

    await suspend(True)
    give_up = time.monotonic() + 90
    while await place.pods(id):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.3)
    assert JobState.PENDING is (await place.seen(id, spec)).state  # Nobody has marked it paused.
    await suspend(False)
    await place.said(id, "from step 30", 2)
    await place.until(id, complete)


async def test_a_wrong_token_opens_nothing(place: Place) -> None:
    """The pod ends before the code starts, and says why."""
    spec = TrainingSpec(
        name="shut",
        image="torch",
        code=Code(source="print('ran')"),
        strategy="single",
        max_restarts=0,
    )
    body = jobset("shut-b2c3d4f", "ada", spec, place.catalog, place.cluster, "stolen")
    await place.sets.create_namespaced_custom_object(*SETS, place.name, "jobsets", body)
    await place.until("shut-b2c3d4f", lambda status: status.get("terminalState") == "Failed")

    found = await place.seen("shut-b2c3d4f", spec)
    assert JobState.FAILED is found.state
    assert (
        "worker-0: the job's files did not come: the lab service answers 403 Forbidden."
        == found.reason
    )
