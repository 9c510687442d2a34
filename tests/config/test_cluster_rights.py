"""The rights of config/kubernetes on a real API server: what the hub's account may do there."""

from __future__ import annotations

import pytest
from fenced_place import KUBECONFIG, Place

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]


async def test_what_the_hub_may_do(place: Place) -> None:
    """Exactly what is listed: the rules that hold for it here, less those that hold everywhere."""

    async def rules(namespace: str) -> set[tuple[str, str, str]]:
        status, said = await place.ask(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            {"spec": {"namespace": namespace}},
            hub=True,
        )
        assert status == 201, said
        return {
            (group, resource, verb)
            for rule in said["status"]["resourceRules"]
            for group in rule.get("apiGroups") or [""]
            for resource in rule.get("resources") or []
            for verb in rule["verbs"]
        }

    look = ("get", "list", "watch")
    assert {
        *(("jobset.x-k8s.io", "jobsets", v) for v in (*look, "create", "patch", "delete")),
        *(("", "events", v) for v in look),
        *(("kueue.x-k8s.io", "workloads", v) for v in look),
    } == await rules(place.name) - await rules("kube-public")
    everywhere = {
        (group, resource, verb)
        for group, resource, verb in await rules("kube-public")
        if group not in {"authorization.k8s.io", "authentication.k8s.io"}
    }
    assert {("", kind, verb) for kind in ("nodes", "pods") for verb in look} == everywhere


async def test_what_the_hub_may_not_do(place: Place) -> None:
    """No secrets, no pods or jobs of its own, no shell, no other rights, no other fence."""
    fence = "admissionregistration.k8s.io"
    asked = [
        *(("secrets", "", "", verb) for verb in ("get", "list", "watch", "create")),
        *(("pods", "", "", verb) for verb in ("create", "patch", "delete")),
        *(("pods", "", sub, "create") for sub in ("exec", "attach", "portforward", "eviction")),
        *(("pods", "", sub, "patch") for sub in ("ephemeralcontainers", "status")),
        *(("jobs", "batch", "", verb) for verb in ("create", "patch", "delete")),
        ("jobsets", "jobset.x-k8s.io", "", "deletecollection"),
        ("jobsets", "jobset.x-k8s.io", "status", "patch"),
        ("configmaps", "", "", "patch"),
        ("persistentvolumeclaims", "", "", "create"),
        ("serviceaccounts", "", "token", "create"),
        ("rolebindings", "rbac.authorization.k8s.io", "", "create"),
        ("validatingadmissionpolicies", fence, "", "patch"),
        ("resourcequotas", "", "", "patch"),
    ]
    assert [] == [
        (resource, sub, verb)
        for resource, group, sub, verb in asked
        if await place.may(verb, resource, group, sub)
    ]
    assert await place.may("create", "jobsets", "jobset.x-k8s.io")  # It can say yes, too.
