"""A real cluster for tests: a namespace of their own, with a claim on a directory of this machine.

``KUBECONFIG`` names the cluster, whose one node that runs pods is this machine;
``DLLAB_TEST_IMAGE`` an image there with Python and this package, and ``DLLAB_TEST_SERVING_IMAGE``
one with the model server. They say nothing of several nodes or of GPUs.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes_asyncio import client, config

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.backend import KubernetesBackend
from dllab_hub.manifests.training import ID_LABEL
from dllab_hub.state import StateDir

__all__ = (
    "IMAGE",
    "KUBECONFIG",
    "SERVES",
    "SERVING_IMAGE",
    "WHY_NOT",
    "WHY_NOT_SERVED",
    "Namespace",
    "a_namespace",
)

KUBECONFIG, IMAGE = map(os.environ.get, ("KUBECONFIG", "DLLAB_TEST_IMAGE"))
SERVING_IMAGE = os.environ.get("DLLAB_TEST_SERVING_IMAGE")
WHY_NOT = "" if KUBECONFIG and IMAGE else "KUBECONFIG and DLLAB_TEST_IMAGE name no cluster"
_NONE = "KUBECONFIG and DLLAB_TEST_SERVING_IMAGE name no cluster"
WHY_NOT_SERVED = "" if KUBECONFIG and SERVING_IMAGE else _NONE
#: More settings: models are served in the namespace of jobs.
SERVES = f"""
[[images]]
name = "serving"
title = "Model server"
framework = "kserve"
version = "0.21"
serves = ["onnx"]
container = "{SERVING_IMAGE}"

[serving.cluster]
namespace = "{{namespace}}"
claim = "jobs"
cpus = 0.1
memory = 536870912
drain = 2
"""
_SETTINGS = """
[[images]]
name = "here"
title = "Python"
framework = "python"
version = "3"
container = "{image}"

[limits]
max_replicas = 64

[cluster]
namespace = "{namespace}"
claim = "jobs"
keep = 60
{more}
"""


@dataclass
class Namespace:
    """A namespace under the Pod Security Standard "restricted", with a claim for jobs.

    Attributes:
        name: Of the namespace.
        disk: The directory behind the claim.
        core: Its API.
    """

    name: str
    disk: Path
    core: client.CoreV1Api

    def state(self, root: Path, more: str = "") -> StateDir:
        """A state directory with settings for this namespace."""
        root.mkdir(parents=True, exist_ok=True)
        more = more.format(namespace=self.name)
        image = IMAGE or SERVING_IMAGE
        text = _SETTINGS.format(image=image, namespace=self.name, more=more)
        (root / "catalog.toml").write_text(text)
        return StateDir(root, root / "envs", self.disk)

    @asynccontextmanager
    async def backend(self, state: StateDir) -> AsyncIterator[KubernetesBackend]:
        """A backend that has found the cluster."""
        backend = KubernetesBackend(state, connect=lambda: Api.connect(KUBECONFIG))
        await backend.start()
        try:
            await backend.cluster.found(30)
            yield backend
        finally:
            await backend.close()

    async def pods(self, id: str) -> list[Any]:
        """Of a job, by name."""
        found = await self.core.list_namespaced_pod(self.name, label_selector=f"{ID_LABEL}={id}")
        return sorted(found.items, key=lambda pod: str(pod.metadata.name))

    def clear(self) -> None:
        """Forget the files of all jobs."""
        for path in self.disk.iterdir():
            shutil.rmtree(path)


@asynccontextmanager
async def a_namespace(disk: Path) -> AsyncIterator[Namespace]:
    """A namespace that is gone afterwards.

    Args:
        disk: A directory that is there; pods reach it with their own user.
    """
    await config.load_kube_config(KUBECONFIG)
    async with client.ApiClient() as api:
        name = f"dllab-test-{uuid.uuid4().hex[:8]}"
        here = Namespace(name, disk, client.CoreV1Api(api))
        for parent in (disk, *disk.parents[:3]):
            if parent != Path("/tmp"):
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
