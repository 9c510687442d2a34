"""The namespace of a hub and its labs beside those of jobs and models, and the rights of the hub's
account.

Its claim and theirs are one directory of this machine, which is the node.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from fenced_place import KUBECONFIG, Place

__all__ = (
    "CLAIM",
    "IMAGE",
    "MODELS",
    "USER",
    "WHY_NOT",
    "hub_kubeconfig",
    "hub_namespace",
    "node_address",
)

IMAGE = os.environ.get("DLLAB_TEST_LAB_IMAGE")
WHY_NOT = "" if KUBECONFIG and IMAGE else "KUBECONFIG and DLLAB_TEST_LAB_IMAGE name no cluster"
#: The hub's user in its image, and that of labs and jobs.
USER = os.geteuid() or 1000
#: That of the policy in `fenced_place`.
CLAIM, MODELS = "jobs", "models"
#: What the chart lets its hub do in its own namespace.
_CHART = [
    {
        "apiGroups": [""],
        "resources": ["pods", "persistentvolumeclaims", "secrets", "services"],
        "verbs": ["get", "watch", "list", "create", "delete"],
    },
    {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "watch", "list"]},
]


@asynccontextmanager
async def hub_namespace(place: Place, disk: Path) -> AsyncIterator[None]:
    """The hub's, and the claims in all of them; the policies allow our images."""
    labs = f"{place.name}-hub"
    core, rights = "/api/v1", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{labs}"
    meta = {"metadata": {"name": "hub"}}
    subjects = [{"kind": "ServiceAccount", "name": "hub", "namespace": labs}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "hub"}
    wanted: list[tuple[str, dict[str, Any]]] = [
        (f"{core}/namespaces", {"metadata": {"name": labs}}),
        (f"{core}/namespaces/{labs}/serviceaccounts", meta),
        (f"{rights}/roles", {**meta, "rules": _CHART}),
        (f"{rights}/rolebindings", {**meta, "roleRef": role, "subjects": subjects}),
    ]
    for namespace in (labs, place.name, place.serving):
        spec = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
        size = {"storage": "1Gi"}
        volume = {**spec, "capacity": size, "hostPath": {"path": str(disk)}}
        claim = {**spec, "volumeName": namespace, "resources": {"requests": size}}
        wanted += [
            (f"{core}/persistentvolumes", {"metadata": {"name": namespace}, "spec": volume}),
            (
                f"{core}/namespaces/{namespace}/persistentvolumeclaims",
                {
                    "metadata": {"name": MODELS if namespace == place.serving else CLAIM},
                    "spec": claim,
                },
            ),
        ]
    try:
        for policy in (place.name, place.serving):
            await _allow_image(place, policy)
        for path, body in wanted:
            status, said = await place.ask("POST", path, body)
            assert status == 201, said
        yield
    finally:
        volumes = (f"persistentvolumes/{name}" for name in (labs, place.name, place.serving))
        for path in (f"namespaces/{labs}", *volumes):
            await place.ask("DELETE", f"{core}/{path}")


async def _allow_image(place: Place, name: str) -> None:
    fences = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    _, policy = await place.ask("GET", f"{fences}/{name}")
    for variable in policy["spec"]["variables"]:
        if variable["name"] == "images":
            variable["expression"] = f"['{str(IMAGE).rpartition('/')[0]}/']"
    body = {"spec": {"variables": policy["spec"]["variables"]}}
    status, said = await place.ask("PATCH", f"{fences}/{name}", body)
    assert status == 200, said


async def hub_kubeconfig(place: Place) -> dict[str, Any]:
    """With a token of the hub's account, and nothing else of the administrator's."""
    labs = f"{place.name}-hub"
    path = f"/api/v1/namespaces/{labs}/serviceaccounts/hub/token"
    status, said = await place.ask("POST", path, {"spec": {"expirationSeconds": 7200}})
    assert status == 201, said
    given = yaml.safe_load(Path(KUBECONFIG or "").read_text())
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": given["clusters"][0]["cluster"]}],
        "users": [{"name": "u", "user": {"token": said["status"]["token"]}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": labs}}],
        "current-context": "x",
    }


async def node_address(place: Place) -> str:
    """At which pods reach this machine."""
    _, nodes = await place.ask("GET", "/api/v1/nodes?labelSelector=dllab-cluster/fake!=true")
    addresses = nodes["items"][0]["status"]["addresses"]
    return str(next(one["address"] for one in addresses if one["type"] == "InternalIP"))
