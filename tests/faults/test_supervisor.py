"""The supervisor of a job is killed, stopped, or taken for somebody else."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_machine import PATIENT, Machine, patience, until

from dllab_hub.leases import LeaseDir
from dllab_hub.shim.process import identity, is_alive, strays
from dllab_hub.specs import Code, JobState, Role
from dllab_hub.testing.nvml import FakeNvml

GPU = "GPU-00000000-0000-0000-0000-000000000000"
#: Leaves a daemon behind: its parent ends, it leads a session of its own and has closed all files.
DAEMONIC = textwrap.dedent("""
    import os, time
    def become_a_daemon():
        if os.fork():
            return
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        os.umask(0)
        os.closerange(0, 64)
        time.sleep(600)
        os._exit(0)
    become_a_daemon()
""") + textwrap.dedent(PATIENT)
#: Fails when another one of its kind has the GPU at the same time.
ALONE = """
    import os, sys, time
    os.close(os.open(sys.argv[1], os.O_CREAT | os.O_EXCL))
    time.sleep(0.5)
    os.unlink(sys.argv[1])
"""


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any job."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def holder(machine: Machine) -> object:
    return LeaseDir(machine.state.leases).held([GPU])[GPU]


@pytest.mark.parametrize(
    "service", ["runs", pytest.param("is started later", marks=pytest.mark.long)]
)
def test_kill_9_of_the_supervisor(machine: Machine, tmp_path: Path, service: str) -> None:
    """The job is LOST within 5 s and none of its processes is left after 10 s, daemons of its
    replicas included; its GPU goes to one waiting job, and then to the next."""
    env = FakeNvml.build(tmp_path / "nvml", gpus=1).env
    machine.start(**env)
    job = machine.started(machine.submit(DAEMONIC, Role(gpus=1)), 1)
    until(lambda: len(strays(job.id)) == 2, "the daemon")
    taken = str(tmp_path / "gpu")
    code = Code(source=textwrap.dedent(ALONE), args=(taken,))
    waiting = [machine.submit("", Role(gpus=1), code=code) for _ in range(2)]
    assert [JobState.PENDING] * 2 == [one.state for one in waiting]
    if service != "runs":
        machine.kill()
    os.kill(machine.shim(job), signal.SIGKILL)
    began = time.monotonic()
    if service != "runs":
        machine.start(**env)
    lost = machine.reaches(job, JobState.LOST)
    took = time.monotonic() - began
    until(lambda: not strays(job.id), "no orphan being left", 10)
    ends = [machine.ended(one) for one in waiting]

    assert took < patience(5)
    assert [None] == [replica.pid for replica in lost.replicas]
    assert "supervisor was killed" in lost.reason
    assert [JobState.SUCCEEDED] * 2 == [one.state for one in ends], [one.reason for one in ends]
    until(lambda: holder(machine) is None, "the GPU being free")


def test_sigstop_of_the_supervisor(machine: Machine) -> None:
    """A supervisor that is stopped keeps its job: no service starts it again; when it goes on, so
    does the job."""
    machine.start()
    job = machine.started(machine.submit())
    shim = machine.shim(job)
    os.kill(shim, signal.SIGSTOP)
    machine.kill()
    machine.start()
    time.sleep(1.5)  # Three looks of the service.
    seen = machine.client.get(job.id)
    starts = machine.starts(job)
    os.kill(shim, signal.SIGCONT)
    machine.go(job)
    done = machine.ended(job)

    assert (JobState.RUNNING, 1, ["worker0", "worker1"]) == (seen.state, seen.attempt, starts)
    assert (JobState.SUCCEEDED, 1) == (done.state, done.attempt)
    assert shim == machine.shim(job)
    assert ["worker0", "worker1"] == machine.starts(job)


@pytest.mark.parametrize(("false", "asked"), [("ticks", "cancel"), ("boot_id", "nothing")])
def test_a_strangers_number(
    machine: Machine, stranger: subprocess.Popen[bytes], false: str, asked: str
) -> None:
    """A process that has the supervisor's number after it has died, or had it before the machine
    was started again, is neither taken for it nor signalled, even if it holds the job's lock."""
    machine.start()
    job = machine.started(machine.submit())
    machine.kill()
    os.kill(machine.shim(job), signal.SIGKILL)
    until(lambda: not strays(job.id), "the end of the replicas")
    now = identity(stranger.pid)
    assert now is not None
    text = json.dumps({**now, false: 1 if false == "ticks" else "another", "gpus": []})
    folder = machine.run(job).parent
    for name in ("launch.json", "run/shim.json"):
        (folder / name).write_text(text)
    if asked == "cancel":
        (folder / "cancel.json").write_text('{"by": "ada"}')
    with (folder / "shim.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        machine.start()
        done = machine.ended(job)
        machine.client.cancel(job.id)
        time.sleep(1.0)  # Two looks of the service.

    assert (JobState.CANCELLED if asked == "cancel" else JobState.LOST) is done.state
    assert is_alive(now)
    assert stranger.poll() is None
    assert asked == "cancel" or ("restarted" in done.reason) == (false == "boot_id")
