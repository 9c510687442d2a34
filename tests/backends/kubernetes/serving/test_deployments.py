"""Deployments on a scripted API server: what becomes of wishes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mirrored import until
from model_answers import MakeAnswers
from played_serving import (
    ASK,
    HOST,
    WISH,
    PlayedServing,
    eventually,
    told,
)

from dllab_hub.backends.kubernetes.kinds import DEPLOYMENTS, SERVICES, SERVING_RUNTIMES
from dllab_hub.backends.local.serving.models import Models
from dllab_hub.errors import InvalidRequest, NotFound, Unavailable
from dllab_hub.manifests.served import Served, object_name
from dllab_hub.manifests.serving import objects
from dllab_hub.specs import DeploymentState


def asked_for(played: PlayedServing, **more: Any) -> list[dict[str, Any]]:
    """The pure half's objects of `WISH`, or of another one."""
    (model,) = (
        one
        for one in Models(played.state.models).versions("ada", "digits")
        if one.version == more.get("version", 1)
    )
    return objects(Served("ada", more.get("spec", WISH), model), played._catalog(), played.cluster)


async def test_what_is_applied(played: PlayedServing) -> None:
    """Exactly the manifests' objects, by force and in our name, tried first and then once each."""
    async with played.service() as serving:
        seen = await serving.deploy("ada", WISH)
        assert (DeploymentState.STARTING, 1) == (seen.state, seen.version)
        wanted = asked_for(played)
        await until(lambda: len(played.applied()) == len(wanted))
        assert wanted == [one.body for one in played.applied()]
        assert wanted == [one.body for one in played.applied(dry=True)]
        for one in played.applied():
            assert ("dllab-hub", "true") == (one.query["fieldManager"], one.query["force"])
            assert played.space == one.namespace
        for _ in range(5):
            await serving.get("ada", "digits")
            serving._live["ada", "digits"].wake.set()
            await asyncio.sleep(0.05)
        assert len(wanted) == len(played.applied())
    assert {"stable": {"deployments", "services"}, "canary": set()} == played.there()


async def test_the_same_wish_again(played: PlayedServing) -> None:
    """Changes nothing, and says nothing."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        before = len(played.applied()), await told(serving)
        await serving.deploy("ada", WISH)
        await asyncio.sleep(0.2)
        assert before == (len(played.applied()), await told(serving))


@pytest.mark.parametrize(
    "said",
    [
        'deployments.apps "x" is forbidden: exceeded quota: models, requested: count/deployments=1',
        'ValidatingAdmissionPolicy "dllab-serving" with binding "x" denied request: no.',
    ],
)
async def test_what_the_cluster_refuses(played: PlayedServing, said: str) -> None:
    """Is an `InvalidRequest` with the cluster's own words, and nothing is kept of it."""
    async with played.service() as serving:
        played.fake.fail("apply", 403, kind=DEPLOYMENTS, said=said)
        with pytest.raises(InvalidRequest) as caught:
            await serving.deploy("ada", WISH)
        assert said.rstrip(".") in str(caught.value)
        with pytest.raises(NotFound):
            await serving.get("ada", "digits")
        assert [] == list(played.state.deployments.glob("*/*"))
        assert [] == played.applied()
        await serving.deploy("ada", WISH)
        await until(lambda: played.work())


