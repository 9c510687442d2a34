"""A real cluster for tests: a namespace of their own, and a lab service that hands out code."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fake_cluster import CATALOG
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.rest import ApiException

from dllab_hub.catalog import assemble
from dllab_hub.manifests.cluster import Cluster
from dllab_hub.manifests.gang import set_name
from dllab_hub.manifests.status import Observed, observed
from dllab_hub.manifests.training import ID_LABEL, jobset
from dllab_hub.names import new_id
from dllab_hub.specs import TrainingSpec

__all__ = ("HOST", "IMAGE", "KUBECONFIG", "Place", "a_place", "a_service")

KUBECONFIG, IMAGE, HOST = map(os.environ.get, ("KUBECONFIG", "DLLAB_TEST_IMAGE", "DLLAB_TEST_HOST"))
_SETS = ("jobset.x-k8s.io", "v1alpha2")


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


@contextmanager
def a_service() -> Iterator[str]:
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
        await self.create(id, spec, token)
        return id

    async def create(self, id: str, spec: TrainingSpec, token: str) -> None:
        """Its JobSet."""
        body = jobset(id, "ada", spec, self.catalog, self.cluster, token)
        await self.sets.create_namespaced_custom_object(*_SETS, self.name, "jobsets", body)

    async def suspend(self, id: str, wish: bool) -> None:
        """Suspend it, or let it go."""
        await self.sets.patch_namespaced_custom_object(
            *_SETS,
            self.name,
            "jobsets",
            set_name(id),
            [{"op": "replace", "path": "/spec/suspend", "value": wish}],
        )

    async def set_of(self, id: str) -> dict[str, Any]:
        found = await self.sets.get_namespaced_custom_object(
            *_SETS, self.name, "jobsets", set_name(id)
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


@asynccontextmanager
async def a_place(service: str, tmp_path: Path) -> AsyncIterator[Place]:
    """A namespace for one test; it is gone afterwards."""
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
