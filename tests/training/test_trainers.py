"""Hugging Face's Trainer and Lightning save by themselves, and go on from what is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from killed_training import OWNER, Trainings

from dllab_hub.specs import JobState

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

STEPS, EVERY = 60, 10


@pytest.mark.parametrize(
    ("script", "format", "torn"),
    [
        ("huggingface.py", "huggingface", "optimizer.pt"),
        ("light.py", "lightning", ""),
    ],
)
async def test_a_trainer(trainers: Trainings, script: str, format: str, torn: str) -> None:
    """Killed, paused, its newest checkpoint torn: it ends as one that was left in peace.

    Exactly: Hugging Face restores weights, optimizer, random state and the place in the data;
    Lightning the first two, so that its script draws nothing and saves at the ends of epochs.
    """
    wish = {"roles": {"worker": 2}, "checkpoint_every": EVERY}
    peace = await trainers.finish(await trainers.submit(script, STEPS, **wish))
    job = await trainers.submit(script, STEPS, **wish)
    await trainers.saved(job, EVERY)
    await trainers.kill(job, "worker-1")
    await trainers.saved(job, 3 * EVERY)
    await trainers.backend.pause(OWNER, job.id)
    newest = (await trainers.state(job, JobState.PAUSED)).checkpoint
    assert format == newest.format
    file = Path(newest.path) / torn
    os.truncate(file, file.stat().st_size // 2)
    before = await trainers.newest(job)
    assert newest.step - EVERY == before.step
    await trainers.backend.resume(OWNER, job.id)
    await trainers.finish(job)

    begun, killed, resumed = map(int, await trainers.said(job, "FROM"))
    assert (0, before.step) == (begun, resumed)
    assert EVERY <= killed
    assert await trainers.final(peace) == await trainers.final(job)
