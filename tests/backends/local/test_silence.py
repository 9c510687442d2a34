"""A job of which nothing is heard, through the service."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest

from dllab_hub.specs import Code, JobState

HANGS = textwrap.dedent("""
    import os, time
    from dllab_hub.runtime.report import report
    report(41 if os.environ["DLLAB_ATTEMPT"] == "1" else 100, 100, loss=0.5)
    print("up", flush=True)
    while os.environ["DLLAB_ATTEMPT"] == "1" and not os.path.exists("go"):
        time.sleep(0.02)
    print("goes on", flush=True)
    time.sleep(0.3)
""")


@pytest.mark.timeout(120)
async def test_a_silent_job_is_seen(local, make_spec, until):
    """Since when, an event, a reason; its first line afterwards takes that back."""
    backend = local.backend
    job = await backend.submit("ada", make_spec(code=Code(source=HANGS), stall_after=10))

    async def silent():
        return (await backend.get("ada", job.id)).silent_since

    began = time.time()
    await until(silent, seconds=40)
    seen = await backend.get("ada", job.id)
    (Path(seen.workspace) / "go").touch()

    ended = await local.over(job, seconds=40)
    events = [event.reason for event in await backend.events("ada", job.id)]

    assert abs((seen.silent_since or 0) - began) < 15
    assert "no line, step or event file for 10 s or longer." == seen.reason
    assert (JobState.SUCCEEDED, None) == (ended.state, ended.silent_since)
    assert {"Stalled", "GoesOn"} <= set(events)
    assert ended.progress is not None
    assert 41 == ended.progress.step
    assert (ended.replicas[0].peak_memory or 0) > 1_000_000
