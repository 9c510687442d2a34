"""The clock of the machine jumps, below the lab service, the supervisors and the jobs."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from fault_machine import Machine, until

from dllab_hub.specs import JobState, Role

#: libfaketime, of the Debian package of that name.
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
DAY = 24 * 3600
#: The clock, as a job sees it.
CLOCK = """
    import os, time
    while not os.path.lexists("go"):
        print("STEP", int(time.time()), flush=True)
        time.sleep(0.1)
"""
#: The same service with a Python for its supervisors that sees the false clock too.
SERVICE = """
import sys
from functools import partial
from dllab_hub.hub import service
service.LocalBackend = partial(service.LocalBackend, python=sys.argv[1])
sys.exit(service.main())
"""


#: libfaketime refuses to sleep on the clock that it leaves true, as Python's sleep wants to.
SLEEP = """
import select, time
time.sleep = lambda seconds: select.select((), (), (), seconds) and None
"""


class FalseClock:
    """Time of everything that runs below it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(SLEEP)
        before = os.environ.get("PYTHONPATH", "")
        self.env = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # Seconds; else each look at the clock opens a file.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # As in Linux: what jumps is the wall clock.
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": f"{folder / 'site'}:{before}".rstrip(":"),
        }
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Be so far from the true time from now on."""
        beside = self._file.with_name(".clock")
        beside.write_text(f"{seconds:+d}\n")
        beside.rename(self._file)

    def python(self, path: Path) -> Path:
        """An interpreter that sees this time, made at a path."""
        settings = " ".join(f"{key}='{value}'" for key, value in self.env.items())
        path.write_text(f'#!/bin/sh\nexec env {settings} {sys.executable} "$@"\n')
        path.chmod(0o755)
        return path


@pytest.fixture
def clock(machine: Machine) -> FalseClock:
    """A clock that the machine's service, supervisors and jobs believe."""
    if not LIBRARIES:
        pytest.skip("the clock is moved with libfaketime: install the package faketime")
    made = FalseClock(machine.home)
    (image,) = machine.state.envs.glob("pytorch-*")
    (image / "bin").unlink()
    (image / "bin").mkdir()
    made.python(image / "bin" / "python")
    python = made.python(machine.home / "python")
    machine.start((sys.executable, "-c", SERVICE, str(python)), **made.env)
    return made


def test_the_clock_jumps(machine: Machine, clock: FalseClock) -> None:
    """Two days ahead and an hour back: nothing times out, nobody loses an identity, nothing is
    relaunched or ended, and limits of time are counted in true seconds."""
    began = time.monotonic()
    job = machine.submit(CLOCK, time_limit=3600)
    short = machine.submit(CLOCK, Role(), time_limit=6)
    until(lambda: machine.steps(job) and machine.steps(short), "both jobs")
    seen = []
    for jump in (2 * DAY, -3600, 0):
        clock.jump(jump)
        there = time.time() + jump
        until(lambda at=there: abs(machine.steps(job)[-1] - at) < 60, "the job seeing the jump")
        time.sleep(1.2)  # Two looks of the service.
        seen.append(machine.client.get(job.id))
    ended = machine.ended(short)
    took = time.monotonic() - began
    machine.kill()
    clock.jump(-3600)
    machine.start((sys.executable, "-c", SERVICE, str(machine.home / "python")), **clock.env)
    adopted = machine.client.get(job.id)
    machine.client.cancel(job.id)
    done = machine.ended(job)

    assert [(JobState.RUNNING, 1)] * 4 == [(one.state, one.attempt) for one in (*seen, adopted)]
    assert 1 == len({tuple(r.pid for r in one.replicas) for one in (*seen, adopted)})
    assert JobState.FAILED is ended.state
    assert "time limit" in ended.reason
    assert took >= 5.9
    assert JobState.CANCELLED is done.state
    assert "killed" not in done.reason  # It had its grace, and needed none.
    assert 0 < done.ran < time.monotonic() - began
