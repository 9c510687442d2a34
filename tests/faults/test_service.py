"""The lab service, the hub or a notebook server is killed; jobs do not notice."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

import psutil
from fault_machine import PATIENT, Machine, patience, until
from jupyter_process import JupyterProcess, jupyter_process

from dllab_hub.shim.process import strays, sweep
from dllab_hub.specs import JobState, Role


def pids(job: Any) -> list[int | None]:
    return [replica.pid for replica in job.replicas]


def test_kill_9_of_the_service(machine: Machine) -> None:
    """Jobs run on and the next service has them within 5 s, with the codes that they returned."""
    machine.start()
    stays = machine.started(machine.submit())
    ends = machine.started(machine.submit(PATIENT, Role()), 1)
    machine.kill()
    machine.go(ends, 7)
    until(lambda: not strays(ends.id), "the end of the job that ends alone")
    took = machine.start()
    after = machine.client.get(stays.id)
    ended = machine.client.get(ends.id)

    assert took < patience(5)
    assert (JobState.RUNNING, 1, pids(stays)) == (after.state, after.attempt, pids(after))
    assert (["worker0", "worker1"], ["worker0"]) == (machine.starts(stays), machine.starts(ends))
    assert (JobState.FAILED, 1) == (ended.state, ended.attempt)
    assert [7] == [replica.exit_code for replica in ended.replicas], ended.reason
    machine.go(stays)
    assert JobState.SUCCEEDED is machine.ended(stays).state


def test_kill_9_of_the_hub(machine: Machine) -> None:
    """The service ends with its hub, the job does not, and the next hub's service has it."""
    hub = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    machine.start((sys.executable, "-c", hub))
    assert machine.service is not None
    (service,) = machine.service.children()
    job = machine.started(machine.submit())
    machine.kill()
    psutil.wait_procs([service], 10)
    assert not service.is_running() or service.status() == psutil.STATUS_ZOMBIE
    machine.start()
    after = machine.client.get(job.id)

    assert (JobState.RUNNING, pids(job)) == (after.state, pids(after))
    machine.go(job)
    assert JobState.SUCCEEDED is machine.ended(job).state


def test_kill_9_of_a_notebook_server(tmp_path: Path) -> None:
    """Where there is no hub the notebook server runs the jobs: they outlive it in the same way."""

    def ask(server: JupyterProcess, path: str, method: str = "GET", **more: Any) -> Any:
        return server.ask(f"dllab/api/{path}", method, **more).raise_for_status().json()

    wish = {"name": "fault", "image": "here", "code": {"source": textwrap.dedent(PATIENT)}}
    id = ""
    try:
        with jupyter_process(tmp_path / "home", "/") as first:
            id = ask(first, "jobs", "POST", json=wish)["id"]
            workspace = tmp_path / "state" / "jobs" / id / "run" / "workspace"
            until((workspace / "starts").exists, "the start of the job")
            first.process.send_signal(signal.SIGKILL)
            # As a zombie it still has a number; it is collected on the way out.
            os.waitid(os.P_PID, first.process.pid, os.WEXITED | os.WNOWAIT)
        assert 1 == len(strays(id))
        with jupyter_process(tmp_path / "home", "/") as second:
            seen = ask(second, f"jobs/{id}")
            (workspace / "go").symlink_to("7")
            ended = until(
                lambda: (job := ask(second, f"jobs/{id}"))["ended"] and job, "the end of the job"
            )
    finally:
        sweep(id)

    assert ("RUNNING", 1) == (seen["state"], seen["attempt"])
    assert ("FAILED", 7) == (ended["state"], ended["replicas"][0]["exit_code"])
