"""A replica that is stopped is not dead."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

MakeJob = Callable[..., Any]

SAVES = """
import os, signal, sys, time
def save(*_):
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("up", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
"""


def until(true: Callable[[], object], what: str, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(0.005)


def test_a_stopped_replica_is_waited_for(job: MakeJob) -> None:
    """Its status and the job's reason say it at once; when it goes on all is as before."""
    made = job(SAVES, replicas=2, max_restarts=1).start()
    made.wait_for("up\n"), made.wait_for("up\n", "worker-1")
    pid = made.replicas[1]["pid"]
    os.kill(pid, signal.SIGSTOP)
    until(lambda: made.replicas[1]["stopped"], "its being stopped")
    stopped = made.state
    os.kill(pid, signal.SIGCONT)
    until(lambda: not made.replicas[1]["stopped"], "its going on")
    after = made.state
    (made.run / "workspace" / "go").touch()
    end = made.end()

    reason = "worker-1 is stopped (SIGSTOP), not dead; the job waits for it."
    assert ("RUNNING", reason) == (stopped["state"], stopped["reason"])
    assert [False, True] == [replica["stopped"] for replica in stopped["replicas"]]
    assert ("RUNNING", "") == (after["state"], after["reason"])
    assert ("SUCCEEDED", 1) == (end["state"], end["attempt"])
    assert ("ReplicaStopped", reason) == made.story[1]
    assert ("ReplicaContinued", "worker-1 goes on.") == made.story[2]


@pytest.mark.parametrize(
    ("number", "state"), [(signal.SIGTERM, "CANCELLED"), (signal.SIGUSR1, "PAUSED")]
)
def test_a_stopped_replica_can_save(job: MakeJob, number: int, state: str) -> None:
    """Whoever is told to end is woken up for that."""
    made = job(SAVES).start()
    made.wait_for("up\n")
    os.kill(made.replicas[0]["pid"], signal.SIGSTOP)
    until(lambda: made.replicas[0]["stopped"], "its being stopped")
    made.signal(number)
    end = made.end()

    assert state == end["state"]
    assert "up\nsaved\n" == made.log()
    assert not made.replicas[0]["stopped"]


def test_a_stopped_replica_that_is_killed_has_failed(job: MakeJob) -> None:
    """kill -9 of one that is stopped is a failure as any other."""
    made = job(SAVES, replicas=2).start()
    made.wait_for("up\n"), made.wait_for("up\n", "worker-1")
    pid = made.replicas[1]["pid"]
    os.kill(pid, signal.SIGSTOP)
    until(lambda: made.replicas[1]["stopped"], "its being stopped")
    os.kill(pid, signal.SIGKILL)
    end = made.end()

    assert ("FAILED", "worker-1 was ended by SIGKILL.") == (end["state"], end["reason"])
    assert not made.replicas[1]["stopped"]
