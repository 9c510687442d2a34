"""The serving policy of config/kubernetes on a real API server: our objects pass it."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable
from typing import Any

import pytest
from fenced_place import KUBECONFIG, PATHS, Place
from fenced_serving import RESOURCES, a_replica, an_inspection, every_object, offer, one_of
from hypothesis import Phase, given, settings
from servings import SERVINGS
from wishes_to_serve import OWNERS, wishes

from dllab_hub.errors import InvalidRequest
from dllab_hub.manifests.served import Served
from dllab_hub.specs import DeploymentSpec

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]


async def refused(
    place: Place, several: list[dict[str, Any]]
) -> list[tuple[str, str, tuple[int, str]]]:
    """Kind, name and answer of those that are not taken."""
    answers = await asyncio.gather(*(offer(place, one) for one in several))
    return [
        (one["kind"], one["metadata"]["name"], answer)
        for one, answer in zip(several, answers, strict=True)
        if answer != (201, "")
    ]


@pytest.mark.parametrize("name", SERVINGS)
async def test_our_objects_pass(serving: Place, name: str) -> None:
    """Deployments, Services, budgets, autoscalers, and KServe's objects, of every kind of wish."""
    made = list(every_object(SERVINGS[name]))
    assert {"Deployment", "Service", "InferenceService", "ServingRuntime"} <= {
        one["kind"] for one in made
    }
    assert [] == await refused(serving, made)


async def test_what_becomes_of_them_passes(serving: Place) -> None:
    """Pods as Kubernetes makes them, of an image that needs a secret; and those that inspect."""
    pulled = a_replica()
    pulled["spec"]["imagePullSecrets"] = [{"name": "registry"}]
    assert [] == await refused(serving, [a_replica(), pulled, an_inspection()])


async def test_kubernetes_makes_our_replicas(serving: Place) -> None:
    """Pods as its own controllers make them of a Deployment: the policy and the quota let them."""
    made = one_of("Deployment")
    made["metadata"]["namespace"] = serving.serving
    path = RESOURCES["Deployment"].format(serving.serving)
    status, said = await serving.ask("POST", path, made, hub=True)
    assert status == 201, said

    async def found(path: str) -> list[dict[str, Any]]:
        status, said = await serving.ask("GET", path.format(serving.serving))
        assert status == 200, said
        return list(said["items"])

    give_up = time.monotonic() + 30
    while len(pods := await found(RESOURCES["Pod"])) < made["spec"]["replicas"]:
        if time.monotonic() > give_up:
            if not await found("/apis/apps/v1/namespaces/{}/replicasets"):
                pytest.skip("no controller manager makes pods here")
            events = await found("/api/v1/namespaces/{}/events")
            pytest.fail(str([event["message"] for event in events]))
        await asyncio.sleep(0.3)
    mine = f"{RESOURCES['Pod'].format(serving.serving)}/{pods[0]['metadata']['name']}"
    theirs = {"metadata": {"labels": {"dllab-hub/owner": "grace"}}}
    status, said = await serving.ask("PATCH", mine, theirs, hub=True)
    assert status == 422, said
    note = {"metadata": {"annotations": {"x": "y"}}}
    assert 200 == (await serving.ask("PATCH", mine, note, hub=True))[0]
    assert 200 == (await serving.ask("DELETE", mine, hub=True))[0]


def drawn(count: int) -> list[Served]:
    """Wishes that a cluster can do, the same each time."""
    found: list[Served] = []

    @settings(
        max_examples=3 * count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
    )
    @given(OWNERS, wishes())
    def draw(owner: str, wish: tuple[dict[str, Any], dict[str, Any]]) -> None:
        try:
            served = Served(owner, DeploymentSpec(**wish[0]), **wish[1])
            list(every_object(served))
        except InvalidRequest:
            return
        found.append(served)

    draw()
    return found[:count]  # fmt: skip


@pytest.mark.timeout(600)
async def test_what_people_wish_for_passes(serving: Place) -> None:
    """Three hundred wishes, as odd as they come: the API server takes all that becomes of them."""
    several = drawn(300)
    assert len(several) == 300
    wrong = []
    for served in several:
        wrong += await refused(serving, list(every_object(served)))
    assert [] == wrong


