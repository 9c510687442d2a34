"""Replicas that follow the load, which is measured by what goes through the lab service."""

from __future__ import annotations

import asyncio
import time

import pytest
from mirrored import until
from model_answers import MakeAnswers
from played_serving import (
    ASK,
    HOST,
    OTHER,
    WISH,
    PlayedServing,
    crashing,
    told,
)

from dllab_hub.backends.kubernetes.kinds import AUTOSCALERS, DEPLOYMENTS
from dllab_hub.backends.local.serving import autoscaler
from dllab_hub.errors import Conflict, Unavailable
from dllab_hub.manifests.served import object_name
from dllab_hub.specs import Autoscale, DeploymentState


async def test_autoscaled_by_the_cluster(played: PlayedServing, servers: MakeAnswers) -> None:
    """With a HorizontalPodAutoscaler the lab leaves the number alone, whatever the load is."""
    played.cluster = played.cluster.model_copy(update={"scaler": "cluster"})
    one = await servers(HOST, "holds")
    spec = WISH.model_copy(update={"autoscale": Autoscale(min=1, max=3, target=1)})
    async with played.service() as serving:
        await serving.deploy("ada", spec)
        await until(
            lambda: played.fake.get(AUTOSCALERS, played.space, object_name("ada", "digits"))
        )
        work = played.found()
        assert "replicas" not in work["spec"]
        played.fake.put(DEPLOYMENTS, {**work, "spec": {**work["spec"], "replicas": 1}})
        played.roll([HOST])
        await played.state_of(serving, DeploymentState.READY)
        asks = [asyncio.create_task(serving.call("ada", "digits", ASK)) for _ in range(4)]
        await until(lambda: one.busy == 4)
        serving._live["ada", "digits"].record._area += 100  # As if they had been there for long.
        live, count = serving._live["ada", "digits"], len(played.applied())
        for _ in range(3):
            await serving._pulse(live)
        live._scaler._areas.appendleft((time.monotonic() - 3, 0.0))
        await serving._pulse(live)
        with pytest.raises(Conflict, match="own autoscaler"):
            await serving.scale("ada", "digits", 2)
        one.go_on.set()
        await asyncio.gather(*asks)
        assert count == len(played.applied())
        assert "Scaled" not in await told(serving)


async def test_from_nothing_and_back(
    played: PlayedServing, servers: MakeAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks: no replica. A request starts one and is answered by it; many start more."""
    monkeypatch.setattr(autoscaler, "_LOOK", 0.2)
    one, other = await servers(HOST), await servers(OTHER, "holds")
    auto = Autoscale(min=0, max=2, target=1, idle=10)
    async with played.service() as serving:
        await played.ready(serving, WISH.model_copy(update={"autoscale": auto}))
        live = serving._live["ada", "digits"]
        live.record.last -= 11
        await until(lambda: played.found()["spec"]["replicas"] == 0)
        played.roll([])
        seen = await played.state_of(serving, DeploymentState.IDLE)
        assert (0, 0) == (seen.ready, seen.wished)

        answer = asyncio.create_task(serving.call("ada", "digits", ASK))
        await until(lambda: played.found()["spec"]["replicas"] == 1)
        assert not answer.done()
        played.roll([HOST], ready=False)
        await asyncio.sleep(0.2)
        assert not answer.done()
        played.roll([HOST])
        assert 200 == (await answer).status
        assert 1 == len(one.asked)

        one.how = "holds"
        asks = [asyncio.create_task(serving.call("ada", "digits", ASK)) for _ in range(4)]
        await until(lambda: played.found()["spec"]["replicas"] == 2)
        played.roll([HOST, OTHER])
        await played.state_of(serving, DeploymentState.READY)
        one.go_on.set()
        other.go_on.set()
        await asyncio.gather(*asks)
        said = [event.message for event in await serving.events("ada", "digits")]
    assert any("Nobody has asked for a while." in one for one in said)
    assert any("By the load." in one for one in said)


async def test_the_first_replica_cannot_start(played: PlayedServing, port: int) -> None:
    """Whoever waits for it is told why, as soon as that is known."""
    auto = Autoscale(min=0, max=2, target=1, idle=10)
    async with played.service() as serving:
        await played.ready(serving, WISH.model_copy(update={"autoscale": auto}))
        serving._live["ada", "digits"].record.last -= 11
        await until(lambda: played.found()["spec"]["replicas"] == 0)
        played.roll([])
        await played.state_of(serving, DeploymentState.IDLE)
        answer = asyncio.create_task(serving.call("ada", "digits", ASK))
        await until(lambda: played.found()["spec"]["replicas"] == 1)
        waits = crashing("2026-01-01 00:00:00 ERROR the model cannot be served: it is damaged.")
        played.roll([HOST], ready=False, container=waits)
        with pytest.raises(Unavailable, match="cannot be served: it is damaged"):
            await answer
