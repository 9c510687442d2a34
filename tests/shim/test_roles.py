"""Jobs of several roles and of several processes below a real shim: who ends with whom."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

MakeJob = Callable[..., Any]

PS = {
    "strategy": "ps",
    "success_role": "chief",
    "roles": [
        {"name": "chief"},
        {"name": "ps"},
        {"name": "worker", "replicas": 2},
    ],
}
NAMES = ("chief-0", "ps-0", "worker-0", "worker-1")
# As tf.distribute.Server: all but the chief listen on their address and never return.
CLUSTER = """
import json, os, signal, socket, sys, time
config = json.loads(os.environ["TF_CONFIG"])
kind, index = config["task"]["type"], config["task"]["index"]
attempt = os.environ["DLLAB_ATTEMPT"]

def reach(address):
    host, port = address.split(":")
    while True:
        try:
            return socket.create_connection((host, int(port)), 0.2).close()
        except OSError:
            time.sleep(0.01)

if kind != "chief":
    host, port = config["cluster"][kind][index].split(":")
    server = socket.create_server((host, int(port)))
    print("serving", flush=True)
    while True:
        time.sleep(60)
for role in ("ps", "worker"):
    for address in config["cluster"][role]:
        reach(address)
print("all there", flush=True)
"""


def states(made: Any) -> dict[str, str]:
    names = [f"{one['role']}-{one['index']}" for one in made.replicas]
    return dict(zip(names, [one["state"] for one in made.replicas], strict=True))


def pid_of(made: Any, name: str) -> int:
    (pid,) = [r["pid"] for r in made.replicas if name == f"{r['role']}-{r['index']}"]
    return int(pid)


def test_a_parameter_server_job_ends_with_its_chief(job: MakeJob) -> None:
    """Servers never return: they are ended when the chief has succeeded, and have succeeded too."""
    made = job(CLUSTER, **PS).start()
    end = made.end()

    assert ("SUCCEEDED", "", 1) == (end["state"], end["reason"], end["attempt"])
    assert dict.fromkeys(NAMES, "SUCCEEDED") == states(made)
    assert "all there\n" == made.log("chief-0")
    assert ["Started", "Ending", "Succeeded"] == made.events
    assert "every replica of the role chief returned 0; ps-0, worker-0" in made.story[1][1]


def test_servers_that_do_not_listen_are_killed(job: MakeJob) -> None:
    """They have a moment after SIGTERM, not the whole grace; the job has succeeded all the same."""
    deaf = CLUSTER.replace("    server =", "    signal.signal(15, signal.SIG_IGN)\n    server =")
    made = job(deaf, grace=60, **PS).start()
    end = made.end(20)

    assert "SUCCEEDED" == end["state"]
    assert dict.fromkeys(NAMES, "SUCCEEDED") == states(made)
    assert ["SIGKILL"] * 3 == [replica["signal"] for replica in made.replicas[1:]]


@pytest.mark.parametrize("name", ["chief-0", "ps-0", "worker-1"])
def test_any_replica_that_fails_takes_the_gang_along(job: MakeJob, name: str) -> None:
    """After kill -9 of any of them all start anew, with other ports, and the job succeeds."""
    source = CLUSTER + "while attempt == '1':\n    time.sleep(1)\n"
    made = job(source, max_restarts=1, **PS).start()
    made.wait_for("all there", "chief-0")
    os.kill(pid_of(made, name), signal.SIGKILL)
    end = made.end()

    assert ("SUCCEEDED", 2) == (end["state"], end["attempt"])
    assert ("ReplicaFailed", f"{name} was ended by SIGKILL.") == made.story[1]
    assert dict.fromkeys(NAMES, "SUCCEEDED") == states(made)


def test_a_worker_that_returns_does_not_end_the_job(job: MakeJob) -> None:
    """Only the chief's success counts; a worker may have done its part before."""
    source = """
        import json, os, sys, time
        kind = json.loads(os.environ["TF_CONFIG"])["task"]["type"]
        if kind == "worker":
            open("done-" + os.environ["DLLAB_REPLICA"], "w").close()
            sys.exit(0)
        while kind == "ps" or len([name for name in os.listdir() if "done" in name]) < 2:
            time.sleep(0.01)
        time.sleep(0.3)
        print("finished", flush=True)
        """
    made = job(source, **PS).start()

    assert "SUCCEEDED" == made.end()["state"]
    assert "finished\n" == made.log("chief-0")


