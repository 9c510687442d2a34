"""Twenty kills of twenty: a worker of a real distributed training dies, the training goes on."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

from dllab_hub.backends.local import LocalBackend
from dllab_hub.catalog import interpreter
from dllab_hub.specs import Code, JobState, Role, TrainingSpec
from dllab_hub.state import StateDir

ROUNDS = 20
EVERY = 10
SCRIPT = """
import time, torch, torch.distributed as dist
from dllab_hub.runtime.checkpoint import Checkpointer
dist.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(16, 1))
state = Checkpointer(model=model)
first = state.restore()
for step in range(first + 1, 100_000):
    model(torch.ones(4, 16)).sum().backward()
    state.step(step)
    if dist.get_rank() == 0:
        print("STEP", step, flush=True)
    time.sleep(0.01)
"""


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_every_kill_is_survived(tmp_path: Path) -> None:
    """Whichever worker is killed at whatever step, the gang resumes and loses at most an interval.

    One job is killed again and again, so every attempt also proves that the one before left
    nothing behind: no worker, no port, no broken checkpoint.
    """
    chance = random.Random(20)
    state = StateDir.at(tmp_path)
    assert interpreter(state, "pytorch").exists()
    backend = LocalBackend(state, gpus=lambda: ())
    await backend.start()
    spec = TrainingSpec(
        name="rounds",
        image="pytorch",
        code=Code(source=SCRIPT),
        roles=(Role(replicas=2),),
        max_restarts=ROUNDS,
        checkpoint_every=EVERY,
    )
    job = await backend.submit("ada", spec)
    attempts = state.jobs / job.id / "run" / "attempts"

    async def step_of(attempt: int, at_least: int) -> list[int]:
        """Steps that rank 0 has printed in an attempt, once the last reaches ``at_least``."""
        log = attempts / str(attempt) / "worker-0.log"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            text = log.read_text() if log.exists() else ""
            if (steps := [int(n) for n in re.findall(r"STEP (\d+)\n", text)]) and steps[
                -1
            ] >= at_least:
                return steps
            await asyncio.sleep(0.02)
        raise AssertionError(f"attempt {attempt} did not reach step {at_least}: {text[-2000:]}")

    last = 0
    took = []
    for attempt in range(1, ROUNDS + 1):
        steps = await step_of(attempt, last + chance.randrange(EVERY + 1, 4 * EVERY))
        now = await backend.get("ada", job.id)
        victim = now.replicas[chance.randrange(2)]
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        killed = time.monotonic()
        first = (await step_of(attempt + 1, 1))[0]
        took.append(time.monotonic() - killed)
        last = (await step_of(attempt, steps[-1]))[-1]  # It may have printed more until it died.

        assert last - EVERY <= first - 1 <= last, f"attempt {attempt}: step {last} -> {first}"
        last = first
    assert JobState.RUNNING == (await backend.get("ada", job.id)).state
    await backend.cancel("ada", job.id)
    while not (now := await backend.get("ada", job.id)).state.is_terminal:
        await asyncio.sleep(0.05)
    await backend.close()
    print(f"{ROUNDS} kills of {ROUNDS} resumed, slowest {max(took):.1f} s")

    assert JobState.CANCELLED == now.state
