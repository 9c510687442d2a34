"""What serves models, offered to the policy of config/kubernetes in a `fenced_place.Place`.

As with jobs there, objects are offered in dry runs, by the hub's account.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Iterator
from typing import Any

from fake_cluster import CATALOG
from fenced_place import Place
from servings import CLUSTER, SERVINGS

from dllab_hub.catalog import assemble
from dllab_hub.manifests.inference import inference_service, serving_runtime
from dllab_hub.manifests.served import Served
from dllab_hub.manifests.serving import objects

__all__ = (
    "OFFERED",
    "RESOURCES",
    "a_replica",
    "an_inspection",
    "every_object",
    "offer",
    "one_of",
    "until_fenced",
)

OFFERED = assemble(CATALOG, (), "cluster").for_person("ada")
#: Where each kind is made, below /apis or, of the core group, /api.
RESOURCES = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Service": "/api/v1/namespaces/{}/services",
    "Pod": "/api/v1/namespaces/{}/pods",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "InferenceService": "/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices",
    "ServingRuntime": "/apis/serving.kserve.io/v1alpha1/namespaces/{}/servingruntimes",
}
_SCALES = CLUSTER.model_copy(update={"scaler": "cluster"})
_KSERVE = _SCALES.model_copy(update={"kserve": "canary"})
_LOOK = ["python3", "-P", "-m", "dllab_hub.runtime.inspect_model", "/dllab/model/model.onnx"]


async def offer(place: Place, made: dict[str, Any], user: str = "hub") -> tuple[int, str]:
    """What the API server says to an object; it is not made.

    Args:
        place: Where.
        made: The object.
        user: ``hub``, its account; ``admin``, or another name.
    """
    path = f"{RESOURCES[made['kind']].format(place.serving)}?dryRun=All"
    body = {**made, "metadata": {**made["metadata"], "namespace": place.serving}}
    hub, named = user == "hub", "" if user in {"hub", "admin"} else user
    status, said = await place.ask("POST", path, body, hub=hub, user=named)
    return status, str(said.get("message", ""))


async def until_fenced(place: Place) -> None:
    """Policies hold a moment after they were made."""
    spoilt = one_of("Service")
    del spoilt["metadata"]["annotations"]
    give_up = time.monotonic() + 60
    while "says whose it is" not in (said := (await offer(place, spoilt))[1]):
        assert time.monotonic() < give_up, said
        await asyncio.sleep(0.2)


def every_object(served: Served) -> Iterator[dict[str, Any]]:
    """Ours, whoever has replicas follow the load, and KServe's.

    Raises:
        InvalidRequest: a cluster cannot do what is wished for.
    """
    yield from objects(served, OFFERED, CLUSTER)
    auto = served.spec.autoscale
    if auto is not None and auto.min:
        yield from objects(served, OFFERED, _SCALES)
    yield inference_service(served, OFFERED, _KSERVE)
    for track in served.tracks:
        yield serving_runtime(track.model.format, _KSERVE)


def one_of(kind: str, name: str = "") -> dict[str, Any]:
    """The first object of a kind, of one deployment of `servings`."""
    if kind == "Pod":
        return a_replica()
    served = SERVINGS[name or ("autoscale" if kind == "HorizontalPodAutoscaler" else "gpus")]
    return copy.deepcopy(next(one for one in every_object(served) if one["kind"] == kind))


def a_replica() -> dict[str, Any]:
    """The pod that Kubernetes makes of a Deployment."""
    work = one_of("Deployment")
    template = work["spec"]["template"]
    name = f"{work['metadata']['name']}-6d4cf56db6-x7k2p"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": name},
        "spec": template["spec"],
    }


def an_inspection() -> dict[str, Any]:
    """A pod that looks into a model which has just come."""
    pod = a_replica()
    owner = pod["metadata"]["labels"]["dllab-hub/owner"]
    pod["metadata"]["name"] = "i-0a1b2c3d4e"
    pod["metadata"]["labels"] = {"dllab-hub/owner": owner, "dllab-hub/inspection": "0a1b2c3d4e"}
    spec, (server,) = pod["spec"], pod["spec"]["containers"]
    del spec["topologySpreadConstraints"]
    spec.update(restartPolicy="Never", activeDeadlineSeconds=60)
    for word in ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle"):
        del server[word]
    server["command"] = list(_LOOK)
    server["volumeMounts"][0]["subPath"] = f"models/{owner}/.new-Xy_1-2z"
    return pod
