"""The service is killed while it removes files and deletes jobs."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys

import pytest

from dllab_hub.errors import NotFound
from dllab_hub.specs import JobState

FILES = 3000
SOURCE = f"""
import os
for n in range({FILES}):
    os.makedirs(f"d{{n % 50}}", exist_ok=True)
    open(f"d{{n % 50}}/{{n}}", "w").close()
"""
SERVICE = """
import asyncio, sys
from pathlib import Path
from dllab_hub.backends.local import LocalBackend
from dllab_hub.state import StateDir

async def main(root, id, verb):
    backend = LocalBackend(StateDir(Path(root), Path(root) / "envs"), here=True, gpus=lambda: ())
    await backend.start()
    print("ready", flush=True)
    await getattr(backend.history, verb)("ada", id)
    print("done", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("verb", ["remove_files", "delete"])
async def test_killed_while_it_removes(a_state, running, make_spec, until, verb):
    """Killed at any moment, all of a job's files are there, or none and it is known; the record
    stays until the job is deleted, and what was begun can be done again.
    """
    rounds = 4
    async with running(a_state) as backend:
        jobs = [await backend.submit("ada", make_spec(source=SOURCE)) for _ in range(rounds)]
        for job in jobs:

            async def over(id=job.id):
                return (await backend.get("ada", id)).state.is_terminal

            await until(over, 60)
            assert JobState.SUCCEEDED is (await backend.history.record("ada", job.id)).job.state
    dice = random.Random(7)
    for job in jobs:
        service = subprocess.Popen(
            [sys.executable, "-c", SERVICE, str(a_state.root), job.id, verb],
            stdout=subprocess.PIPE,
        )
        assert b"ready\n" == await asyncio.to_thread(service.stdout.readline)
        await asyncio.sleep(dice.uniform(0, 0.12))
        os.kill(service.pid, signal.SIGKILL)
        service.wait()
        service.stdout.close()
    async with running(a_state) as backend:

        async def swept():
            return not list(a_state.jobs.glob(".gone-*"))

        await until(swept, 30)
        outcomes = set()
        for job in jobs:
            folder = a_state.jobs / job.id
            try:
                now = await backend.get("ada", job.id)
            except NotFound:
                assert verb == "delete"
                assert not folder.exists()
                outcomes.add("deleted")
                continue
            assert now.files == folder.exists()
            outcomes.add("there" if now.files else "removed")
            if now.files:
                assert FILES == len(list((folder / "run" / "workspace").glob("d*/*")))
            if verb == "remove_files":
                assert (await backend.history.record("ada", job.id)).events
            await getattr(backend.history, verb)("ada", job.id)
            assert not folder.exists()

        assert outcomes
        assert [] == list(a_state.jobs.iterdir())
