"""What a wish would cost on a machine where real jobs run and wait."""

from __future__ import annotations

import time

import pytest

from dllab_hub.errors import AccessDenied
from dllab_hub.specs import JobLimits, JobState


async def test_place_and_start(local, make_spec):
    """The start is when the time limits of those before it are over; unknown without a limit."""
    backend = local.backend
    sleep = "import time; time.sleep(600)"
    asked = make_spec("asked", gpus=2, time_limit=7200)
    at_once = await backend.insight.quote("ada", asked)
    assert (0, 4.0, 0.0) == (at_once.position, at_once.gpu_hours, at_once.used)
    assert abs(at_once.start - time.time()) < 5

    first = await backend.submit("grace", make_spec("first", sleep, gpus=1, time_limit=3600))
    second = await backend.submit("grace", make_spec("second", sleep, gpus=2, time_limit=1800))
    await local.state(first, JobState.RUNNING)
    assert JobState.PENDING is (await backend.get("grace", second.id)).state
    seen = await backend.insight.quote("ada", asked)
    assert 2 == seen.position
    assert 5300 < seen.start - time.time() < 5410
    assert "grace" not in seen.message
    # What fits passes those that wait, as in the queue.
    assert 0 == (await backend.insight.quote("ada", make_spec("small", gpus=1))).position

    await backend.cancel("grace", first.id)
    await local.state(second, JobState.RUNNING)
    endless = await backend.submit("ada", make_spec("endless", sleep, gpus=2))
    seen = await backend.insight.quote("ada", asked)
    assert (2, None) == (seen.position, seen.start)
    assert "nobody knows" in seen.message
    assert 1 == (await backend.insight.quote("ada", make_spec("x", gpus=2, priority=1))).position
    assert JobState.PENDING is (await backend.get("ada", endless.id)).state


async def test_a_lab_that_stays(local, make_spec):
    """Nobody knows when a lab gives its GPUs back, and that is said."""
    with local.lab("grace"):
        seen = await local.backend.insight.quote("ada", make_spec("asked", gpus=1))
    assert (1, None) == (seen.position, seen.start)
    assert "nobody knows" in seen.message


async def test_hours_that_were_used(local, make_spec):
    """Jobs that ended and that run count, those without GPUs and of others do not."""
    backend = local.backend
    ended = await backend.submit("ada", make_spec("e", "import time; time.sleep(1)", gpus=2))
    await local.over(ended)
    spent = (await backend.get("ada", ended.id)).gpu_seconds
    assert spent > 1.5
    await local.over(await backend.submit("ada", make_spec("cpu", "pass")))
    runs = await backend.submit("ada", make_spec("r", "import time; time.sleep(600)", gpus=1))
    await local.state(runs, JobState.RUNNING)
    began = (await backend.get("ada", runs.id)).started
    seen = await backend.insight.quote(
        "ada", make_spec("asked", gpus=1), JobLimits(gpu_hours=0.001)
    )
    assert abs(seen.used * 3600 - spent - (time.time() - began)) < 0.5
    assert 0 == (await backend.insight.quote("grace", make_spec("asked", gpus=1))).used
    await backend.history.delete("ada", ended.id)
    assert spent <= (await backend.insight.quote("ada", make_spec("asked"))).used * 3600
    assert 0.001 == seen.quota


async def test_a_quota_that_is_used_up(local, make_spec):
    """Whoever has used their hours is refused GPUs, and told so."""
    insight, limits = local.backend.insight, JobLimits(gpu_hours=1e-6)
    wish = make_spec("asked", gpus=1)
    await local.over(await local.submit("ada", gpus=2))
    seen = await insight.quote("ada", wish, limits)
    assert "you have used" in seen.refused
    with pytest.raises(AccessDenied) as refused:
        await insight.check_quota("ada", wish, limits)
    assert seen.refused == refused.value.message
    await insight.check_quota("grace", wish, limits)
    assert "" == (await insight.quote("ada", make_spec("asked"), limits)).refused
