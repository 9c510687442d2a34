"""What a wish to serve a model becomes on a cluster: pure, told by examples, and checked."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fake_cluster import CATALOG
from servings import CLUSTER, OWNER, SCALES, SERVINGS, published

from dllab_hub.catalog import assemble
from dllab_hub.errors import InvalidRequest, Unavailable
from dllab_hub.manifests.served import Served, object_name
from dllab_hub.manifests.serving import objects
from dllab_hub.manifests.serving_cluster import ServingCluster
from dllab_hub.manifests.serving_limits import how_it_scales, undivided
from dllab_hub.specs import Autoscale, Canary, DeploymentSpec

OFFERED = assemble(CATALOG, (), "cluster").for_person("ada")
GOLDEN = Path(__file__).parent / "golden"


def made(served: Served, cluster: ServingCluster = CLUSTER) -> list[dict[str, Any]]:
    return objects(served, OFFERED, cluster)


def of(kind: str, all_of_them: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in all_of_them if one["kind"] == kind]


def only(kind: str, all_of_them: list[dict[str, Any]]) -> Any:
    (found,) = of(kind, all_of_them)
    return found["spec"]


def server(deployment: dict[str, Any]) -> dict[str, Any]:
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


def env_of(deployment: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in server(deployment)["env"]}


@pytest.mark.parametrize("name", SERVINGS)
def test_a_wish_is_these_objects(name: str) -> None:
    """They are as they were looked at once; Kubernetes' own schemas accept each of them."""
    found = made(SERVINGS[name], SCALES if name == "autoscale" else CLUSTER)

    assert list(yaml.safe_load_all((GOLDEN / f"serving-{name}.yaml").read_text())) == found
    for one in found:
        for version in ("1.32", "1.37"):
            kubernetes_validate.validate(one, version, strict=True)