def test_the_chief_saves_while_its_servers_live(job: MakeJob) -> None:
    """What the chief saves lies on the servers: they are asked to end after it, not with it."""
    source = (
        CLUSTER
        + """
def save(*_):
    time.sleep(0.5)
    for address in config["cluster"]["ps"] + config["cluster"]["worker"]:
        host, port = address.split(":")
        socket.create_connection((host, int(port)), 5).close()
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("training", flush=True)
while True:
    time.sleep(1)
"""
    )
    made = job(source, **PS).start()
    made.wait_for("training\n", "chief-0")
    made.signal(signal.SIGUSR1)
    end = made.end()

    assert "PAUSED" == end["state"]
    assert "all there\ntraining\nsaved\n" == made.log("chief-0")
    assert [143, None, None, None] == [replica["exit_code"] for replica in made.replicas]
    assert ["SIGTERM"] * 3 == [replica["signal"] for replica in made.replicas[1:]]


def test_the_others_have_a_turn_too(job: MakeJob) -> None:
    """A chief that does not end leaves the others the last part of the grace."""
    source = """
        import os, signal, sys, time
        def end(*_):
            print("asked", flush=True)
            if os.environ["DLLAB_ROLE"] != "chief":
                sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        print("up", flush=True)
        while True:
            time.sleep(1)
        """
    made = job(source, grace=5, **PS).start()
    for name in NAMES:
        made.wait_for("up\n", name)
    made.signal(signal.SIGTERM)
    made.wait_for("asked", "chief-0")
    assert "up\n" == made.log("ps-0")
    end = made.end()

    assert "CANCELLED" == end["state"]
    assert [None, 0, 0, 0] == [replica["exit_code"] for replica in made.replicas]
    assert "up\nasked\n" == made.log("ps-0")


def test_custom_roles_end_with_the_one_that_counts(job: MakeJob) -> None:
    """Each role runs its own program with the addresses of all, until the learner has succeeded."""
    actor = """
import os, socket, time
host, port = os.environ["DLLAB_ADDRESS"].split(":")
server = socket.create_server((host, int(port)))
print("acting", flush=True)
while True:
    server.accept()[0].sendall(b"seen")
"""
    learner = """
        import json, os, socket, time
        for address in json.loads(os.environ["DLLAB_ADDRESSES"])["actor"]:
            host, port = address.split(":")
            while True:
                try:
                    print(socket.create_connection((host, int(port))).recv(4).decode(), flush=True)
                    break
                except OSError:
                    time.sleep(0.01)
        """
    roles = [
        {"name": "learner", "replicas": 1},
        {"name": "actor", "replicas": 2, "program": [sys.executable, "-c", actor]},
    ]
    made = job(learner, strategy="custom", success_role="learner", roles=roles).start()
    end = made.end()

    assert "SUCCEEDED" == end["state"]
    assert "seen\nseen\n" == made.log("learner-0")
    assert {"learner-0", "actor-0", "actor-1"} == states(made).keys()
    assert {"SUCCEEDED"} == set(states(made).values())


def test_custom_roles_all_have_the_whole_grace(job: MakeJob) -> None:
    """Nobody knows which of them saves: that the first has ended makes no other hurry."""
    source = """
        import os, signal, sys, time
        def end(*_):
            time.sleep(0 if os.environ["DLLAB_ROLE"] == "a" else 2)
            print("saved", flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        print("up", flush=True)
        while True:
            time.sleep(1)
        """
    made = job(source, strategy="custom", roles=[{"name": "a"}, {"name": "b"}]).start()
    made.wait_for("up\n", "a-0"), made.wait_for("up\n", "b-0")
    made.signal(signal.SIGTERM)
    end = made.end()

    assert "CANCELLED" == end["state"]
    assert "up\nsaved\n" == made.log("b-0")


