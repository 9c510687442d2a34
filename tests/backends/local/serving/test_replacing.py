"""A replica is replaced by another one, while requests come."""

from __future__ import annotations

import asyncio

import pytest
from serving_place import until

from dllab_hub.errors import Conflict, NotFound


@pytest.mark.parametrize("count", [1, 2])
async def test_a_replica_is_replaced(local, count):
    """A new one answers before the old one goes; no request fails, and its events say who
    wanted it."""
    await local.served(count)
    statuses: list[int] = []
    stop = asyncio.Event()

    async def ask() -> None:
        while not stop.is_set():
            statuses.append((await local.ask()).status)

    asking = asyncio.create_task(ask())
    before = {one.name for one in (await local.serving.get("ada", "digits")).replicas}
    await local.serving.replace("ada", "digits", "the alert EndpointErrorRate")
    with pytest.raises(Conflict):
        await local.serving.replace("ada", "digits", "somebody")

    async def is_replaced():
        now = await local.serving.get("ada", "digits")
        return len(now.replicas) == count == now.ready and "replica-1" not in {
            one.name for one in now.replicas
        }

    await until(is_replaced, 60)
    stop.set()
    await asking

    after = {one.name for one in (await local.serving.get("ada", "digits")).replicas}
    assert before - {"replica-1"} | {f"replica-{count + 1}"} == after
    assert {200} == set(statuses)
    events = [event.message for event in await local.serving.events("ada", "digits")]
    assert "the alert EndpointErrorRate has replica-1 replaced." in events


async def test_whose_it_is(local):
    """Another person's deployment is not there."""
    await local.served(1)

    with pytest.raises(NotFound):
        await local.serving.replace("grace", "digits", "somebody")