def test_a_wrong_field_is_seen() -> None:
    """The schemas know every field there is."""
    wrong = copy.deepcopy(made(SERVINGS["plain"])[0])
    wrong["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["sleeep"] = 1

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_no_replica_ends_before_another_one_answers() -> None:
    """A roll goes pod by pod, and a pod that ends is given time to be forgotten and to answer."""
    (work,) = of("Deployment", made(SERVINGS["plain"]))

    assert {"maxUnavailable": 0, "maxSurge": 1} == work["spec"]["strategy"]["rollingUpdate"]
    sleeps = server(work)["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = work["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert (15, 30) == (sleeps, grace)


def test_a_replica_is_asked_for_its_model() -> None:
    """It gets requests when the model answers, and may take long before it does."""
    (work,) = of("Deployment", made(SERVINGS["plain"], CLUSTER.model_copy(update={"start": 90})))
    probes = server(work)

    assert "/v2/models/digits/ready" == probes["readinessProbe"]["httpGet"]["path"]
    assert "/v2/models/digits/ready" == probes["startupProbe"]["httpGet"]["path"]
    assert (
        90 == probes["startupProbe"]["failureThreshold"] * probes["startupProbe"]["periodSeconds"]
    )
    assert work["spec"]["progressDeadlineSeconds"] > 90


@pytest.mark.parametrize(
    ("format", "file", "image"),
    [
        ("onnx", "model.onnx", "serving-onnx"),
        ("torch-export", "model.pt2", "serving-torch"),
        ("torchscript", "model.pt", "serving-torch"),
        ("savedmodel", "saved_model", "serving-tensorflow"),
        ("pickle", "model.pkl", "serving-sklearn"),
        ("torch-pickle", "model.pth", "serving-torch"),
    ],
)
def test_each_format_has_its_server(format: str, file: str, image: str) -> None:
    """The version's own directory is mounted, read-only, in the image that serves its format."""
    (work,) = of("Deployment", made(replace(SERVINGS["plain"], model=published(7, format))))
    mount = next(one for one in server(work)["volumeMounts"] if one["name"] == "model")

    assert f"/dllab/model/{file}" == env_of(work)["DLLAB_MODEL_FILE"]
    assert ("models/ada-example-org-3b518a08/digits/7", True) == (
        mount["subPath"],
        mount["readOnly"],
    )
    assert image in server(work)["image"]
    (source,) = (
        one["persistentVolumeClaim"]
        for one in work["spec"]["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in one
    )
    assert {"claimName": "models", "readOnly": True} == source


def test_a_replica_gets_what_was_wished_for() -> None:
    """GPUs are asked for and tolerated, threads and batches are the model server's to read."""
    (work,) = of("Deployment", made(SERVINGS["gpus"]))
    env = env_of(work)

    assert "1" == server(work)["resources"]["limits"]["nvidia.com/gpu"]
    assert {"key": "nvidia.com/gpu", "operator": "Exists"} in (
        work["spec"]["template"]["spec"]["tolerations"]
    )
    assert ("1", "4", "32", "0.050000") == (
        env["DLLAB_GPUS"], env["DLLAB_CPUS"], env["DLLAB_BATCH_MAX"], env["DLLAB_BATCH_WAIT_MS"]
    )  # fmt: skip
    (bare,) = of("Deployment", made(SERVINGS["plain"]))
    assert "void" == env_of(bare)["NVIDIA_VISIBLE_DEVICES"]
    assert "nvidia.com/gpu" not in server(bare)["resources"]["limits"]


def test_a_large_model_has_room() -> None:
    """Memory is what the administrator says, and twice the size of the model."""
    (work,) = of("Deployment", made(replace(SERVINGS["plain"], model=published(size=3 << 30))))

    assert {str((2 << 30) + (6 << 30))} == {
        server(work)["resources"][kind]["memory"] for kind in ("requests", "limits")
    }


def test_a_canary_is_a_deployment_beside() -> None:
    """Each version has a Deployment and a Service that find its pods alone."""
    found = made(SERVINGS["canary"])
    (stable, canary), services = of("Deployment", found), of("Service", found)

    assert f"{stable['metadata']['name']}-canary" == canary["metadata"]["name"]
    assert ("2", "3") == (
        env_of(stable)["DLLAB_MODEL_VERSION"], env_of(canary)["DLLAB_MODEL_VERSION"]
    )  # fmt: skip
    assert ["serving-onnx", "serving-tensorflow"] == [
        server(one)["image"].rpartition("/")[2].partition(":")[0] for one in (stable, canary)
    ]
    for service, mine, other in zip(services, (stable, canary), (canary, stable), strict=True):
        chosen = service["spec"]["selector"].items()
        assert chosen <= mine["spec"]["template"]["metadata"]["labels"].items()
        assert not chosen <= other["spec"]["template"]["metadata"]["labels"].items()


def test_nothing_but_the_autoscaler_sets_its_number() -> None:
    """Where replicas follow the load the Deployment names none, else it names the wish's."""
    found = made(SERVINGS["autoscale"], SCALES)

    assert "replicas" not in only("Deployment", found)
    scaler = only("HorizontalPodAutoscaler", found)
    assert (2, 6) == (scaler["minReplicas"], scaler["maxReplicas"])
    assert "cpu" == scaler["metrics"][0]["resource"]["name"]
    assert 2 == only("Deployment", made(SERVINGS["gpus"]))["replicas"]
    assert not of("HorizontalPodAutoscaler", made(SERVINGS["gpus"]))


def test_it_follows_requests_where_they_are_measured() -> None:
    """With a metric of the administrator's the target is the wish's; without, it is said."""
    measured = SCALES.model_copy(update={"inflight": "dllab_endpoint_inflight"})
    scaler = only("HorizontalPodAutoscaler", made(SERVINGS["autoscale"], measured))
    (metric,) = scaler["metrics"]

    assert {"type": "AverageValue", "averageValue": "500m"} == metric["external"]["target"]
    assert {"owner": "ada-example-org-3b518a08", "deployment": "digits"} == (
        metric["external"]["metric"]["selector"]["matchLabels"]
    )
    assert "" == how_it_scales(SERVINGS["autoscale"], measured)
    assert "how busy their CPUs are" in how_it_scales(SERVINGS["autoscale"], SCALES)
    assert "" == how_it_scales(SERVINGS["plain"], SCALES)


def test_the_lab_service_scales() -> None:
    """Where it has the replicas follow the load there is no other autoscaler, and it may be 0."""
    spec = DeploymentSpec(name="digits", model="digits", autoscale=Autoscale(min=0, max=4))
    for scaled in (0, 3):
        found = made(replace(SERVINGS["plain"], spec=spec, scaled=scaled))
        assert scaled == only("Deployment", found)["replicas"]
        assert not of("HorizontalPodAutoscaler", found)
    assert "" == how_it_scales(SERVINGS["autoscale"], CLUSTER)


def test_replicas_are_made_anew() -> None:
    """Another generation is another pod, for no other reason; its labels stay."""
    first = of("Deployment", made(SERVINGS["plain"]))[0]["spec"]
    again = of("Deployment", made(replace(SERVINGS["plain"], generation=1)))[0]["spec"]

    assert first["selector"] == again["selector"]
    assert first["template"]["metadata"]["labels"] == again["template"]["metadata"]["labels"]
    assert first["template"] != again["template"]


def test_a_node_may_be_emptied() -> None:
    """Of several replicas one at a time may be moved; a single one hinders nobody."""
    assert 1 == only("PodDisruptionBudget", made(SERVINGS["gpus"]))["maxUnavailable"]
    assert not of("PodDisruptionBudget", made(SERVINGS["plain"]))


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"autoscale": Autoscale(min=0, max=2)}, "autoscale.min"),
        ({"autoscale": Autoscale(max=2, signal="gpu", target=0.5), "gpus": 1}, "autoscale.signal"),
    ],
)
def test_what_a_cluster_cannot_do(wish: dict[str, Any], field: str) -> None:
    """It is refused with the name of the field and the fix."""
    spec = DeploymentSpec(name="digits", model="digits", **wish)

    with pytest.raises(InvalidRequest) as refused:
        made(replace(SERVINGS["plain"], spec=spec), SCALES)
    assert field == refused.value.field
    assert refused.value.hint


