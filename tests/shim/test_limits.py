"""Limits of time and memory, and what the supervisor itself takes of both."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.shim.limits import MemoryWatch, duration
from dllab_hub.shim.replica import Replica
from dllab_hub.shim.tree import tree_memory

MIB = 2**20
MakeJob = Callable[..., Any]


def test_the_memory_of_a_tree() -> None:
    """A process and its descendants, together; what is gone has none."""
    hold = "x = bytearray(40 << 20); print(flush=True); input()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    child = subprocess.Popen(
        [sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    used = tree_memory(child.pid)
    child.communicate(b"\n")

    assert 40 * MIB < used < 120 * MIB
    assert 0 == tree_memory(child.pid)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (45.4, "45 s"),
        (90, "1 min 30 s"),
        (7200, "2 h"),
        (5400, "1 h 30 min"),
        (3601, "1 h 1 s"),
        (90 * 86400, "90 d"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    """The two largest units that are not zero."""
    assert words == duration(seconds)


def test_a_time_limit_lets_the_job_save(job: MakeJob) -> None:
    """When its time is up it is asked to end, and has failed for good; no restart follows."""
    source = """
        import os, signal, sys, time
        def save(*_):
            folder = os.path.join(os.environ["DLLAB_CHECKPOINT_DIR"], "step-00000007")
            os.makedirs(folder)
            open(os.path.join(folder, "MANIFEST.json"), "w").close()
            sys.exit(0)
        signal.signal(signal.SIGTERM, save)
        print("up", flush=True)
        while True:
            time.sleep(1)
        """
    made = job(source, time_limit=3, ran=57.0, max_restarts=3).start()
    made.wait_for("up\n")
    end = made.end()

    reason = "it reached its time limit of 1 min; last checkpoint: step 7."
    assert ("FAILED", 1, reason) == (end["state"], end["attempt"], end["reason"])
    assert ["Started", "TimeLimit", "Failed"] == made.events
    assert end["ran"] >= 60


def test_a_time_limit_kills_who_does_not_listen(job: MakeJob) -> None:
    """After the grace; a pause or a cancel that comes in it changes nothing any more."""
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    made = job(deaf, time_limit=2, grace=1).start()
    deadline = time.monotonic() + 20
    while "TimeLimit" not in made.events:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    made.signal(signal.SIGUSR1)
    made.signal(signal.SIGTERM)
    end = made.end()

    assert "FAILED" == end["state"]
    words = "it reached its time limit of 2 s. It did not end by itself and was killed."
    assert words == end["reason"]


def test_time_goes_on_over_restarts(job: MakeJob) -> None:
    """A job that fails again and again has no more time than one that does not."""
    source = "import sys, time; time.sleep(0.2); sys.exit(7)"
    made = job(source, time_limit=1, max_restarts=100).start()
    end = made.end()

    assert end["attempt"] < 20
    assert ("FAILED", "it reached its time limit of 1 s.") == (end["state"], end["reason"])


def test_no_attempt_follows_when_the_time_is_up(job: MakeJob) -> None:
    """A failure that is heard of after the last second leads to no restart."""
    made = late(job, 7)
    end = made.end()

    assert ("FAILED", 1) == (end["state"], end["attempt"])
    assert "it reached its time limit of 3 s." == end["reason"]
    assert "ReplicaFailed" in made.events


def test_a_success_counts_though_it_is_heard_of_late(job: MakeJob) -> None:
    """A supervisor that was stopped over the end of the time finds out what happened in it."""
    assert "SUCCEEDED" == late(job, 0).end()["state"]


def late(job: MakeJob, code: int) -> Any:
    """A job that ended within its 3 seconds, and whose supervisor was stopped until after them."""
    source = f"""
        import os, sys, time
        print("up", flush=True)
        while not os.path.exists("go"):
            time.sleep(0.01)
        sys.exit({code})
        """
    made = job(source, time_limit=3, max_restarts=3).start()
    made.wait_for("up\n")
    began = time.monotonic()
    made.signal(signal.SIGSTOP)
    (made.run / "workspace" / "go").touch()
    time.sleep(3.1 - (time.monotonic() - began))
    made.signal(signal.SIGCONT)
    return made


def test_a_replica_that_uses_too_much_memory(job: MakeJob) -> None:
    """All that a replica has started counts; it is killed, named, and not started again."""
    source = """
        import os, subprocess, sys, time
        if os.environ["RANK"] == "1":
            hold = "x = bytearray(100 << 20); import time; time.sleep(60)"
            subprocess.Popen([sys.executable, "-c", hold])
            os.system(f"{sys.executable} -c '{hold}' &")  # Nobody's child when the shell ends.
        time.sleep(60)
        """
    roles = [{"name": "worker", "replicas": 2, "memory": 160 * MIB}]
    made = job(source, roles=roles, max_restarts=3).start()
    end = made.end()

    assert ("FAILED", 1) == (end["state"], end["attempt"])
    used = float(end["reason"].split()[2])
    assert f"worker-1 used {used:g} MiB, more than the 160 MiB it may use." == end["reason"]
    assert 200 < used < 320
    assert ["CANCELLED", "FAILED"] == [replica["state"] for replica in made.replicas]
    assert "SIGKILL" == made.replicas[1]["signal"]


def test_the_processes_of_a_replica_share_its_memory(job: MakeJob) -> None:
    """The limit is the replica's: two processes that use half of it each are too many."""
    source = "x = bytearray(90 << 20); import time; print('full', flush=True); time.sleep(60)"
    roles = [{"name": "worker", "processes": 2, "memory": 150 * MIB}]
    end = job(source, roles=roles).start().end()

    assert end["reason"].startswith("worker-0 used ")
    assert end["reason"].endswith("more than the 150 MiB it may use.")


