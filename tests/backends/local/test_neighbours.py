"""Jobs that would harm their neighbours, on purpose or not."""

from __future__ import annotations

import asyncio
import json
import signal
import time

from dllab_hub.shim.process import send, strays
from dllab_hub.specs import JobState

PATIENT = "import time\nprint('started', flush=True)\ntime.sleep(600)\n"


async def test_one_persons_files_do_not_stop_the_others(a_state, running, until, make_spec):
    """Whatever a job writes into its own directory, other jobs are seen through and started."""
    async with running(a_state) as backend:
        job = await backend.submit("mallory", make_spec(source=PATIENT))
        run = a_state.jobs / job.id / "run"

        async def started():
            return (run / "attempts" / "1" / "worker-0.log").exists()

        await until(started)
        (run / "report.json").write_text("[" * 950 + "]" * 950)
        huge = "9" * 400
        manifest = run / "checkpoints" / "step-00000001" / "MANIFEST.json"
        manifest.parent.mkdir(parents=True)
        files = {"x" * 300: {"size": 1}}
        manifest.write_text(f'{{"step": 1, "time": {huge}, "files": {json.dumps(files)}}}')
        (run / "exit.rec").write_text(f'{{"state": "SUCCEEDED", "reason": "", "ended": {huge}}}')
        other = await backend.submit("ada", make_spec())

        async def over():
            return (await backend.get("ada", other.id)).state is JobState.SUCCEEDED

        assert await until(over, 5)
        await backend.get("mallory", job.id)
    async with running(a_state) as backend:
        assert JobState.SUCCEEDED is (await backend.get("ada", other.id)).state
    # Its forged end hides it from the service, so it is this test that ends it.
    send(json.loads((run / "shim.json").read_text()), signal.SIGTERM)
    await until(_gone(job.id))


def _gone(id: str):
    async def gone():
        return not strays(id)

    return gone


async def test_a_checkpoint_with_folders_is_seen(local, until, make_spec):
    """A checkpoint whose ``save`` made a directory is listed like any other."""
    source = (
        "from dllab_hub.runtime.checkpoint import Checkpointer\n"
        "from pathlib import Path\n"
        "def save(path):\n"
        "    (Path(path) / 'inner').mkdir(parents=True)\n"
        "    (Path(path) / 'inner' / 'weights').write_bytes(b'12345')\n"
        "Checkpointer(save=save, load=print).save(2)\n"
    )
    job = await local.backend.submit("ada", make_spec(source=source))
    done = await local.over(job)

    assert done.checkpoint is not None, await local.backend.logs("ada", job.id)
    assert 2 == done.checkpoint.step


async def test_long_code_does_not_stop_the_loop(local, make_spec):
    """Megabytes of dense code are accepted while the event loop goes on."""
    spec = make_spec(source="x=1\n" * 900_000)
    slowest, ended = 0.0, False

    async def watch():
        nonlocal slowest
        while not ended:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            slowest = max(slowest, time.monotonic() - before)

    watching = asyncio.create_task(watch())
    job = await local.backend.submit("ada", spec)
    ended = True
    await watching
    await local.backend.cancel("ada", job.id)

    assert slowest < 1.0
