"""Whatever a person wishes to serve, what goes to the cluster stays inside the policy."""

from __future__ import annotations

import copy
from typing import Any

import kubernetes_validate
import pytest
from fake_cluster import CATALOG
from hypothesis import given, settings
from policy import Fence, of_pod
from serving_policy import of_serving
from servings import CLUSTER, SERVINGS
from wishes_to_serve import OWNERS, wishes

from dllab_hub.catalog import assemble
from dllab_hub.errors import InvalidRequest
from dllab_hub.manifests.inference import inference_service, serving_runtime
from dllab_hub.manifests.served import Served
from dllab_hub.manifests.serving import objects
from dllab_hub.manifests.serving_cluster import ServingCluster
from dllab_hub.names import slug
from dllab_hub.specs import DeploymentSpec

OFFERED = assemble(CATALOG, (), "cluster").for_person("ada")
#: Where a HorizontalPodAutoscaler has replicas follow the load.
SCALES = CLUSTER.model_copy(update={"scaler": "cluster"})


def fence(served: Served, cluster: ServingCluster = CLUSTER) -> Fence:
    """What the administrator has said, for the objects of one deployment."""
    mine = f"models/{slug(served.owner)}/{served.spec.model}/"
    return Fence(
        images={image.container for image in cluster.images},
        claims={cluster.claim},
        owner=("dllab-hub/owner", slug(served.owner)),
        person=("dllab-hub/owner", served.owner),
        namespace=cluster.namespace,
        own=(cluster.claim, [f"{mine}{track.model.version}/" for track in served.tracks]),
        kinds=("emptyDir", "persistentVolumeClaim"),
    )


def kserve_pod(made: dict[str, Any], runtime: dict[str, Any]) -> dict[str, Any]:
    """What KServe makes of a predictor: its runtime's container with what is said of the model."""
    predictor = copy.deepcopy(made)
    own = predictor.pop("model")
    assert runtime["spec"]["containers"][0]["name"] == own.pop("name")
    for word in ("modelFormat", "protocolVersion", "runtime"):
        own.pop(word)
    labels, notes = predictor.pop("labels"), predictor.pop("annotations")
    for word in ("name", "timeout", "deploymentStrategy", "minReplicas", "maxReplicas",
                 "scaleMetric", "scaleMetricType", "scaleTarget"):  # fmt: skip
        predictor.pop(word, None)
    (container,) = runtime["spec"]["containers"]
    return {
        "metadata": {"labels": labels, "annotations": notes},
        "spec": {**predictor, "containers": [{**container, **own}]},
    }


def check(owner: str, wish: tuple[dict[str, Any], dict[str, Any]]) -> bool:
    """Whether it becomes objects; then they are inside the policy. Else it is refused in words."""
    spec, more = wish
    kserve = SCALES.model_copy(update={"kserve": "canary"})
    try:
        served = Served(owner, DeploymentSpec(**spec), **more)
        made = objects(served, OFFERED, CLUSTER)
        if spec["autoscale"] is None or spec["autoscale"].min:
            made += objects(served, OFFERED, SCALES)
        service = inference_service(served, OFFERED, kserve)
    except InvalidRequest as exc:
        assert exc.message
        return False
    around = fence(served)
    for one in made:
        assert [] == of_serving(one, around)
    predictors = [service["spec"]["predictor"]]
    predictors += [one["predictor"] for one in service["spec"].get("canary", ())]
    for track, predictor in zip(served.tracks, predictors, strict=True):
        runtime = serving_runtime(track.model.format, kserve)
        assert [] == of_pod(kserve_pod(predictor, runtime), around)
    return True


@settings(max_examples=300, deadline=None)
@given(OWNERS, wishes())
def test_no_wish_leaves_the_policy(owner: str, wish: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Hundreds of wishes, as odd as they come, become objects that every rule accepts."""
    check(owner, wish)


@pytest.mark.long
@pytest.mark.timeout(600)
@settings(max_examples=10_000, deadline=None, database=None)
@given(OWNERS, wishes())
def test_no_wish_of_ten_thousand_leaves_the_policy(
    owner: str, wish: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """The same, ten thousand times."""
    check(owner, wish)


@settings(max_examples=25, deadline=None)
@given(OWNERS, wishes())
def test_kubernetes_takes_odd_wishes(
    owner: str, wish: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """Kubernetes' own schema accepts what becomes of them."""
    try:
        made = objects(Served(owner, DeploymentSpec(**wish[0]), **wish[1]), OFFERED, CLUSTER)
    except InvalidRequest:
        return
    for one in made:
        kubernetes_validate.validate(one, "1.37", strict=True)


def test_most_wishes_become_objects() -> None:
    """The wishes that are tried are not ones that are refused anyway."""
    found: list[bool] = []

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(OWNERS, wishes())
    def count(owner: str, wish: tuple[dict[str, Any], dict[str, Any]]) -> None:
        found.append(check(owner, wish))

    count()
    assert sum(found) > len(found) / 3


def _spoil(made: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    inner: Any = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value


TEMPLATE = ("spec", "template")
SERVER = (*TEMPLATE, "spec", "containers", 0)


@pytest.mark.parametrize(
    ("rule", "number", "path", "value"),
    [
        ("another person's pods", 1, ("spec", "selector"), {"dllab-hub/deployment": "digits"}),
        ("open to the outside", 1, ("spec", "type"), "LoadBalancer"),
        ("open to the outside", 1, ("spec", "externalIPs"), ["10.0.0.1"]),
        ("pods that it does not find", 0, (*TEMPLATE, "metadata", "labels"), {}),
        ("owner", 0, ("metadata", "annotations"), {}),
        ("name", 0, ("metadata", "name"), "9digits"),
        ("pod name", 0, ("metadata", "name"), "s" * 50),
        ("namespace", 0, ("metadata", "namespace"), "labs"),
        ("kind", 0, ("kind",), "DaemonSet"),
        (
            "another job's directory",
            0,
            (*SERVER, "volumeMounts", 0, "subPath"),
            "models/grace/digits/1",
        ),
        ("another job's directory", 0, (*SERVER, "volumeMounts", 0, "subPath"), ""),
        ("image", 0, (*SERVER, "image"), "docker.io/evil"),
        ("host of a probe", 0, (*SERVER, "readinessProbe", "httpGet", "host"), "10.0.0.1"),
        ("privileged", 0, (*SERVER, "securityContext", "privileged"), True),
    ],
)
def test_each_rule_refuses_something(
    rule: str, number: int, path: tuple[str | int, ...], value: Any
) -> None:
    """An object that was good is found to be bad by the rule that is meant."""
    served = SERVINGS["plain"]
    made = copy.deepcopy(objects(served, OFFERED, CLUSTER)[number])
    assert [] == of_serving(made, fence(served))
    _spoil(made, path, value)

    assert any(found.startswith(rule) for found in of_serving(made, fence(served)))