def test_shared_memory_counts_once(job: MakeJob) -> None:
    """What forked data loaders share with their parent is not multiplied by their number."""
    source = """
        import os, time
        data = bytearray(100 << 20)
        for _ in range(4):
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
        print("forked", flush=True)
        time.sleep(2.5)
        os._exit(0)
        """
    roles = [{"name": "worker", "memory": 250 * MIB}]
    end = job(source, roles=roles).start().end()

    assert ("SUCCEEDED", "") == (end["state"], end["reason"])


def test_rounding_never_says_that_less_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used is rounded up and the limit down, in the limit's unit."""
    from dllab_hub.shim import limits

    monkeypatch.setattr(limits, "resident", lambda _: 4 * 2**30 + 1)
    monkeypatch.setattr(limits, "proportional", lambda _: 4 * 2**30 + 1)
    monkeypatch.setattr(limits, "tree", lambda pids: [1])
    replica = Replica("worker", 1, 1, 1, process=1)
    watch = MemoryWatch([{"name": "worker", "memory": 4 * 2**30}])

    assert [replica] == watch.look([replica])
    assert "worker-1 used 4.1 GiB, more than the 4 GiB it may use." == replica.blame


def test_without_a_limit_nobody_looks() -> None:
    """The loop then waits for signals and output only."""
    assert MemoryWatch([{"name": "worker", "memory": None}, {"name": "server"}]).due is None


def test_the_supervisor_is_light(job: MakeJob, tmp_path: Path) -> None:
    """It stays below 30 MB and 0.5 % of a core, whether or not it looks after a limit."""
    source = "import time; print('up', flush=True); time.sleep(60)"
    roles = [{"name": "worker", "replicas": 2, "memory": 1024 * MIB}]
    quiet = job(source, run=tmp_path / "quiet", replicas=2).start()
    watching = job(source, run=tmp_path / "watching", roles=roles).start()
    for made in (quiet, watching):
        made.wait_for("up\n"), made.wait_for("up\n", "worker-1")
    before = [cpu(made.shim.pid) for made in (quiet, watching)]
    time.sleep(3)
    used = [cpu(made.shim.pid) - was for made, was in zip((quiet, watching), before, strict=True)]
    resident = [memory(made.shim.pid) for made in (quiet, watching)]
    for made in (quiet, watching):
        made.signal(signal.SIGTERM)
        made.end()

    assert max(resident) < 30_000_000
    assert max(used) < 3 * 0.005


def cpu(pid: int) -> float:
    """Seconds of a core that a process has used."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def memory(pid: int) -> int:
    """Bytes of a process in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
