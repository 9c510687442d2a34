"""`Told`: a person's models on a real cluster, and what happens there behind the service's back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio import client
from real_cluster import SERVES, WHY_NOT_SERVED, Namespace, a_namespace
from serving_place import ROWS, ServingPlace, until

from dllab_hub.backends.calls import Call, Reply
from dllab_hub.backends.kubernetes.serving import ClusterServing
from dllab_hub.backends.serving import Serving
from dllab_hub.specs import Deployment, DeploymentState
from dllab_hub.state import StateDir

__all__ = ("MARKS", "PATIENCE", "BigPlace", "PodsPlace", "Told", "a_story", "stop")

#: Of files whose tests need the cluster.
MARKS = [
    pytest.mark.cluster,
    pytest.mark.timeout(400),
    pytest.mark.skipif(bool(WHY_NOT_SERVED), reason=WHY_NOT_SERVED or "none"),
]
_LABELS = "dllab-hub/deployment"


#: Seconds for a pod to start and its model server to load: others may be busy on this machine.
PATIENCE = 120.0


class PodsPlace(ServingPlace):
    """One whose replicas are pods, which take longer to start than processes do."""

    def __init__(self, serving: Serving, files: Path, owner: str = "ada") -> None:
        super().__init__(serving, files, owner, balanced=False)

    async def state(
        self, state: DeploymentState, name: str = "digits", seconds: float = PATIENCE
    ) -> Deployment:
        return await super().state(state, name, seconds)

    async def beside(self, version: int, replicas: int = 1) -> Deployment:
        async def there() -> Deployment | None:
            now = await self.get()
            answer = {each.version: each.ready for each in now.versions}
            return now if answer.get(version) == replicas else None

        return await until(there, PATIENCE)

    async def only(self, *versions: int) -> Deployment:
        async def there() -> Deployment | None:
            now = await self.get()
            return now if {one.version for one in now.replicas} == set(versions) else None

        return await until(there, PATIENCE)


class BigPlace(PodsPlace):
    """One whose questions and answers have a million bytes."""

    _BIG = json.dumps({"instances": ROWS * 56_000}).encode()

    async def ask(
        self, rows: object = ROWS, name: str = "digits", version: int | None = None
    ) -> Reply:
        path = f"v1/models/{name}:predict"
        headers = {"content-type": "application/json"}
        assert len(self._BIG) > 1_000_000
        reply = await self.serving.call(
            self.owner, name, Call("POST", path, self._BIG, headers, version)
        )
        assert reply.status != 200 or len(reply.body) > 1_000_000
        return reply


@dataclass
class Told:
    """A namespace, what a lab service keeps of it, and where the files of models are.

    Attributes:
        namespace: Of the deployments.
        state: Of the lab service.
        files: The folder of `onnx_files`.
    """

    namespace: Namespace
    state: StateDir
    files: Path

    @asynccontextmanager
    async def service(self) -> AsyncIterator[PodsPlace]:
        """A lab service that has found the cluster; what runs runs on when it goes."""
        async with self.namespace.backend(self.state) as backend:
            serving = backend.serving
            assert isinstance(serving, ClusterServing)
            assert await serving.found(30)
            yield PodsPlace(serving, self.files)

    def place(self, other: ServingPlace, owner: str) -> PodsPlace:
        """The same service for somebody else."""
        return PodsPlace(other.serving, self.files, owner)

    async def pods(self, name: str = "digits", owner: str = "") -> list[Any]:
        """Of the deployments of a name that are not to end, oldest first."""
        found = await self.namespace.core.list_namespaced_pod(
            self.namespace.name, label_selector=f"{_LABELS}={name}"
        )
        return sorted(
            (
                pod
                for pod in found.items
                if not pod.metadata.deletion_timestamp
                and owner in ("", (pod.metadata.annotations or {}).get("dllab-hub/owner"))
            ),
            key=lambda pod: (pod.metadata.creation_timestamp, pod.metadata.name),
        )

    async def remove(self, pod: Any, grace: int | None = None) -> None:
        """Delete a pod as a person would."""
        more = {} if grace is None else {"grace_period_seconds": grace}
        await self.namespace.core.delete_namespaced_pod(
            pod.metadata.name, self.namespace.name, **more
        )

    @property
    def apps(self) -> client.AppsV1Api:
        """The API of Deployments."""
        return client.AppsV1Api(self.namespace.core.api_client)


def stop(pod: Any, number: signal.Signals) -> None:
    """Send a signal to every process of a pod's container, which runs on this machine."""
    id = pod.status.container_statuses[0].container_id.rpartition("/")[2]
    found = []
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            if id in path.read_text():
                found.append(int(path.parent.name))
        except OSError:  # It has ended.
            continue
    assert found, id
    for pid in found:
        os.kill(pid, number)


@asynccontextmanager
async def a_story(root: Path, files: Path, more: str = SERVES) -> AsyncIterator[Told]:
    """A namespace with a claim, and nothing in it."""
    disk = root / "disk"
    disk.mkdir(parents=True)
    async with a_namespace(disk) as namespace:
        yield Told(namespace, namespace.state(root / "state", more), files)
