"""The rights of config/kubernetes on a real API server: what the hub's account may do there."""

from __future__ import annotations

import pytest
from fenced_place import KUBECONFIG, Place

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]


LOOK = ("get", "list", "watch")
ALL = (*LOOK, "create", "patch", "delete")
KSERVE = ("inferenceservices", "servingruntimes")


async def rules(place: Place, namespace: str) -> set[tuple[str, str, str]]:
    """Group, resource and verb of each rule that holds for the hub's account in a namespace."""
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


async def test_what_the_hub_may_do(place: Place) -> None:
    """Exactly what is listed: the rules that hold for it here, less those that hold everywhere."""
    assert {
        *(("jobset.x-k8s.io", "jobsets", v) for v in ALL),
        *(("", "events", v) for v in LOOK),
        *(("kueue.x-k8s.io", "workloads", v) for v in LOOK),
    } == await rules(place, place.name) - await rules(place, "kube-public")
    everywhere = {
        (group, resource, verb)
        for group, resource, verb in await rules(place, "kube-public")
        if group not in {"authorization.k8s.io", "authentication.k8s.io"}
    }
    assert {("", kind, verb) for kind in ("nodes", "pods") for verb in LOOK} == everywhere


async def test_what_the_hub_may_do_where_models_are_served(place: Place) -> None:
    """Make what serves them, pods that look into them, read logs; and exactly that."""
    everywhere = await rules(place, "kube-public")
    assert {
        *(("apps", "deployments", v) for v in ALL),
        *(("", kind, v) for kind in ("services", "pods") for v in ALL),
        *(("policy", "poddisruptionbudgets", v) for v in ALL),
        *(("autoscaling", "horizontalpodautoscalers", v) for v in ALL),
        *(("serving.kserve.io", kind, v) for kind in KSERVE for v in ALL),
        *(("", "events", v) for v in LOOK),
        ("", "pods/log", "get"),
    } - everywhere == await rules(place, place.serving) - everywhere


async def test_what_the_hub_may_not_do_where_models_are_served(place: Place) -> None:
    """No secrets, no shell, no other kind of work, no other rights, no way past the fences."""
    fence, network = "admissionregistration.k8s.io", "networking.k8s.io"
    asked = [
        *(("secrets", "", "", verb) for verb in ("get", "list", "watch", "create")),
        *(("pods", "", sub, "create") for sub in ("exec", "attach", "portforward", "eviction")),
        *(("pods", "", sub, "get") for sub in ("exec", "proxy")),
        *(("pods", "", sub, "patch") for sub in ("ephemeralcontainers", "status", "resize")),
        *(("services", "", sub, "get") for sub in ("proxy",)),
        *((kind, "apps", "", "create") for kind in ("replicasets", "daemonsets", "statefulsets")),
        *(("jobs", "batch", "", verb) for verb in ("create", "patch", "delete")),
        *(("deployments", "apps", sub, "patch") for sub in ("scale", "status")),
        *((kind, "", "", "deletecollection") for kind in ("pods", "services")),
        *(("networkpolicies", network, "", verb) for verb in ("create", "patch", "delete")),
        ("ingresses", network, "", "create"),
        ("endpointslices", "discovery.k8s.io", "", "create"),
        ("configmaps", "", "", "create"),
        ("persistentvolumeclaims", "", "", "create"),
        ("serviceaccounts", "", "token", "create"),
        ("rolebindings", "rbac.authorization.k8s.io", "", "create"),
        ("validatingadmissionpolicies", fence, "", "patch"),
        ("resourcequotas", "", "", "patch"),
        ("jobsets", "jobset.x-k8s.io", "", "create"),
    ]
    assert [] == [
        (resource, sub, verb)
        for resource, group, sub, verb in asked
        if await place.may(verb, resource, group, sub, namespace=place.serving)
    ]
    assert await place.may("create", "deployments", "apps", namespace=place.serving)
    assert not await place.may("create", "deployments", "apps")  # Among jobs.


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
