"""config/kubernetes on a real API server, under names of its own.

``KUBECONFIG`` names the cluster, and its user may do everything. Jobs are offered in dry runs, so
that none runs. It needs JobSet's definition, no nodes.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes_asyncio import client, config

__all__ = ("KUBECONFIG", "PATHS", "SETS", "Place", "a_fenced_place", "a_set", "without_owner")

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config" / "kubernetes"
GOLDEN = ROOT / "tests" / "manifests" / "golden"
KUBECONFIG = os.environ.get("KUBECONFIG")
SETS = "/apis/jobset.x-k8s.io/v1alpha2/namespaces/{}/jobsets"
_FENCES = "/apis/admissionregistration.k8s.io/v1"
#: What an administrator says in the policies, for the catalog of `fake_cluster`, and the models'
#: claim of `servings`.
_OWN = {
    "images": "['registry.example.org/lab/']",
    "claim": "'jobs'",
    "claims": "['sets', 'team/homes/', 'team/all/sets']",
    "drivers": "['s3.csi.example.org']",
    "labels": "['example.org/pool']",
}
_SERVING = {**_OWN, "claim": "'models'"}
#: Where each kind is made; those that are of no namespace first.
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ValidatingAdmissionPolicy": f"{_FENCES}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{_FENCES}/validatingadmissionpolicybindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "LimitRange": "/api/v1/namespaces/{}/limitranges",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
}


@dataclass
class Place:
    """The objects of config/kubernetes in namespaces for one test, and the account they name."""

    api: client.ApiClient
    name: str

    @property
    def serving(self) -> str:
        """The namespace of models that are served."""
        return f"{self.name}-serving"

    async def ask(
        self, method: str, path: str, body: Any = None, *, hub: bool = False, user: str = ""
    ) -> tuple[int, Any]:
        """Status and answer, as the administrator, the hub's account, or somebody else."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        await self.api.update_params_for_auth(headers, [], ["BearerToken"])
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        if hub or user:
            headers["Impersonate-User"] = user or f"system:serviceaccount:{self.name}-hub:hub"
        url = self.api.configuration.host + path
        async with self.api.rest_client.pool_manager.request(
            method, url, headers=headers, data=None if body is None else json.dumps(body)
        ) as answer:
            return answer.status, await answer.json()

    async def offer(self, body: dict[str, Any]) -> tuple[int, str]:
        """What the API server says to a JobSet of the hub's account; it is not made."""
        path = f"{SETS.format(self.name)}?dryRun=All"
        status, said = await self.ask("POST", path, body, hub=True)
        return status, str(said.get("message", ""))

    async def grant(self, namespace: str, account: str, where: str) -> None:
        """Let an account do everything in a namespace of this place."""
        body = {
            "metadata": {"name": account},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "cluster-admin",
            },
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        }
        status, said = await self.ask("POST", PATHS["RoleBinding"].format(where), body)
        assert status == 201, said

    async def may(
        self, verb: str, resource: str, group: str = "", sub: str = "", *, namespace: str = ""
    ) -> bool:
        """Whether the hub's account may, in the jobs' namespace or in another one."""
        asked = {
            "verb": verb, "group": group, "resource": resource, "subresource": sub,
            "namespace": namespace or self.name,
        }  # fmt: skip
        status, said = await self.ask(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            {"spec": {"resourceAttributes": asked}},
            hub=True,
        )
        assert status == 201, said
        return bool(said["status"]["allowed"])


def shipped(name: str) -> Iterator[dict[str, Any]]:
    """What ``kubectl apply -k`` applies, under names of this test."""
    files = yaml.safe_load((SHIPPED / "kustomization.yaml").read_text())["resources"]
    mine = {
        "dllab-jobs": name,
        "dllab-capacity": name,
        "dllab-serving": f"{name}-serving",
        "labs": f"{name}-hub",
    }

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: renamed(one) for key, one in value.items()}
        if isinstance(value, list):
            return [renamed(one) for one in value]
        return mine.get(value, value) if isinstance(value, str) else value

    for file in files:
        for made in yaml.safe_load_all((SHIPPED / file).read_text()):
            if made["kind"] == "ValidatingAdmissionPolicy":  # What an administrator edits.
                own = _SERVING if made["metadata"]["name"] == "dllab-serving" else _OWN
                for variable in made["spec"]["variables"]:
                    variable["expression"] = own.get(variable["name"], variable["expression"])
            yield renamed(made)


@asynccontextmanager
async def a_fenced_place() -> AsyncIterator[Place]:
    """They are gone afterwards."""
    await config.load_kube_config(KUBECONFIG)
    async with client.ApiClient() as api:
        here = Place(api, f"dllab-test-{uuid.uuid4().hex[:8]}")
        made = sorted(shipped(here.name), key=lambda one: list(PATHS).index(one["kind"]))
        try:
            for one in made:
                where = one["metadata"].get("namespace", here.name)
                status, said = await here.ask("POST", PATHS[one["kind"]].format(where), one)
                assert status == 201, said
            give_up = time.monotonic() + 60  # Both fences are up a moment after they were made.
            while "says whose it is" not in (
                said := (await here.offer(without_owner(a_set(here))))[1]
            ):
                assert time.monotonic() < give_up, said
                await asyncio.sleep(0.2)
            yield here
        finally:
            for one in made:
                if "{}" not in PATHS[one["kind"]]:
                    await here.ask("DELETE", f"{PATHS[one['kind']]}/{one['metadata']['name']}")


def a_set(place: Place, name: str = "allreduce") -> dict[str, Any]:
    """What `manifests.training` makes of a wish: another test holds that it is this file."""
    found = yaml.safe_load((GOLDEN / f"jobset-{name}.yaml").read_text())
    made: dict[str, Any] = json.loads(json.dumps(found))  # YAML's anchors are one dict twice.
    made["metadata"]["namespace"] = place.name
    return made


def without_owner(made: dict[str, Any]) -> dict[str, Any]:
    del made["metadata"]["labels"]["dllab-hub/owner"]
    return made
