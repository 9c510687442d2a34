"""Deployments that end: not before their pods have, and with all that was theirs."""

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
    remove_pods,
)

from dllab_hub.backends.kubernetes.kinds import DEPLOYMENTS
from dllab_hub.errors import Conflict
from dllab_hub.manifests.served import object_name
from dllab_hub.specs import DeploymentState


async def test_another_service_ends_it(played: PlayedServing) -> None:
    """A deployment that was to end when the service did ends with the next one."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        played.fake.lingers.add("deployments")
        await serving.delete("ada", "digits")
        await until(lambda: "deletionTimestamp" in played.found()["metadata"])
    async with played.service() as serving:
        assert DeploymentState.DELETING is (await serving.get("ada", "digits")).state
        played.fake.lingers.clear()
        played.fake.remove(DEPLOYMENTS, played.space, object_name("ada", "digits"))
        remove_pods(played)
        await played.gone(serving)


async def test_deleted(played: PlayedServing, servers: MakeAnswers) -> None:
    """It is gone when its pods are, which answer until then; the model stays."""
    await servers(HOST)
    async with played.service() as serving:
        await played.ready(serving, WISH)
        await serving.delete("ada", "digits")
        await until(lambda: played.work() is None)
        await asyncio.sleep(0.2)
        seen = await serving.get("ada", "digits")
        assert DeploymentState.DELETING is seen.state
        assert 200 == (await serving.call("ada", "digits", ASK)).status
        with pytest.raises(Conflict):
            await serving.scale("ada", "digits", 2)
        remove_pods(played)
        await played.gone(serving)
        assert {"stable": set(), "canary": set()} == played.there()
        assert [] == list(played.state.deployments.glob("*/*"))
        assert 2 == len(await serving.versions("ada", "digits"))


async def test_deleted_while_it_is_made(played: PlayedServing) -> None:
    """Whoever deletes while the first objects go out leaves none of them behind."""
    async with played.service() as serving:
        played.fake.mute(DEPLOYMENTS)  # The news of it come late.
        gate = asyncio.Event()
        settler = serving._settler
        assert settler is not None
        apply = settler._apply

        async def slowly(one: Any, *, dry_run: bool = False) -> None:
            if not dry_run:
                await gate.wait()
            await apply(one, dry_run=dry_run)

        settler._apply = slowly  # type: ignore[method-assign]
        await serving.deploy("ada", WISH)
        await asyncio.sleep(0.05)
        await serving.delete("ada", "digits")
        gate.set()
        await played.gone(serving)
    assert {"stable": set(), "canary": set()} == played.there()


async def test_deployed_again_as_it_ends(played: PlayedServing) -> None:
    """A wish that comes in the last moment of the one before is kept, and made."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        settler, again = serving._settler, []
        assert settler is not None
        settle = settler.settle

        async def late(desk: Any) -> bool:
            ended = await settle(desk)
            if ended and not again:
                again.append(await serving.deploy("ada", WISH))
            return ended

        settler.settle = late  # type: ignore[method-assign]
        await serving.delete("ada", "digits")
        await until(lambda: played.work() is None)
        remove_pods(played)
        await until(lambda: bool(again))
        await until(lambda: played.work() is not None)
        assert DeploymentState.STARTING is (await serving.get("ada", "digits")).state


async def test_deleted_before_it_is_known(played: PlayedServing) -> None:
    """As long as the API server has its Deployment it is not gone, though no news of it came."""
    async with played.service() as serving:
        played.fake.mute(DEPLOYMENTS)
        played.fake.lingers.add("deployments")
        await serving.deploy("ada", WISH)
        await until(lambda: "services" in played.there()["stable"])
        await serving.delete("ada", "digits")
        await until(lambda: "deletionTimestamp" in played.found()["metadata"])
        await asyncio.sleep(0.3)
        assert DeploymentState.DELETING is (await serving.get("ada", "digits")).state
        played.fake.lingers.clear()
        played.fake.remove(DEPLOYMENTS, played.space, object_name("ada", "digits"))
        await played.gone(serving)


async def test_deleted_and_made_again(played: PlayedServing) -> None:
    """A wish for what is being deleted keeps it."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        await serving.delete("ada", "digits")
        await until(lambda: played.work() is None)
        await serving.deploy("ada", WISH)
        await until(lambda: played.there()["stable"] == {"deployments", "services"})
        played.roll([HOST])
        await played.state_of(serving, DeploymentState.READY)


async def test_deleted_while_the_cluster_is_away(played: PlayedServing) -> None:
    """It is being deleted until the cluster can be asked, and is gone then."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        async with played.fake.outage():
            await serving.delete("ada", "digits")
            await asyncio.sleep(0.3)
            assert DeploymentState.DELETING is (await serving.get("ada", "digits")).state
        await until(lambda: played.work() is None)
        remove_pods(played)
        await played.gone(serving)
