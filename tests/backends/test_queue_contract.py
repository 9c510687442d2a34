"""The order of those that wait, and what they wait for: what every backend promises."""

from __future__ import annotations

import pytest

from dllab_hub.backends import room
from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import JobState, Role


@pytest.fixture(autouse=True)
def _a_queue_of_ours(place):
    place.own_queue()


async def seen(place, *jobs):
    """Name and place in the queue of each."""
    now = [await place.backend.get(job.owner, job.id) for job in jobs]
    return {job.spec.name: job.position for job in now}


async def test_priority_among_ones_own(place):
    """An urgent job takes the best place that its owner has, and nobody else's."""
    first = await place.submit("grace", name="first", code=None, gpus=2)
    old = await place.submit("ada", name="old", code=None, gpus=2)
    hers = await place.submit("grace", name="hers", code=None, gpus=2, priority=100)
    new = await place.submit("ada", name="new", code=None, gpus=2, priority=1)
    last = await place.submit("ada", name="last", code=None, gpus=2, priority=-1)

    assert {"new": 1, "hers": 2, "old": 3, "last": 4} == await seen(place, new, hers, old, last)

    await place.backend.cancel("grace", first.id)
    await place.state(new, JobState.RUNNING)
    assert {"new": None, "hers": 1, "old": 2} == await seen(place, new, hers, old)


async def test_positions_in_a_list(place):
    """A list shows the places too."""
    await place.submit("ada", name="first", code=None, gpus=2)
    await place.submit("ada", name="next", code=None, gpus=1)
    await place.submit("ada", name="last", code=None, gpus=1)

    jobs = (await place.backend.list("ada", states=["PENDING"])).jobs

    assert {"next": 1, "last": 2} == {job.spec.name: job.position for job in jobs}


async def test_cpus_are_counted(place):
    """A job waits while the CPUs it asks for are promised to others, and is told to whom."""
    first = await place.submit("ada", name="first", code=None, replicas=2, cpus=30)
    mine = await place.submit("ada", name="mine", code=None, cpus=40.5)
    hers = await place.submit("grace", name="hers", code=None, cpus=30)

    assert JobState.RUNNING is (await place.state(first, JobState.RUNNING)).state
    assert (
        "waiting for 40.5 CPUs: 4 of 64 are free; held by your job 'first'.",
        "waiting for 30 CPUs: 4 of 64 are free; held by 1 other person.",
    ) == (mine.reason, hers.reason)

    await place.backend.cancel("ada", first.id)
    await place.state(mine, JobState.RUNNING)
    still = await place.backend.get("grace", hers.id)
    assert (JobState.PENDING, 1) == (still.state, still.position)
    assert "23.5 of 64 are free" in still.reason


async def test_one_cpu_for_each_process(place):
    """What asks for no CPUs counts one for each process, and at most what there is."""
    many = await place.submit("ada", name="many", code=None, gpus=0, replicas=2)
    full = await place.submit("ada", name="full", code=None, cpus=62)
    waits = await place.submit("ada", name="waits", code=None)
    await place.state(full, JobState.RUNNING)

    assert (JobState.PENDING, True) == (
        waits.state,
        "0 of 64" in waits.reason or "none" in waits.reason,
    )
    assert "your job 'many' (2)" in waits.reason
    assert "your job 'full' (62)" in waits.reason
    await place.backend.cancel("ada", many.id)
    await place.state(waits, JobState.RUNNING)


async def test_more_cpus_than_there_are(place, make_spec):
    """A wish for more CPUs than the machine has is refused, naming the role."""
    roles = (Role(name="a", cpus=1), Role(name="b", replicas=2, cpus=33))
    with pytest.raises(InvalidRequest) as caught:
        await place.backend.submit("ada", make_spec(strategy="custom", roles=roles))

    assert "roles.1.cpus" == caught.value.field
    assert "67 CPUs" in str(caught.value)


async def test_what_has_waited_long_is_not_overtaken(place, monkeypatch):
    """A job that wants what an older one has waited for long lets it go first, and is told so."""
    await place.submit("ada", name="one", code=None, gpus=1)
    large = await place.submit("ada", name="large", code=None, gpus=2)
    early = await place.submit("grace", name="early", code=None, gpus=1)
    await place.state(early, JobState.RUNNING)
    await place.backend.cancel("grace", early.id)
    await place.over(early)
    monkeypatch.setattr(room, "AGED", -1.0)

    mine = await place.submit("ada", name="mine", code=None, gpus=1)
    hers = await place.submit("grace", name="hers", code=None, gpus=1)
    other = await place.submit("grace", name="other", code=None)

    assert JobState.PENDING is (await place.backend.get("ada", large.id)).state
    assert "waiting for 1 GPU: kept for your job 'large' that has waited longer." == mine.reason
    assert (
        "waiting for 1 GPU: kept for a job of another person that has waited longer." == hers.reason
    )
    await place.state(other, JobState.RUNNING)


async def test_nothing_is_kept_for_what_a_lab_holds(place, monkeypatch):
    """A lab may stay for days: a job that waits for its GPU keeps nobody from anything."""
    monkeypatch.setattr(room, "AGED", -1.0)
    with place.lab("grace"):
        waits = await place.submit("ada", name="waits", code=None, gpus=1)
        runs = await place.submit("ada", name="runs", code=None)
        await place.state(runs, JobState.RUNNING)

        assert "held by 1 other person" in waits.reason