def test_without_a_role_that_counts_all_must_succeed(job: MakeJob) -> None:
    """A custom job is over when the last of its replicas has returned 0."""
    source = """
        import os, time
        time.sleep(0.5 * (os.environ["DLLAB_ROLE"] == "b"))
        print("done", flush=True)
        """
    made = job(source, strategy="custom", roles=[{"name": "a"}, {"name": "b"}]).start()

    assert "SUCCEEDED" == made.end()["state"]
    assert "done\n" == made.log("b-0")


def test_processes_of_a_replica(job: MakeJob) -> None:
    """Each has a log, a status and a name of its own; one that fails takes all along."""
    source = """
        import os, sys, time
        print(os.environ["RANK"], os.environ["DLLAB_REPLICA"], os.environ["DLLAB_PROCESS"])
        sys.stdout.flush()
        if os.environ["RANK"] == "3":
            sys.exit(7)
        time.sleep(60)
        """
    made = job(source, roles=[{"name": "worker", "replicas": 2, "processes": 2}]).start()
    end = made.end()

    assert "worker-1.1 exited with code 7." == end["reason"]
    assert "3 1 1\n" == made.log("worker-1.1")
    found = [(one["index"], one["process"], one["state"]) for one in made.replicas]
    ended = "CANCELLED"
    assert [(0, 0, ended), (0, 1, ended), (1, 0, ended), (1, 1, "FAILED")] == found
    assert "attempt 1 with 2 replicas, 4 processes." == made.story[0][1]
    merged = (made.run / "attempts" / "1" / "all.log").read_text()
    assert "[worker-1.1] 3 1 1\n" in merged


def test_ranks_that_save_together_may_all_finish(job: MakeJob) -> None:
    """When rank 0 has ended, the others still have the moment that closing a file takes."""
    source = """
        import os, signal, sys, time
        def end(*_):
            time.sleep(0.3 * int(os.environ["RANK"]))
            open("shard-" + os.environ["RANK"], "w").close()
            sys.exit(143)
        signal.signal(signal.SIGTERM, end)
        print("up", flush=True)
        while True:
            time.sleep(1)
        """
    made = job(source, replicas=2).start()
    made.wait_for("up\n"), made.wait_for("up\n", "worker-1")
    made.signal(signal.SIGTERM)
    made.end()

    assert [143, 143] == [replica["exit_code"] for replica in made.replicas]
    assert (made.run / "workspace" / "shard-1").exists()


def test_state_tells_how_long_it_ran(job: MakeJob) -> None:
    """Seconds before this launch count; and the numbers of attempts go on."""
    made = job("import time; print(time.sleep(0.3))", ran=1000.0, first_attempt=4).start()
    began = time.monotonic()
    end = made.end()
    took = time.monotonic() - began

    assert 1000.3 <= end["ran"] <= 1000.3 + took
    assert 1000.3 <= json.loads((made.run / "state.json").read_text())["ran"] <= end["ran"]
    assert (4, 4) == (end["attempt"], made.replicas[0]["attempt"])
    assert ["4"] == os.listdir(made.run / "attempts")


def test_a_resumed_job_has_its_restarts_anew(job: MakeJob) -> None:
    """max_restarts counts from the first attempt of this launch."""
    made = job("import sys; print('so far'); sys.exit(7)", first_attempt=5, max_restarts=1).start()
    end = made.end()

    assert ("FAILED", 6) == (end["state"], end["attempt"])
    assert "worker-0 exited with code 7. The job had been restarted once." == end["reason"]
    assert ("Restarting", "attempt 6 of 6 follows.") == made.story[2]
    assert {"5", "6"} == set(os.listdir(made.run / "attempts"))
