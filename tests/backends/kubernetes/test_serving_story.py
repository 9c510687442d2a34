"""The story of a deployment on a real cluster: nobody who asks loses an answer, whatever happens.

The node is this machine (see `real_cluster`): it says nothing of several nodes or of GPUs.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from serving_place import Load, ServingPlace, until
from serving_story import MARKS, PATIENCE, BigPlace, Told, a_story, stop

from dllab_hub.specs import Deployment, DeploymentState

pytestmark = [*MARKS, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory, onnx_models: Path) -> AsyncIterator[Told]:
    async with a_story(tmp_path_factory.mktemp("story"), onnx_models) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(told: Told) -> AsyncIterator[ServingPlace]:
    """One lab service for all tests; the model has two versions."""
    async with told.service() as made:
        await made.publish()
        await made.publish()
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def place(told: Told, service: ServingPlace) -> ServingPlace:
    """Two replicas of version 1 answer, and nothing else is there."""
    await service.deploy(2, version=1)
    await service.ready()
    await until(lambda: others(told, set(), 2), PATIENCE)
    await service.only(1)
    return service


async def others(told: Told, before: set[str], count: int) -> bool:
    """Whether so many pods are there and answer, without the ones before."""
    pods = await told.pods()
    names = {pod.metadata.name for pod in pods}
    ready = [
        one
        for pod in pods
        for one in (pod.status.conditions or ())
        if one.type == "Ready" and one.status == "True"
    ]
    return not names & before and len(ready) == len(pods) == count


async def test_a_roll(told, place):
    """Another version takes over while people ask; both answer meanwhile, then the new one."""
    before = {pod.metadata.name for pod in await told.pods()}
    async with Load(place) as load:
        await place.deploy(2, version=2)
        await place.ready()
        await until(lambda: others(told, before, 2), PATIENCE)
        await place.only(2)
        await load.more()

    assert {} == load.wrong
    assert {(200, "1"), (200, "2")} == load.answers.keys()
    assert ["2"] * 5 == [(await place.ask()).headers["x-model-version"] for _ in range(5)]


async def test_large_bodies(told, place):
    """Questions and answers of a megabyte are not lost in a roll or with a pod either."""
    big = BigPlace(place.serving, told.files)
    async with Load(big) as load:
        await place.deploy(2, version=2)
        await place.ready()
        await place.only(2)
        victim = (await told.pods())[0]
        await told.remove(victim, grace=0)
        await until(lambda: others(told, {victim.metadata.name}, 2), PATIENCE)
        await load.more(20)

    assert {} == load.wrong
    assert {(200, "1"), (200, "2")} == load.answers.keys()


async def test_more_and_fewer(told, place):
    """Replicas come and go while people ask: two, three, one, three."""
    async with Load(place) as load:
        for count in (3, 1, 3):
            await place.serving.scale("ada", "digits", count)
            await place.ready()
            await until(lambda count=count: others(told, set(), count), PATIENCE)
            await load.more()

    assert {} == load.wrong


@pytest.mark.parametrize("grace", [None, 0])
async def test_a_pod_that_is_deleted(told, place, grace):
    """With its time to end or without, nobody notices, and another one takes its place."""
    async with Load(place) as load:
        victim = (await told.pods())[0]
        await told.remove(victim, grace)
        await until(lambda: others(told, {victim.metadata.name}, 2), PATIENCE)
        await place.ready()
        await load.more()

    name = f"replica-{victim.metadata.name[-5:]}"
    told_of = await place.serving.events("ada", "digits")
    assert {} == load.wrong
    assert "ReplicaEnded" in [one.reason for one in told_of if name in one.message]


async def test_a_server_that_dies(told, place):
    """One that is killed inside its pod is started again there; nobody notices."""
    async with Load(place) as load:
        victim = (await told.pods())[0]
        stop(victim, signal.SIGKILL)

        async def again() -> bool:
            now = await place.get()
            return sum(one.restarts for one in now.replicas) == 1 and now.ready == 2

        await until(again, PATIENCE)
        await load.more()

    assert {} == load.wrong
    assert victim.metadata.name in {pod.metadata.name for pod in await told.pods()}


async def test_one_that_is_frozen(told, place):
    """Who waits for one that does not answer any more is answered by another; it can come back."""
    async with Load(place) as load:
        victim = (await told.pods())[0]
        stop(victim, signal.SIGSTOP)
        try:

            async def silent() -> Deployment | None:
                now = await place.get()
                return now if "does not answer" in now.reason else None

            frozen = await until(silent, PATIENCE)
            await load.more()
        finally:
            stop(victim, signal.SIGCONT)
        await place.ready()
        await load.more()

    assert {} == load.wrong
    assert (1, DeploymentState.DEGRADED) == (frozen.ready, frozen.state)


@pytest.mark.long
async def test_one_that_stays_frozen(told, place):
    """It is ended and started again by the cluster, without a lost answer."""
    async with Load(place) as load:
        victim = (await told.pods())[0]
        stop(victim, signal.SIGSTOP)

        async def again() -> bool:
            now = await place.get()
            return sum(one.restarts for one in now.replicas) == 1 and now.ready == 2

        await until(again, 200)
        await load.more()

    assert {} == load.wrong


async def test_a_canary_comes_and_goes(told, place):
    """A canary that is rolled back takes no answer with it."""
    async with Load(place) as load:
        await place.canary(percent=50)
        await place.beside(2)
        await load.more()
        await place.serving.rollback("ada", "digits")
        await place.only(1)
        await until(lambda: others(told, set(), 2), PATIENCE)
        await load.more()

    assert {} == load.wrong
    assert {(200, "1"), (200, "2")} == load.answers.keys()


async def test_a_canary_is_promoted_and_rolled_back(told, place):
    """Promoted it answers all of them; the version before comes back with one word."""
    async with Load(place) as load:
        await place.canary(percent=50)
        await place.beside(2)
        await place.serving.promote("ada", "digits")
        await place.ready()
        await place.only(2)
        await until(lambda: others(told, set(), 2), PATIENCE)
        await place.serving.rollback("ada", "digits")
        await place.ready()
        await place.only(1)
        await load.more()

    assert {} == load.wrong
    assert ["1"] * 5 == [(await place.ask()).headers["x-model-version"] for _ in range(5)]


async def test_the_part_of_a_canary(place):
    """By lot: of 400 answers a quarter, give or take four standard deviations, are a canary's."""
    await place.canary(percent=25)
    await place.beside(2)
    seen = [(await place.ask()).headers["x-model-version"] for _ in range(400)]
    asked = [
        (await place.ask(version=version)).headers["x-model-version"] for version in (1, 2) * 5
    ]

    assert abs(seen.count("2") - 100) <= 4 * (400 * 0.25 * 0.75) ** 0.5
    assert 400 == seen.count("1") + seen.count("2")
    assert ["1", "2"] * 5 == asked


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_rounds(told, place):
    """All of it again and again, in turn, while people ask."""

    async def force() -> None:
        victim = (await told.pods())[0]
        await told.remove(victim, grace=0)
        await until(lambda: others(told, {victim.metadata.name}, 2), PATIENCE)

    async def roll(version: int) -> None:
        await place.deploy(2, version=version)
        await place.ready()
        await place.only(version)

    async def scale() -> None:
        for count in (1, 3, 2):
            await place.serving.scale("ada", "digits", count)
            await place.ready()

    rounds: list[Callable[[], Awaitable[None]]] = [
        lambda: roll(2), force, scale, lambda: roll(1), force,
    ]  # fmt: skip
    async with Load(place) as load:
        for _ in range(5):
            for do in rounds:
                await do()
                await load.more()
                assert {} == load.wrong, load.wrong
