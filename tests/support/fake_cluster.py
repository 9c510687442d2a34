"""A spawner of a real hub's user, and a cluster that is told what to answer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.objects import Hub
from jupyterhub.user import User
from kubernetes_asyncio.client import ApiClient
from traitlets.config import Config

from dllab_hub.hub.kube import LabKubeSpawner

#: What an administrator writes: two images, GPUs of two types, one volume of each kind.
CATALOG: dict[str, Any] = {
    "images": [
        {
            "name": "torch", "title": "PyTorch 2.13", "framework": "pytorch", "version": "2.13",
            "container": "registry.example.org/lab/torch:2.13",
        },
        {
            "name": "jax", "title": "JAX", "framework": "jax", "version": "0.9",
            "container": "registry.example.org/lab/jax:0.9",
        },
    ],
    "volumes": [
        {"name": "team", "title": "Team", "claim": "team", "sub_path": "homes/{username}"},
        {"name": "sets", "title": "Sets", "claim": "sets", "mount": "/data/sets",
         "read_only": True},
        {"name": "nas", "title": "NAS", "nfs": "10.0.0.5:/export", "read_only": True},
        {"name": "bucket", "title": "Bucket", "csi": {"driver": "s3.csi.example.org",
                                                     "attributes": {"bucket": "b"}}},
        {"name": "remote", "title": "Remote", "url": "s3://bucket/x",
         "options": {"endpoint_url": "http://s3.example.org"}},
        {"name": "graces", "title": "Grace's", "claim": "grace", "users": ["grace"]},
    ],
    "gpu_types": [
        {"name": "a100", "title": "A100", "node_selector": {"gpu": "a100"},
         "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]},
        {"name": "mig", "title": "A small part", "resource": "nvidia.com/mig-1g.10gb",
         "node_selector": {"gpu": "mig"}},
    ],
    "cpus": [2, 8],
    "memory": ["8G", "64G"],
    "limits": {"max_gpus": 4, "max_gpu_idle": 120},
    "bring": {"images": r"registry\.example\.org/own/.+"},
}  # fmt: skip


class Reflector:
    """What KubeSpawner knows of a cluster."""

    def __init__(self) -> None:
        self.pods: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []


class Cluster:
    """An API server that takes pods, or says why it does not."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.deleted: list[str] = []
        self.refuses: Exception | None = None
        self.reflector = Reflector()

    async def create_namespaced_pod(self, namespace: str, pod: Any) -> None:
        if self.refuses:
            raise self.refuses
        self.made.append(pod)

    async def delete_namespaced_pod(self, name: str, namespace: str, **_: Any) -> None:
        self.deleted.append(name)

    def says(self, reason: str, message: str, of: str = "ada") -> None:
        """One more event of a pod."""
        number = len(self.reflector.events)
        self.reflector.events.append(
            {
                "metadata": {"uid": str(number)},
                "involvedObject": {"name": f"jupyter-{of}"},
                "reason": reason,
                "message": message,
                "type": "Normal",
                "lastTimestamp": f"2026-01-01T00:00:{number:02}Z",
            }
        )

    def shows(self, name: str = "jupyter-ada", namespace: str = "labs", **status: Any) -> None:
        """The pod's status from now on."""
        self.reflector.pods[f"{namespace}/{name}"] = {
            "metadata": {"uid": "1", "name": name},
            "spec": {"containers": [{"ports": [{"name": "notebook-port", "containerPort": 8888}]}]},
            "status": {"phase": "Pending", "podIP": None, "containerStatuses": [], **status},
        }


def a_spawner(
    monkeypatch: pytest.MonkeyPatch,
    cluster: Cluster | None = None,
    user: str = "ada",
    groups: tuple[str, ...] = (),
    server: str = "",
    **config: dict[str, Any],
) -> LabKubeSpawner:
    """The spawner as the hub makes it for a user of its database.

    Args:
        cluster: Which it talks to.
        user: Name.
        groups: Of the user.
        server: Name of the server.
        config: Class -> settings, on top of a catalog.
    """
    place = cluster or Cluster()
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **_: None)
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda _: place)
    db = orm.new_session_factory("sqlite:///:memory:")()
    person = orm.User(name=user)
    db.add(person)
    path = f"/user/{user}/{server}/" if server else f"/user/{user}/"
    db.add(orm.Spawner(name=server, user=person, server=orm.Server(base_url=path)))
    if server:
        db.add(orm.Spawner(name="", user=person))
    for name in groups:
        db.add(orm.Group(name=name, users=[person]))
    db.commit()
    settings = {"LabCatalog": copy.deepcopy(CATALOG), "KubeSpawner": {"namespace": "labs"}}
    for name, values in config.items():
        settings[name] = {**settings.get(name, {}), **values}
    hub = Hub(ip="10.0.0.1", port=8081, base_url="/hub/")
    made = User(
        person,
        {
            "config": Config(settings),
            "hub": hub,
            "spawner_class": LabKubeSpawner,
            "base_url": "/",
            "allow_named_servers": True,
        },
        db,
    )
    spawner: LabKubeSpawner = made.spawners[server]

    async def connected(*_: Any, **__: Any) -> None:
        kinds = {spawner._get_reflector_key(kind): place.reflector for kind in ("pods", "events")}
        monkeypatch.setattr(LabKubeSpawner, "reflectors", kinds)

    monkeypatch.setattr(spawner, "_start_watching_pods", connected)
    monkeypatch.setattr(spawner, "_start_watching_events", connected)
    return spawner


async def pod_of(spawner: LabKubeSpawner, options: dict[str, Any]) -> dict[str, Any]:
    """The pod that these options become, as the API server would get it."""
    await spawner._run_apply_user_options(options)
    await spawner.load_user_options()
    # Without __init__, which loads certificates for a connection that nobody needs.
    client = ApiClient.__new__(ApiClient)
    found = client.sanitize_for_serialization(await spawner.get_pod_manifest())
    assert isinstance(found, dict)
    return found
