"""Two versions of a model behind one balancer, with real model servers, while requests come."""

from __future__ import annotations

import asyncio
import os
import re
import signal

import pytest
from serving_place import Load, ServingPlace, local_serving, until

from dllab_hub.errors import Conflict
from dllab_hub.specs import Autoscale, Canary, DeploymentState


async def events_of(place: ServingPlace, reason: str) -> list[str]:
    there = await place.serving.events("ada", "digits")
    return [event.message for event in there if event.reason == reason]


async def test_canary_and_promotion_under_load(local) -> None:
    """From no canary to one, to half, to all of it and back again: no request fails, and each
    version answers while it is to."""
    await local.served(2)
    await local.publish()
    async with Load(local) as load:
        await local.canary(2, percent=10)
        await local.beside(2)
        await local.canary(2, percent=50)
        await load.more(200)
        await local.serving.promote("ada", "digits")
        with pytest.raises(Conflict):
            await local.serving.promote("ada", "digits")
        await local.only(2)
        await load.more(50)
        await local.serving.rollback("ada", "digits")
        await local.only(1)
        await load.more(50)

    assert {} == load.wrong
    assert {"1", "2"} == {version for _, version in load.answers}
    assert load.answers[200, "2"] > 100


async def test_a_canary_that_ends_by_itself(local) -> None:
    """A canary whose replica is killed again and again is rolled back, with the reason in the
    events; what served before goes on, and no request fails."""
    await local.served()
    await local.publish()
    async with Load(local) as load:
        await local.canary(2, percent=50)
        await local.beside(2)

        async def rolled_back():
            now = await local.get()
            for one in now.replicas:
                if one.version == 2 and one.pid:
                    os.kill(one.pid, signal.SIGKILL)
            return now.canary is None

        await until(rolled_back, 60)
        await local.only(1)
        await load.more(50)

    assert {} == load.wrong
    (said,) = await events_of(local, "RolledBack")
    # What it could not answer any more may be enough before its shim gives up.
    assert re.match(r"version 2 gets nothing more. (It cannot serve: |Of its last )", said)


async def test_a_canary_that_starts_is_not_blamed(local) -> None:
    """Who asks for it before it answers waits for a moment, and that is no error of its own."""
    await local.served()
    await local.publish()
    await local.canary(2, percent=0)
    early = await local.ask(version=2)
    await local.beside(2)
    late = await local.ask(version=2)

    assert early.status in (200, 503)
    assert 200 == late.status
    lately = local.serving._live["ada", "digits"].record.of(2)
    assert (1 + (early.status == 200), 0) == (lately.requests, lately.failed)


async def test_a_canary_that_errs(local) -> None:
    """A canary that answers with errors is rolled back once it has answered enough."""
    await local.served()
    await local.publish(file="rounds")
    await local.canary(2, percent=50, max_errors=0.2)
    await local.beside(2)
    live = local.serving._live["ada", "digits"]
    for number in range(24):  # It has no model that errs by itself: what was seen is told here.
        live.record.answered(2, 0.01, failed=number % 2 == 0)

    async def rolled_back():
        return (await local.get()).canary is None

    await until(rolled_back)
    (said,) = await events_of(local, "RolledBack")
    assert "errors, which is more than 20 %." in said


async def test_another_service_takes_over(a_state, onnx_models) -> None:
    """A service that is gone leaves both versions with their parts; the next one knows them."""
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        await place.served()
        await place.publish()
        await place.canary(2, percent=0)
        before = await place.beside(2)

    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        now = await place.beside(2)
        assert {one.pid for one in before.replicas} == {one.pid for one in now.replicas}
        assert Canary(version=2, percent=0) == now.canary
        for version in ("1", "2") * 10:
            reply = await place.ask(version=int(version))
            assert version == reply.headers["x-model-version"]
        assert 0 == (await place.get()).traffic.failed
        await place.serving.promote("ada", "digits")
        await place.only(2)
        assert "2" == (await place.ask()).headers["x-model-version"]
        await place.clear()


async def test_to_zero_and_back(local) -> None:
    """Nobody asks: no replica is left, in words. Many ask at once: all of them get an answer from
    the one that starts, and no second one is made for it."""
    await local.publish()
    await local.deploy(autoscale=Autoscale(min=0, max=2, idle=10, target=8))
    await local.ready()
    await local.state(DeploymentState.IDLE)
    asleep = await local.only()
    assert (DeploymentState.IDLE, 0) == (asleep.state, asleep.wished)
    assert "no replica runs: the next request starts one." == asleep.reason

    replies = await asyncio.gather(*(local.ask() for _ in range(6)))
    assert [200] * 6 == [reply.status for reply in replies]
    assert 1 == len((await local.ready()).replicas)
    await local.state(DeploymentState.IDLE)
    await local.serving.scale("ada", "digits", 1)  # A wish counts as if somebody had asked.
    await local.ready()
    await asyncio.sleep(1)
    assert 1 == (await local.get()).wished
    assert "Nobody has asked for a while." in (await events_of(local, "Scaled"))[0]


async def test_more_by_the_load(local) -> None:
    """Requests that wait bring more replicas, up to as many as may be, and none of them fails."""
    await local.publish()
    await local.deploy(autoscale=Autoscale(min=1, max=2, target=1))
    await local.ready()
    async with Load(local, callers=8) as load:

        async def grown():
            now = await local.get()
            return now if now.ready == 2 else None

        now = await until(grown)
        await load.more(50)

    assert {} == load.wrong
    assert (2, DeploymentState.READY) == (now.wished, now.state)
