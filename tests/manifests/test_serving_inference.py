"""A deployment as KServe has it: checked against its own schemas, where they are at hand."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from crds import CRDS, crd_validator
from fake_cluster import CATALOG
from servings import CLUSTER, SCALES, SERVINGS, published

from dllab_hub.catalog import assemble
from dllab_hub.errors import InvalidRequest
from dllab_hub.manifests.inference import inference_service, service_name, serving_runtime
from dllab_hub.manifests.served import Served
from dllab_hub.manifests.serving import objects
from dllab_hub.manifests.serving_cluster import ServingCluster

OFFERED = assemble(CATALOG, (), "cluster").for_person("ada")
GOLDEN = Path(__file__).parent / "golden"
KSERVE = SCALES.model_copy(update={"kserve": "canary"})
PLAIN = CLUSTER.model_copy(update={"kserve": "plain"})


def made(served: Served, cluster: ServingCluster = KSERVE) -> Any:
    return inference_service(served, OFFERED, cluster)


@pytest.mark.parametrize("name", SERVINGS)
def test_a_wish_is_this_inference_service(name: str) -> None:
    """The object is as it was looked at once."""
    golden = yaml.safe_load((GOLDEN / f"inference-{name}.yaml").read_text())

    assert golden == made(SERVINGS[name])


@pytest.mark.skipif(not CRDS, reason="DLLAB_CRD_DIR names no directory of CRDs")
@pytest.mark.parametrize("name", SERVINGS)
def test_the_schema_of_kserve_accepts_it(name: str) -> None:
    """KServe's own schema knows every field there is, and each is of its type."""
    kind = crd_validator("serving.kserve.io_inferenceservices")

    kind.validate(made(SERVINGS[name]))
    wrong = copy.deepcopy(made(SERVINGS[name]))
    wrong["spec"]["predictor"]["model"]["runtimes"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="runtimes"):
        kind.validate(wrong)


@pytest.mark.skipif(not CRDS, reason="DLLAB_CRD_DIR names no directory of CRDs")
def test_the_schema_of_kserve_accepts_the_runtimes() -> None:
    """The same for what serves each format."""
    kind = crd_validator("serving.kserve.io_servingruntimes")

    for image in CLUSTER.images:
        for format in image.serves:
            kind.validate(serving_runtime(published(format=format).format, KSERVE))


def test_a_runtime_is_of_our_image() -> None:
    """It is taken by name only, and its container is the one that KServe completes."""
    runtime = serving_runtime("savedmodel", KSERVE)
    (container,) = runtime["spec"]["containers"]

    assert "registry.example.org/lab/serving-tensorflow:0.21" == container["image"]
    assert "kserve-container" == container["name"]
    assert [{"name": "savedmodel", "autoSelect": False}] == (
        runtime["spec"]["supportedModelFormats"]
    )
    canary = made(SERVINGS["canary"])["spec"]["canary"][0]["predictor"]["model"]["runtime"]
    assert runtime["metadata"]["name"] == canary


def test_its_pods_are_as_our_own() -> None:
    """Whoever makes them, they have the same settings, environment, probes and labels."""
    (work, *_) = objects(SERVINGS["gpus"], OFFERED, CLUSTER)
    template, predictor = work["spec"]["template"], made(SERVINGS["gpus"])["spec"]["predictor"]
    (ours,) = template["spec"]["containers"]

    assert template["metadata"]["labels"] == predictor["labels"]
    for key in template["spec"].keys() - {"containers"}:
        assert template["spec"][key] == predictor[key]
    assert "kserve-container" == predictor["model"]["name"]
    for key in ours.keys() - {"name", "image", "command"}:
        assert ours[key] == predictor["model"][key]
    assert "storageUri" not in predictor["model"]


def test_nobody_reaches_it_from_outside() -> None:
    """KServe makes no way in, unless the administrator has put a gateway before it."""
    inside = {"networking.kserve.io/visibility": "cluster-local"}
    behind = KSERVE.model_copy(update={"gateway": True})

    assert inside.items() <= made(SERVINGS["plain"])["metadata"]["labels"].items()
    labels = made(SERVINGS["plain"], behind)["metadata"]["labels"]
    assert not inside.items() <= labels.items()


def test_a_canary_comes_beside() -> None:
    """KServe takes a canary's replicas off the others; two and one are wished for, and had."""
    spec = made(SERVINGS["canary"])["spec"]
    (canary,) = spec["canary"]

    assert (3, 3) == (spec["predictor"]["minReplicas"], spec["predictor"]["maxReplicas"])
    assert (20, 1) == (canary["trafficPercent"], canary["predictor"]["minReplicas"])
    assert ("stable", "canary") == (spec["predictor"]["name"], canary["predictor"]["name"])
    # KServe refuses these of a canary.
    assert not {"maxReplicas", "scaleMetric", "scaleTarget"} & set(canary["predictor"])


def test_a_name_stays_when_a_canary_comes() -> None:
    """What serves keeps its Deployment, so that it goes on while the canary starts."""
    alone = replace(SERVINGS["canary"], canary=None, canary_model=None)
    (stable, *_) = SERVINGS["canary"].tracks

    assert "stable" == made(alone)["spec"]["predictor"]["name"]
    assert service_name(alone, stable, KSERVE) == f"{alone.name}-stable-predictor"
    assert service_name(alone, stable, PLAIN) == f"{alone.name}-predictor"


def test_an_older_kserve_has_no_canaries() -> None:
    """It is refused in words; what serves has no name there, which it may not know."""
    with pytest.raises(InvalidRequest, match="too old") as refused:
        made(SERVINGS["canary"], PLAIN)
    assert "canary" == refused.value.field
    assert "name" not in made(SERVINGS["plain"], PLAIN)["spec"]["predictor"]


def test_it_scales_between_its_limits() -> None:
    """With a wish to follow the load KServe makes an autoscaler, else it makes none."""
    scales, fixed = made(SERVINGS["autoscale"]), made(SERVINGS["gpus"])
    kind = "serving.kserve.io/autoscalerClass"

    assert "hpa" == scales["metadata"]["annotations"][kind]
    assert (2, 6) == (
        scales["spec"]["predictor"]["minReplicas"], scales["spec"]["predictor"]["maxReplicas"]
    )  # fmt: skip
    assert "none" == fixed["metadata"]["annotations"][kind]
    assert 2 == fixed["spec"]["predictor"]["minReplicas"]