async def test_a_replacement_that_is_refused(played: PlayedServing) -> None:
    """What serves goes on as it was."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        count = len(played.applied())
        played.fake.fail("apply", 422, kind=DEPLOYMENTS, said="Deployment is invalid: no")
        with pytest.raises(InvalidRequest, match="is invalid: no"):
            await serving.deploy("ada", WISH.model_copy(update={"replicas": 3}))
        await asyncio.sleep(0.1)
        seen = await serving.get("ada", "digits")
        assert (DeploymentState.READY, 1, count) == (
            seen.state,
            seen.spec.replicas,
            len(played.applied()),
        )


async def test_the_lab_has_no_role(played: PlayedServing) -> None:
    """That is nobody's wish's fault: `Unavailable`, with what the administrator does."""
    async with played.service() as serving:
        said = 'deployments.apps is forbidden: User "lab" cannot patch resource'
        played.fake.fail("apply", 403, said=said)
        with pytest.raises(Unavailable, match="service account may not") as caught:
            await serving.deploy("ada", WISH)
        assert "Role" in caught.value.hint
        with pytest.raises(NotFound):
            await serving.get("ada", "digits")


async def test_the_lab_may_make_none(played: PlayedServing) -> None:
    """It says so from the start, and serves as soon as it may."""
    played.fake.denied.add(("create", "deployments"))
    async with played.service(found=False) as serving:
        await until(lambda: "may make no deployments in dllab-serving" in serving._trouble)
        with pytest.raises(Unavailable, match="may make no deployments"):
            await serving.deploy("ada", WISH)
        assert 2 == len(await serving.versions("ada", "digits"))
        played.fake.denied.clear()
        assert await serving.found(5)
        await serving.deploy("ada", WISH)
        await until(lambda: played.work())


async def test_the_cluster_is_away(played: PlayedServing) -> None:
    """A wish is accepted, told as what it is, and done when the cluster is back, once."""
    async with played.service() as serving:
        async with played.fake.outage():
            seen = await serving.deploy("ada", WISH)
            assert DeploymentState.STARTING is seen.state
            seen = await eventually(lambda: played.has(serving, reason="does not answer"))
            assert DeploymentState.STARTING is seen.state
        await until(lambda: played.work())
        played.roll([HOST])
        await played.state_of(serving, DeploymentState.READY)
        names = [one.name for one in played.applied()]
        assert sorted(names) == sorted(2 * [object_name("ada", "digits")])
        assert 1 == (await told(serving)).count("Deployed")


async def test_the_cluster_goes_away(played: PlayedServing, servers: MakeAnswers) -> None:
    """What answers goes on answering: requests do not go through the API server."""
    await servers(HOST)
    async with played.service() as serving:
        await played.ready(serving, WISH)
        async with played.fake.outage():
            assert 200 == (await serving.call("ada", "digits", ASK)).status
            seen = await eventually(lambda: played.has(serving, reason="."))
            assert DeploymentState.READY is seen.state
            assert 200 == (await serving.call("ada", "digits", ASK)).status
            reasons = await told(serving)
        await eventually(lambda: played.has(serving, reason=None))
        assert reasons == await told(serving)


@pytest.mark.parametrize("how", ["lost", 500, "reset"])
async def test_an_answer_that_is_lost(played: PlayedServing, how: Any) -> None:
    """Nothing is there twice, and it is all there in the end."""
    async with played.service() as serving:
        await serving.deploy("ada", WISH.model_copy(update={"name": "other"}))
        await until(lambda: played.work("other"))
        played.fake.fail("apply", how, kind=SERVICES, times=4)
        await serving.deploy("ada", WISH)
        await until(lambda: "services" in played.there()["stable"])
        await until(lambda: not serving._live["ada", "digits"].controller.trouble)
    works = [key for key in played.fake.objects if key[0] == "deployments"]
    assert 2 == len(works)
    assert {"deployments", "services"} == played.there()["stable"]


async def test_made_of_kserves_objects(played: PlayedServing) -> None:
    """Where the cluster has KServe its runtime and one InferenceService are all there is."""
    played.cluster = played.cluster.model_copy(update={"kserve": "canary"})
    async with played.service() as serving:
        await serving.deploy("ada", WISH)
        await until(lambda: len(played.applied()) == 2)
        kinds = [one.body["kind"] for one in played.applied()]
        assert ["ServingRuntime", "InferenceService"] == kinds
        assert {"stable": {"inferenceservices"}, "canary": set()} == played.there()
        await serving.delete("ada", "digits")
        await played.gone(serving)
    assert {"stable": set(), "canary": set()} == played.there()
    assert played.fake.get(SERVING_RUNTIMES, played.space, "dllab-onnx")  # Everybody's.