#: What may be on an object beside.
ALLOWED: dict[str, tuple[Callable[[], dict[str, Any]], Callable[[dict[str, Any]], Any]]] = {
    "no replica": (lambda: one_of("Deployment"), lambda d: d["spec"].update(replicas=0)),
    "as many as may be": (lambda: one_of("Deployment"), lambda d: d["spec"].update(replicas=32)),
    "an example beside a model": (
        an_inspection,
        lambda p: p["spec"]["containers"][0]["command"].append("/dllab/model/example.json")),
    "a place that the policy names": (
        a_replica, lambda p: p["spec"].update(nodeSelector={"example.org/pool": "gpus"})),
    "a taint that the policy names": (
        a_replica,
        lambda p: p["spec"]["tolerations"].append({"key": "nvidia.com/gpu", "operator": "Exists"})),
}  # fmt: skip


async def test_what_is_allowed_beside_passes(serving: Place) -> None:
    """What the lab service does now and then, and what the administrator names."""
    changed = []
    for make, change in ALLOWED.values():
        made = make()
        change(made)
        changed.append(made)
    assert [] == await refused(serving, changed)


async def test_a_deployment_stays_its_owners(serving: Place) -> None:
    """Labels of what is there cannot be changed, not even all of them alike; the rest can."""
    paths = {kind: RESOURCES[kind].format(serving.serving) for kind in ("Service", "Deployment")}
    for kind, path in paths.items():
        made = one_of(kind)
        made["metadata"]["namespace"] = serving.serving
        status, said = await serving.ask("POST", path, made, hub=True)
        assert status == 201, said
        mine = f"{path}/{made['metadata']['name']}"

        theirs = copy.deepcopy(made)
        if kind == "Service":
            theirs["metadata"]["labels"]["dllab-hub/owner"] = "grace"
            theirs["spec"]["selector"]["dllab-hub/owner"] = "grace"
        else:  # Kubernetes itself keeps the labels by which a Deployment finds its pods.
            for where in (theirs, theirs["spec"]["template"]):
                where["metadata"]["annotations"]["dllab-hub/owner"] = "grace"
        status, said = await serving.ask(
            "PATCH", mine, {key: theirs[key] for key in ("metadata", "spec")}, hub=True
        )
        assert (422, True) == (status, "A deployment stays its owner's." in said["message"]), said
        change = {"replicas": 3} if kind == "Deployment" else {"publishNotReadyAddresses": False}
        status, said = await serving.ask("PATCH", mine, {"spec": change}, hub=True)
        assert status == 200, said
        status, _ = await serving.ask("DELETE", mine, hub=True)
        assert status == 200


async def test_what_kserve_makes_passes(serving: Place) -> None:
    """Its controller's Deployments find pods by other labels than ours; its pods are asked."""
    await serving.grant("kserve", "kserve-controller-manager", serving.serving)
    theirs = one_of("Deployment")
    theirs["metadata"]["name"] += "-predictor"
    for where in (
        theirs["spec"]["selector"]["matchLabels"],
        theirs["spec"]["template"]["metadata"]["labels"],
    ):
        where["app"] = "isvc"
    del theirs["spec"]["selector"]["matchLabels"]["dllab-hub/deployment"]
    pod = a_replica()
    pod["metadata"]["name"] = pod["metadata"]["name"].replace("-6d4", "-predictor-6d4")
    shell = a_replica()
    shell["spec"]["containers"][0]["command"] = ["sh"]
    user = "system:serviceaccount:kserve:kserve-controller-manager"

    assert [201, 201, 422] == [
        (await offer(serving, one, user=user))[0] for one in (theirs, pod, shell)
    ]
    assert 422 == (await offer(serving, theirs))[0]


async def test_its_words_are_right(serving: Place) -> None:
    """Kubernetes has looked at every expression, and has nothing to say."""
    path = f"{PATHS['ValidatingAdmissionPolicy']}/{serving.serving}"
    give_up = time.monotonic() + 30
    while "typeChecking" not in (found := (await serving.ask("GET", path))[1]).get("status", {}):
        if time.monotonic() > give_up:
            pytest.skip("no controller manager looks at policies here")
        await asyncio.sleep(0.3)
    assert {} == found["status"]["typeChecking"]
