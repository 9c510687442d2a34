"""What a deployment on a real cluster says of itself, waited for: `says`, `renewed`, `cleared`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serving_place import ServingPlace, until
from serving_story import PATIENCE, Told

from dllab_hub.specs import Deployment

__all__ = ("cleared", "renewed", "says")


@asynccontextmanager
async def cleared(told: Told) -> AsyncIterator[ServingPlace]:
    """A lab service; the deployments that are made there are gone afterwards."""
    async with told.service() as place:
        try:
            yield place
        finally:
            await place.clear()


async def says(place: ServingPlace, *words: str, seconds: float = PATIENCE) -> Deployment:
    """The deployment, once each of the words is in its reason."""
    last = ""

    async def said() -> Deployment | None:
        nonlocal last
        now = await place.get()
        last = f"{now.state}: {now.reason}"
        return now if all(word in now.reason for word in words) else None

    try:
        now = await until(said, seconds)
    except AssertionError as exc:
        raise AssertionError(f"{exc}: {last}") from exc
    print(f"SAID {now.state}: {now.reason}")
    return now


async def renewed(told: Told, place: ServingPlace, word: str) -> bool:
    """Whether the reason has a word; else its pods are made anew: a rule is known a little late."""
    if word in (await place.get()).reason:
        return True
    for pod in await told.pods():
        await told.remove(pod, grace=0)
    await asyncio.sleep(1)
    return False
