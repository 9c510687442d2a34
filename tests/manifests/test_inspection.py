"""The pod that looks into a new model: pure, told by an example, and checked against each fence."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from policy import Fence, of_object, of_pod
from servings import CLUSTER
from wishes_to_serve import FORMATS, OWNERS

from dllab_hub.errors import Unavailable
from dllab_hub.manifests.inspection import (
    EXAMPLE,
    INSPECTION_LABEL,
    Inspection,
    inspection,
    is_over,
)
from dllab_hub.manifests.served import ID_LABEL
from dllab_hub.manifests.serving_cluster import ServingCluster
from dllab_hub.names import slug

GOLDEN = Path(__file__).parent / "golden" / "inspection.yaml"
POLICY = Path(__file__).parents[2] / "config" / "kubernetes" / "policy-serving.yaml"
ABOUT = Inspection(
    id="0a1b2c3d4e5f",
    owner="Ada@example.org",
    slug=slug("Ada@example.org"),
    folder=".new-x_1z9k2m",
    format="onnx",
    size=1 << 20,
)


def fence(about: Inspection, cluster: ServingCluster = CLUSTER) -> Fence:
    """What the administrator has said, for the pod of one draft."""
    return Fence(
        images={image.container for image in cluster.images},
        claims={cluster.claim},
        owner=("dllab-hub/owner", slug(about.owner)),
        person=("dllab-hub/owner", about.owner),
        namespace=cluster.namespace,
        own=(cluster.claim, [f"models/{slug(about.owner)}/{about.folder}/"]),
        kinds=("emptyDir", "persistentVolumeClaim"),
    )


def container(made: dict[str, Any]) -> dict[str, Any]:
    (found,) = made["spec"]["containers"]
    return dict(found)


def said(beginning: str) -> str:
    """The expression of a rule of the policy."""
    rules = next(iter(yaml.safe_load_all(POLICY.read_text())))["spec"]["validations"]
    (found,) = (rule["expression"] for rule in rules if rule["message"].startswith(beginning))
    return str(found)


def words(beginning: str) -> set[str]:
    """Its texts."""
    return set(re.findall(r"'([^']*)'", said(beginning)))


def test_it_is_this_pod() -> None:
    """It is as it was looked at once; Kubernetes' own schemas accept it."""
    made = inspection(ABOUT, CLUSTER)

    assert yaml.safe_load(GOLDEN.read_text()) == made
    for version in ("1.32", "1.37"):
        kubernetes_validate.validate(made, version, strict=True)


def test_all_that_may_be_set() -> None:
    """With an example, a priority and a pull policy it is one that the schemas accept, too."""
    cluster = CLUSTER.model_copy(
        update={"priority_class": "models", "pull_policy": "Always", "user": 2000, "start": 77}
    )
    made = inspection(replace(ABOUT, example=True, format="savedmodel"), cluster)

    kubernetes_validate.validate(made, "1.37", strict=True)
    assert [
        *("python3", "-P", "-m", "dllab_hub.runtime.inspect_model"),
        *("/dllab/model/saved_model", f"/dllab/model/{EXAMPLE}"),
    ] == container(made)["command"]
    assert ("models", 77) == (
        made["spec"]["priorityClassName"],
        made["spec"]["activeDeadlineSeconds"],
    )
    assert "Always" == container(made)["imagePullPolicy"]
    assert 2000 == made["spec"]["securityContext"]["runAsUser"]


@given(OWNERS, FORMATS, st.booleans(), st.integers(0, 1 << 44))
def test_none_leaves_the_policy(owner: str, format: Any, example: bool, size: int) -> None:
    """Whoever publishes whatever: the pod has no right, sees its draft only, and is its owner's."""
    about = replace(ABOUT, owner=owner, slug=slug(owner), format=format, example=example, size=size)
    made = inspection(about, CLUSTER)

    assert [] == [*of_object(made, fence(about)), *of_pod(made, fence(about))]


@pytest.mark.parametrize(
    ("rule", "path", "value"),
    [
        ("another job's directory", ("volumeMounts", 0, "subPath"), "models/grace/.new-x"),
        ("image", ("image",), "evil"),
        ("privilege escalation", ("securityContext",), {}),
        ("a reference in the command", ("command", 4), "$(HOME)"),
    ],
)
def test_the_rules_see_what_is_wrong(rule: str, path: tuple[Any, ...], value: Any) -> None:
    """A pod that is spoilt in one place breaks the rule about it."""
    made = copy.deepcopy(inspection(ABOUT, CLUSTER))
    inner: Any = made["spec"]["containers"][0]
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value

    assert any(line.startswith(f"{rule}:") for line in of_pod(made, fence(ABOUT)))


def test_what_the_policy_of_the_cluster_wants() -> None:
    """Names, settings and words are those that the policy for models lets through."""
    made = inspection(
        replace(ABOUT, example=True), CLUSTER.model_copy(update={"priority_class": "models"})
    )
    allowed = words("A replica has one container")
    assert set(made["spec"]) <= allowed
    assert set(container(made)) <= allowed
    (name,) = (word for word in words("An object has the name") if word.startswith("^i-"))
    assert re.search(name, made["metadata"]["name"])
    folder = next(
        word for word in words("A replica mounts one version") if word.startswith("^[.]new-")
    )
    mount = container(made)["volumeMounts"][0]
    assert re.search(folder, mount["subPath"].removeprefix(f"models/{ABOUT.slug}/"))
    assert {mount["mountPath"], "/tmp"} <= words("A replica mounts one version")
    assert container(made)["command"][3] in words("A replica runs our model server")
    variable = "".join(
        re.findall(r"'([^']*)'", said("The environment").partition("matches(")[2])[:2]
    )
    assert all(re.search(variable, one["name"]) for one in container(made)["env"])


def test_it_is_no_replica() -> None:
    """No Service, budget or watch takes it for a part of a deployment."""
    made = inspection(ABOUT, CLUSTER)

    assert ID_LABEL not in made["metadata"]["labels"]
    assert ABOUT.id == made["metadata"]["labels"][INSPECTION_LABEL]


def test_memory_grows_with_the_model() -> None:
    """It may use four times the model's size beside what an image needs, and no more."""
    small, large = (
        container(inspection(replace(ABOUT, size=size), CLUSTER))["resources"]
        for size in (0, 1 << 30)
    )
    assert str(CLUSTER.memory) == small["limits"]["memory"]
    assert str(CLUSTER.memory + (4 << 30)) == large["limits"]["memory"]
    assert large["limits"]["memory"] == large["requests"]["memory"]


def test_no_image_serves_the_format() -> None:
    """It is said which; nothing is made."""
    (first, *_) = CLUSTER.images
    only_onnx = CLUSTER.model_copy(update={"images": (first,)})
    with pytest.raises(Unavailable, match="no image that serves savedmodel"):
        inspection(replace(ABOUT, format="savedmodel"), only_onnx)


@pytest.mark.parametrize(
    ("phase", "over"),
    [("Pending", False), ("Running", False), ("Succeeded", True), ("Failed", True), ("", False)],
)
def test_when_it_is_over(phase: str, over: bool) -> None:
    """It has said what there is to say when it has ended, well or not."""
    assert over == is_over({"status": {"phase": phase}} if phase else {})
