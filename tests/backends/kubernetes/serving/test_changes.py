"""Deployments that are changed: what of their objects is, and when."""

from __future__ import annotations

import asyncio
from typing import Any

from mirrored import until
from model_answers import MakeAnswers
from played_serving import (
    ASK,
    HOST,
    OTHER,
    THIRD,
    WISH,
    PlayedServing,
    crashing,
    eventually,
    told,
)

from dllab_hub.backends.kubernetes.kinds import DEPLOYMENTS, PODS, SERVICES
from dllab_hub.backends.kubernetes.trouble import Unreachable
from dllab_hub.manifests.served import object_name
from dllab_hub.specs import Canary, DeploymentState


async def test_scaled(played: PlayedServing) -> None:
    """The number changes in the Deployment, and what it needs beside several replicas is there."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        await serving.scale("ada", "digits", 3)
        await until(lambda: played.found()["spec"]["replicas"] == 3)
        await until(lambda: "poddisruptionbudgets" in played.there()["stable"])
        seen = await played.state_of(serving, DeploymentState.DEGRADED)
        assert 3 == seen.wished
        await serving.scale("ada", "digits", 1)
        await until(lambda: played.found()["spec"]["replicas"] == 1)
        await until(lambda: "poddisruptionbudgets" not in played.there()["stable"])
        assert 2 == (await told(serving)).count("Scaled")


async def test_a_canary_that_is_promoted(played: PlayedServing, servers: MakeAnswers) -> None:
    """It has objects of its own, which go when what it was promoted to answers without it."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        await serving.canary("ada", "digits", Canary(version=2, percent=20))
        await until(lambda: played.there()["canary"] == {"deployments", "services"})
        played.roll([OTHER], canary=True)
        seen = await eventually(lambda: played.has(serving, ready=2))
        assert DeploymentState.READY is seen.state
        assert {1: 80, 2: 20} == {one.version: one.percent for one in seen.versions}

        await serving.promote("ada", "digits")
        await until(lambda: played.version == "2")
        await asyncio.sleep(0.3)
        assert {"deployments", "services"} == played.there()["canary"]
        assert DeploymentState.DEGRADED is (await serving.get("ada", "digits")).state
        played.roll([THIRD])
        await until(lambda: not played.there()["canary"])
        seen = await played.state_of(serving, DeploymentState.READY)
        assert (2, None) == (seen.version, seen.canary)


async def test_a_canary_that_is_rolled_back(played: PlayedServing, servers: MakeAnswers) -> None:
    """Its objects go at once, and its pods get nothing more while they end."""
    stable, canary = await servers(HOST), await servers(OTHER, version=2)
    async with played.service() as serving:
        await played.ready(serving, WISH)
        await serving.canary("ada", "digits", Canary(version=2, percent=99))
        await until(lambda: played.work(canary=True))
        played.roll([OTHER], canary=True)
        await eventually(lambda: played.has(serving, ready=2))
        for _ in range(5):
            await serving.call("ada", "digits", ASK)
        assert canary.asked

        played.fake.lingers.add("deployments")
        await serving.rollback("ada", "digits")
        before = len(canary.asked)
        for _ in range(5):
            reply = await serving.call("ada", "digits", ASK)
            assert "1" == reply.headers["x-model-version"]
        assert before == len(canary.asked)
        await until(lambda: "services" not in played.there()["canary"])
        await until(lambda: "deletionTimestamp" in played.found(canary=True)["metadata"])
        assert "1" == played.version
        assert "deletionTimestamp" not in played.found()["metadata"]
        assert stable.asked


async def test_rolled_back_to_the_version_before(played: PlayedServing) -> None:
    """Without a canary the Deployment gets the version that served before."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        await serving.deploy("ada", WISH.model_copy(update={"version": 2}))
        await until(lambda: played.version == "2")
        played.roll([OTHER])
        await played.state_of(serving, DeploymentState.READY)
        await serving.rollback("ada", "digits")
        await until(lambda: played.version == "1")


async def test_taken_back_halfway(played: PlayedServing) -> None:
    """Of a wish that the cluster has half of when it is taken back, nothing stays."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        settler, away = serving._settler, True
        assert settler is not None
        apply = settler._apply

        async def half(one: Any, *, dry_run: bool = False) -> Any:
            if one["kind"] == "Service" and away and not dry_run:
                raise Unreachable("the cluster is away.")
            return await apply(one, dry_run=dry_run)

        settler._apply = half  # type: ignore[method-assign]
        await serving.deploy("ada", WISH.model_copy(update={"version": 2}))
        await until(lambda: played.version == "2")
        await serving.rollback("ada", "digits")
        away = False
        await until(lambda: played.version == "1", 8)


async def test_replaced(played: PlayedServing) -> None:
    """All of its replicas are made anew, pod by pod: only a mark in their template changes."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        before = played.found()["spec"]["template"]
        await serving.replace("ada", "digits", "grace")
        await until(lambda: played.found()["spec"]["template"] != before)
        after = played.found()["spec"]["template"]
        assert before["spec"] == after["spec"]
        assert before["metadata"]["labels"] == after["metadata"]["labels"]
        assert "Replacing" in await told(serving)


async def test_tried_again_at_once(played: PlayedServing) -> None:
    """The same wish again has a replica that waits to be tried again replaced, and no other."""
    async with played.service() as serving:
        await serving.deploy("ada", WISH.model_copy(update={"replicas": 2}))
        await until(lambda: played.work())
        waits = crashing()
        played.roll([HOST])
        work = played.found()
        played.pod(work, "stuck", OTHER, ready=False, container=waits)
        await eventually(lambda: played.has(serving, replicas=2))
        await serving.deploy("ada", WISH.model_copy(update={"replicas": 2}))
        await until(lambda: len(played.fake.asked("delete", PODS)) == 1)
        await asyncio.sleep(0.1)
        (asked,) = played.fake.asked("delete", PODS)
        assert asked.name.endswith("-stuck")
        assert asked.body["preconditions"]["uid"]


async def test_a_deployment_that_somebody_removed(played: PlayedServing) -> None:
    """Comes back by itself, with what belongs to it."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        played.fake.remove(SERVICES, played.space, object_name("ada", "digits"))
        played.fake.remove(DEPLOYMENTS, played.space, object_name("ada", "digits"))
        await until(lambda: played.there()["stable"] == {"deployments", "services"})


async def test_another_service_takes_over(played: PlayedServing, servers: MakeAnswers) -> None:
    """The same wish, the same objects, and nothing is told again."""
    await servers(HOST)
    async with played.service() as serving:
        await played.ready(serving, WISH.model_copy(update={"replicas": 2}), [HOST, OTHER])
        await serving.scale("ada", "digits", 1)
        played.roll([HOST])
        before = await played.state_of(serving, DeploymentState.READY)
        await until(lambda: "poddisruptionbudgets" not in played.there()["stable"])

        async def rolled() -> bool:
            return (await told(serving)).count("ReplicaEnded") == 2

        await eventually(rolled)
        await asyncio.sleep(0.2)
        reasons = await told(serving)
    objects = dict(played.fake.objects)

    async with played.service() as serving:
        after = await played.state_of(serving, DeploymentState.READY)
        await eventually(lambda: played.has(serving, ready=1))
        assert 200 == (await serving.call("ada", "digits", ASK)).status
        await asyncio.sleep(0.2)
        assert reasons == await told(serving)
    assert (before.spec, before.version, before.created) == (
        *(after.spec, after.version, after.created),
    )
    assert objects == played.fake.objects  # With their resourceVersions: nothing was changed.
