"""A hundred services killed at any moment, and a real hub with a real notebook server killed."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from browser_session import Refused
from fault_machine import COUNTING, Machine, until
from running_hub import hub_with_gpus
from running_hub import until as eventually

from dllab_hub import Client
from dllab_hub.errors import Unavailable
from dllab_hub.specs import Code, JobState, Role, TrainingSpec

pytestmark = pytest.mark.long

ROUNDS = 100
SHORT = """
    import sys, time
    with open("starts", "a") as file:
        file.write("x")
    time.sleep(float(sys.argv[1]))
    sys.exit(int(sys.argv[2]))
"""


@pytest.mark.timeout(1800)
def test_services_killed_at_any_moment(machine: Machine) -> None:
    """In 100 seeded rounds a service is killed at a random moment between its start and well after
    a job's end: each job that was accepted ran exactly once and its exit code is known."""
    chance = random.Random(100)
    accepted: dict[str, int] = {}
    for _ in range(ROUNDS):
        machine.start()
        assert machine.service is not None
        killer = threading.Timer(chance.uniform(0.0, 0.6), machine.service.kill)
        killer.start()
        try:
            while machine.service.is_running():
                code = chance.randrange(1, 100)
                lasts = f"{chance.uniform(0.0, 0.5):.3f}"
                wish = Code(source=_dedented(SHORT), args=(lasts, str(code)))
                accepted[machine.submit("", Role(), code=wish).id] = code
        except Unavailable:
            pass  # It is dead; whether the last one was accepted is not known to its sender.
        killer.join()
        machine.service.wait(10)
    machine.start()
    jobs, after = [], None
    while True:
        page = machine.client.list(limit=200, after=after)
        jobs += page.jobs
        if (after := page.next) is None:
            break
    done = {job.id: machine.ended(job, 120) for job in jobs}

    print(f"{ROUNDS} rounds, {len(done)} jobs, {len(accepted)} of them answered")
    assert len(accepted) >= ROUNDS / 2
    assert accepted.keys() <= done.keys()
    assert {JobState.FAILED} == {job.state for job in done.values()}
    codes = {job.id: int(job.spec.code.args[1]) for job in done.values()}
    assert codes == {job.id: job.replicas[0].exit_code for job in done.values()}
    assert {"x"} == {
        (machine.run(job) / "workspace" / "starts").read_text() for job in done.values()
    }


def _dedented(source: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in source.splitlines())


@pytest.mark.timeout(600)
def test_a_real_hub(tmp_path: Path) -> None:
    """A job that was submitted from a lab outlives kill -9 of the lab's notebook server, of the lab
    service and of the hub, with the same processes and without a step twice."""
    with hub_with_gpus(tmp_path) as hub, ExitStack() as stack:
        session = hub.session("ada")
        session.start({"form": "1", "image": "pytorch", "gpus": "0"})
        session.wait_for_lab(120)
        spec = TrainingSpec(
            name="long", image="pytorch", code=Code(source=_dedented(COUNTING)), max_restarts=0
        )
        job = session.post("dllab/api/jobs", spec.to_wire())
        client = Client(f"{hub.facts['address']}/services/dllab/dllab/api/", session.token())
        stack.callback(client.close)
        run = hub.state.jobs / job["id"] / "run"
        until(lambda: client.get(job["id"]).replicas, "the job's start")
        before = client.get(job["id"]).replicas[0].pid
        for victim in ("notebook server", "service", "hub"):
            _kill(hub.home, victim, hub.of_lab("ada"))

            def answers() -> bool:
                try:
                    return client.get(job["id"]).replicas[0].pid == before
                except (Unavailable, Refused):
                    return False

            assert eventually(answers, 90), victim
        (run / "workspace" / "go").symlink_to("0")
        done = client.wait(job["id"], 60)

    steps = [
        int(line.split()[1]) for line in (run / "attempts/1/worker-0.log").read_text().splitlines()
    ]
    assert (JobState.SUCCEEDED, 1) == (done.state, done.attempt)
    assert list(range(1, steps[-1] + 1)) == steps


def _kill(home: Path, victim: str, lab: list[int]) -> None:
    """kill -9 of a part of a hub."""
    if victim == "hub":
        pid = json.loads((home / "hub" / "hub.json").read_text())["pid"]
    elif victim == "service":
        pid = next(
            process.pid
            for process in psutil.process_iter(["cmdline", "environ"])
            if "dllab_hub.hub.service" in (process.info["cmdline"] or ())
            and str(home) == (process.info["environ"] or {}).get("DLLAB_HOME")
        )
    else:
        pid = next(
            pid
            for pid in lab
            if any("singleuser" in word for word in psutil.Process(pid).cmdline())
            and psutil.Process(pid).name() != "sh"
        )
    os.kill(pid, signal.SIGKILL)