def test_a_format_that_nothing_serves() -> None:
    """It is said which one, before anything is made."""
    bare = CLUSTER.model_copy(update={"images": CLUSTER.images[:1]})

    with pytest.raises(Unavailable, match="no image that serves savedmodel"):
        made(SERVINGS["canary"], bare)


@pytest.mark.parametrize("change", [{"container": ""}, {"serves": ()}])
def test_an_image_that_cannot_serve(change: dict[str, Any]) -> None:
    """The administrator's settings are refused with the name of the image."""
    wrong = CLUSTER.images[0].model_copy(update=change)

    with pytest.raises(InvalidRequest, match="serving-onnx") as refused:
        ServingCluster(claim="models", images=(wrong,))
    assert "images" == refused.value.field


def test_versions_are_of_the_model_that_was_wished_for() -> None:
    """A version of another model, or a canary that is not there, is no wish."""
    plain, canary = SERVINGS["plain"], Canary(version=3)
    with pytest.raises(InvalidRequest, match="another model"):
        replace(plain, model=published(model="other"))
    with pytest.raises(InvalidRequest, match="no such version"):
        replace(plain, canary=canary, canary_model=published(4))
    with pytest.raises(InvalidRequest, match="no such version"):
        replace(plain, canary=canary)
    with pytest.raises(InvalidRequest, match="serves already"):
        replace(plain, model=published(3), canary=canary, canary_model=published(3))


def test_the_cluster_divides_nothing_by_itself() -> None:
    """Requests are divided by share where KServe does it behind a gateway; else it is said."""
    assert "Nothing in this cluster divides requests" in undivided(CLUSTER)
    open_to_all = CLUSTER.model_copy(update={"kserve": "canary"})
    assert undivided(open_to_all)
    assert "" == undivided(open_to_all.model_copy(update={"gateway": True}))


def test_names_are_everybodys_own() -> None:
    """The same wish has the same name, another person's has another, and all of them fit."""
    names = [object_name(owner, "d" * 40) for owner in (OWNER, "ada", "Ada", "../x", "名前")]

    assert len(set(names)) == len(names)
    assert names[0] == object_name(OWNER, "d" * 40)
    assert all(len(f"{name}-canary-predictor-0123456789-abcde") <= 63 for name in names)
    assert object_name("a", "bc") != object_name("ab", "c")
