"""What one person's jobs may hold at once: what every backend that accepts jobs promises."""

from __future__ import annotations

import asyncio

import pytest

from dllab_hub.backends.base import Backend
from dllab_hub.errors import AccessDenied
from dllab_hub.specs import JobLimits, JobState

SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def accepts(place):
    """The place, unless it only asks another: who asks there is held to the limits there."""
    if not isinstance(place.backend, Backend):
        pytest.skip("the lab service behind it knows the limits")
    return place


async def test_many_at_once(accepts, make_spec) -> None:
    """However many submits come at the same moment, no more are accepted than one may have."""
    limits, backend = JobLimits(jobs=3), accepts.backend
    asked = [backend.submit("ada", make_spec(f"n{n}", SLEEP), limits) for n in range(12)]
    found = await asyncio.gather(*asked, return_exceptions=True)

    assert 3 == sum(not isinstance(one, BaseException) for one in found)
    assert 9 == sum(isinstance(one, AccessDenied) for one in found)
    assert 3 == len((await backend.list("ada")).jobs)
    # Nobody else is held to it.
    assert await backend.submit("grace", make_spec("hers", SLEEP), limits)


async def test_gpus_that_wait_count(accepts, make_spec) -> None:
    """GPUs count from the moment at which a job waits for them, until it ends or is paused."""
    limits, backend = JobLimits(gpus=3), accepts.backend
    first = await backend.submit("ada", make_spec("first", SLEEP, gpus=2), limits)
    waits = await backend.submit("ada", make_spec("waits", SLEEP, gpus=1), limits)
    with pytest.raises(AccessDenied, match=r"3 of the 3 GPUs .* first-[a-z0-9]{7} \(2\), waits-"):
        await backend.submit("ada", make_spec("more", SLEEP, gpus=1), limits)
    await backend.submit("ada", make_spec("cpu", SLEEP), limits)

    await backend.pause("ada", waits.id)
    await accepts.state(waits, JobState.PAUSED)
    more = await backend.submit("ada", make_spec("more", SLEEP, gpus=1), limits)
    with pytest.raises(AccessDenied, match="3 of the 3 GPUs"):
        await backend.resume("ada", waits.id, limits)
    assert JobState.PAUSED is (await backend.get("ada", waits.id)).state
    # What waits or runs already asks for nothing more.
    none = JobLimits(jobs=0, gpus=0)
    assert first.id == (await backend.resume("ada", first.id, none)).id
    await backend.cancel("ada", more.id)
    await accepts.state(more, JobState.CANCELLED)
    assert waits.id == (await backend.resume("ada", waits.id, limits)).id
