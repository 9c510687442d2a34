"""A process of a gang is killed or stopped: worker, chief or parameter server."""

from __future__ import annotations

import signal
import textwrap
import time

import pytest
from fault_machine import COUNTING, PATIENT, Machine, kill_replica, until

from dllab_hub.specs import JobState, Role, TrainingJob

#: A parameter server in plain Python, found by TF_CONFIG as TensorFlow's is: the chief and the
#: workers add to the number that it holds, the chief keeps checkpoints of it and ends by itself.
PARAMETER_SERVER = """
    import json, os, socket, sys, time
    from dllab_hub.runtime.checkpoint import Checkpointer
    config = json.loads(os.environ["TF_CONFIG"])
    role, index = config["task"]["type"], config["task"]["index"]
    host, port = config["cluster"]["ps"][0].split(":")

    def ask(word):
        give_up = time.monotonic() + 60
        while True:
            try:
                with socket.create_connection((host, int(port)), 30) as peer:
                    peer.sendall(word.encode() + b"\\n")
                    return int(peer.makefile().readline())
            except (ConnectionError, ValueError):
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    if role == "ps":
        value, server = 0, socket.create_server((host, int(port)))
        while True:
            peer, _ = server.accept()
            with peer, peer.makefile("rw") as file:
                word, _, number = file.readline().strip().partition(" ")
                value = int(number) if word == "set" else value + (word == "add")
                print(value, file=file, flush=True)
    if role == "worker":
        while True:
            ask("add")
            print("ADDED", flush=True)
            time.sleep(0.01)

    step, saved = 0, None
    def save(path):
        with open(path, "w") as file:
            json.dump({"step": step, "value": ask("get")}, file)
    def load(path):
        global saved
        with open(path) as file:
            saved = json.load(file)
    keeper = Checkpointer(every=10, save=save, load=load)
    first = keeper.restore()
    if saved is not None:
        assert saved["step"] == first
        ask(f"set {saved['value']}")
    for step in range(first + 1, 1_000_000):
        print("STEP", step, ask("add"), flush=True)
        keeper.step(step)
        if os.path.lexists("go"):
            break
        time.sleep(0.01)
"""
PS_ROLES = (Role(name="chief"), Role(name="ps"), Role(name="worker", replicas=2))


def resumed(machine: Machine, job: TrainingJob, victim: str, name: str) -> None:
    """Kill a replica past step 25; the gang runs again from at most one interval before."""
    until(lambda: machine.steps(job, 1, name)[-1:] > [25], "step 25")
    job = machine.reaches(job, JobState.RUNNING, processes=len(job.replicas) or 1)
    kill_replica(job, victim)
    first = until(lambda: machine.steps(job, 2, name), "the first step of attempt 2")[0]
    last = machine.steps(job, 1, name)[-1]
    again = machine.reaches(job, JobState.RUNNING)

    assert last - 10 <= first - 1 <= last
    assert 2 == again.attempt
    assert f"{victim} was ended by SIGKILL" in again.reason


def test_kill_9_of_a_worker(shared: Machine) -> None:
    """The gang resumes, at most one interval is lost, and when no restart is left the replica that
    failed is named."""
    job = shared.submit(COUNTING, max_restarts=1)
    resumed(shared, job, "worker-1", "worker-0")
    until(lambda: shared.steps(job, 2, "worker-1"), "both workers of attempt 2")
    kill_replica(shared.reaches(job, JobState.RUNNING, processes=2), "worker-0")
    done = shared.ended(job)

    assert JobState.FAILED is done.state
    assert "worker-0 was ended by SIGKILL. The job had been restarted once." == done.reason


@pytest.mark.parametrize("victim", ["ps-0", "chief-0", "worker-1"])
def test_kill_9_in_a_parameter_server_training(shared: Machine, victim: str) -> None:
    """Whoever of chief, parameter servers and workers is killed, the whole gang resumes from the
    chief's checkpoint; it ends when the chief has succeeded."""
    job = shared.submit(PARAMETER_SERVER, *PS_ROLES, strategy="ps", max_restarts=1)
    resumed(shared, job, victim, "chief-0")
    shared.go(job)
    done = shared.ended(job)

    assert (JobState.SUCCEEDED, 2) == (done.state, done.attempt), done.reason
    assert {JobState.SUCCEEDED} == {replica.state for replica in done.replicas}


def test_sigstop_of_a_worker(shared: Machine) -> None:
    """A worker that is stopped is not dead: it is shown as stopped, nothing is relaunched, and it
    goes on when it is told to."""
    job = shared.started(shared.submit())
    kill_replica(job, "worker-1", signal.SIGSTOP)

    def stopped() -> TrainingJob | None:
        now = shared.client.get(job.id)
        return now if any(replica.stopped for replica in now.replicas) else None

    seen = until(stopped, "the worker being shown as stopped")
    time.sleep(1.5)  # Three looks of the service.
    later = shared.client.get(job.id)
    kill_replica(later, "worker-1", signal.SIGCONT)
    until(lambda: not stopped(), "the worker going on")
    shared.go(job)
    done = shared.ended(job)

    assert [False, True] == [replica.stopped for replica in seen.replicas]
    assert "worker-1 is stopped" in seen.reason
    assert (JobState.RUNNING, 1) == (later.state, later.attempt)
    assert [r.pid for r in job.replicas] == [r.pid for r in later.replicas]
    assert (JobState.SUCCEEDED, 1) == (done.state, done.attempt)


def test_a_stopped_worker_can_be_cancelled(shared: Machine) -> None:
    """A cancel reaches a stopped process: it is woken, so that it can save and end."""
    source = PATIENT.replace(
        "import os, sys, time",
        "import os, signal, sys, time\n"
        "    signal.signal(signal.SIGTERM, lambda *_: sys.exit(open('saved', 'w').write('x')))",
    )
    job = shared.started(shared.submit(textwrap.dedent(source), Role()), 1)
    kill_replica(job, "worker-0", signal.SIGSTOP)
    shared.client.cancel(job.id)
    done = shared.ended(job)

    assert JobState.CANCELLED is done.state
    assert (shared.run(job) / "workspace" / "saved").exists()
    assert 1 == done.replicas[0].exit_code
