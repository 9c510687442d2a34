"""config/kubernetes for models that are served, without a cluster: what the files say together."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import yaml

from dllab_hub.manifests.inference import serving_runtime
from dllab_hub.manifests.model_pod import COMMAND, MODEL, PORT, TMP
from dllab_hub.manifests.served import MODELS
from dllab_hub.manifests.serving_cluster import ServingCluster
from dllab_hub.specs import MAX_REPLICAS, Image

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config" / "kubernetes"
HELM = ROOT / "config" / "helm"
VALUES = yaml.safe_load((HELM / "values.yaml").read_text())["hub"]
CATALOG = VALUES["config"]["LabCatalog"]
SERVES = [one for one in CATALOG["images"] if "serves" in one]
CLUSTER = ServingCluster(
    **CATALOG["serving"]["cluster"], images=tuple(Image.from_wire(one) for one in SERVES)
)
MADE = [
    one
    for name in ("serving.yaml", "policy-serving.yaml")
    for one in yaml.safe_load_all((SHIPPED / name).read_text())
]


def only(kind: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (one for one in MADE if one["kind"] == kind)
    return found


def test_the_rights_are_these() -> None:
    """Word by word, since one more is how a hole begins."""
    look = ["get", "list", "watch"]
    all_verbs = [*look, "create", "patch", "delete"]
    assert [
        (["apps"], ["deployments"], all_verbs),
        ([""], ["services", "pods"], all_verbs),
        (["policy"], ["poddisruptionbudgets"], all_verbs),
        (["autoscaling"], ["horizontalpodautoscalers"], all_verbs),
        ([""], ["pods/log"], ["get"]),
        ([""], ["events"], look),
        (["serving.kserve.io"], ["inferenceservices", "servingruntimes"], all_verbs),
    ] == [(one["apiGroups"], one["resources"], one["verbs"]) for one in only("Role")["rules"]]
    assert [{"kind": "ServiceAccount", "name": "hub", "namespace": "labs"}] == only("RoleBinding")[
        "subjects"
    ]


def test_all_speak_of_one_namespace() -> None:
    """The values, each object, what the policy's binding selects, and the hub's way out."""
    name = CLUSTER.namespace
    space = only("Namespace")["metadata"]
    assert name == space["name"]
    assert "restricted" == space["labels"]["pod-security.kubernetes.io/enforce"]
    assert {name} == {one["metadata"].get("namespace", name) for one in MADE}
    binding = only("ValidatingAdmissionPolicyBinding")["spec"]
    selected = {"kubernetes.io/metadata.name": name}
    assert selected == binding["matchResources"]["namespaceSelector"]["matchLabels"]
    assert ["Deny"] == binding["validationActions"]
    (way,) = VALUES["networkPolicy"]["egress"]
    assert [{"namespaceSelector": {"matchLabels": selected}}] == way["to"]
    assert [{"port": PORT}] == way["ports"]


def test_only_the_hub_reaches_replicas() -> None:
    """Every pod there is behind the policy, at the model server's port, and reaches nobody."""
    spec = only("NetworkPolicy")["spec"]
    assert {} == spec["podSelector"]
    assert ["Ingress", "Egress"] == spec["policyTypes"]
    assert "egress" not in spec
    (way,) = spec["ingress"]
    assert [{"protocol": "TCP", "port": PORT}] == way["ports"]
    (hub,) = way["from"]  # One entry: pods of that label in that namespace, not either.
    assert {"kubernetes.io/metadata.name": "labs"} == hub["namespaceSelector"]["matchLabels"]
    labels = {"app.kubernetes.io/name": "jupyterhub", "app.kubernetes.io/component": "hub"}
    assert labels == hub["podSelector"]["matchLabels"]


def test_the_policy_knows_the_values() -> None:
    """The example's images may serve, its claim is guarded, and its GPUs can be asked for."""
    variables = only("ValidatingAdmissionPolicy")["spec"]["variables"]
    assert ["images", "claim", "taints", "labels", "replicas"] == [
        one["name"] for one in variables[:5]
    ]
    images, claim, taints, labels, replicas = (
        ast.literal_eval(one["expression"]) for one in variables[:5]
    )
    for image in CLUSTER.images:
        assert image.container.startswith(tuple(images))
    assert all(one.endswith("/") for one in images)
    assert (CLUSTER.claim, [], MAX_REPLICAS) == (claim, labels, replicas)
    for kind in CATALOG["gpu_types"]:
        assert {one["key"] for one in kind["tolerations"]} <= set(taints)


def test_the_policy_knows_our_words() -> None:
    """What it compares with is what our manifests say."""
    text = (SHIPPED / "policy-serving.yaml").read_text()
    for word in (str(list(COMMAND)), f"'{MODEL}'", f"'{TMP}'", f"'{MODELS}/'"):
        assert word in text
    assert serving_runtime("onnx", CLUSTER)["metadata"]["name"].startswith("dllab-")


def test_every_format_has_an_image() -> None:
    """The values name each of our images that serve, with the formats that it has itself."""
    for image in SERVES:
        ours = (ROOT / "images" / image["name"] / "image.toml").read_text()
        assert f"serves = {str(list(image['serves'])).replace(chr(39), chr(34))}" in ours
    assert {
        path.parent.name
        for path in (ROOT / "images").glob("*/image.toml")
        if "serves = " in path.read_text()
    } == {image["name"] for image in SERVES}


def test_a_quota_finds_a_number_in_every_pod() -> None:
    """What it counts of a pod that says nothing of it has a default; no port of a node is free."""
    hard = only("ResourceQuota")["spec"]["hard"]
    (limit,) = only("LimitRange")["spec"]["limits"]
    counted = {name.removeprefix("requests.") for name in hard if name.startswith("requests.")}
    assert counted - {"nvidia.com/gpu"} <= set(limit["defaultRequest"])
    assert {"0"} == {hard["services.loadbalancers"], hard["services.nodeports"]}
