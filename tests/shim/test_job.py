"""A job below a real shim: how it ends, how it is run again, and that nothing is left."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.leases import LeaseDir
from dllab_hub.shim.process import identity, is_alive, strays
from dllab_hub.shim.record import read_exit, read_json
from dllab_hub.specs import JobState, ReplicaStatus

MakeJob = Callable[..., Any]


def until(true: Callable[[], object], what: str, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(0.005)


def test_a_job_that_succeeds(job: MakeJob) -> None:
    """Every replica runs in the workspace with its arguments, and 0 from all is a success."""
    source = (
        "import os, sys; print(os.environ['RANK'], sys.argv[1:], os.path.basename(os.getcwd()))"
    )
    made = job(source, replicas=2, program=[sys.executable, "train.py", "--lr", "0.1 a"]).start()
    end = made.end()

    assert ("SUCCEEDED", "", 1) == (end["state"], end["reason"], end["attempt"])
    assert "1 ['--lr', '0.1 a'] workspace\n" == made.log("worker-1")
    replicas = [ReplicaStatus.from_wire(one) for one in made.replicas]
    assert [(JobState.SUCCEEDED, 0, None)] * 2 == [(r.state, r.exit_code, r.pid) for r in replicas]
    assert ["Started", "Succeeded"] == made.events
    shim = read_json(made.run / "shim.json")
    assert shim is not None
    assert made.shim.pid == shim["pid"]
    assert not is_alive(shim)


def test_a_failure_has_its_code_and_its_traceback(job: MakeJob) -> None:
    """The reason names the replica, its code and its last exception."""
    made = job("print('so far')\nraise ValueError('no such data')").start()
    end = made.end()

    assert "FAILED" == end["state"]
    assert "worker-0 exited with code 1: ValueError: no such data." == end["reason"]
    replica = made.replicas[0]
    assert (1, None, "FAILED") == (replica["exit_code"], replica["signal"], replica["state"])
    assert replica["traceback"].endswith("ValueError: no such data")
    assert ["Started", "ReplicaFailed", "Failed"] == made.events


def test_a_signal_is_recorded_by_its_name(job: MakeJob) -> None:
    """A replica that a signal ended has no exit code."""
    made = job("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").start()
    end = made.end()

    assert "worker-0 was ended by SIGSEGV." == end["reason"]
    assert (None, "SIGSEGV") == (made.replicas[0]["exit_code"], made.replicas[0]["signal"])


def test_the_whole_gang_is_run_again(job: MakeJob) -> None:
    """After a failure all replicas start anew with another port, until it works."""
    source = """
        import os, sys, time
        print(os.environ["MASTER_PORT"], flush=True)
        if os.environ["DLLAB_ATTEMPT"] == "3":
            sys.exit(0)
        if os.environ["RANK"] == "1":
            sys.exit(7)
        time.sleep(60)
        """
    made = job(source, replicas=2, max_restarts=3).start()
    end = made.end()

    assert ("SUCCEEDED", 3) == (end["state"], end["attempt"])
    assert 3 == len({made.log(attempt=attempt) for attempt in (1, 2, 3)})
    failed = ["ReplicaFailed", "Restarting", "Started"]
    assert ["Started", *failed, *failed, "Succeeded"] == made.events


def test_restarts_run_out(job: MakeJob) -> None:
    """When no restart is left the job has failed; who was only ended with it is CANCELLED."""
    source = """
        import os, sys, time
        if os.environ["RANK"] == "1":
            sys.exit(7)
        time.sleep(60)
        """
    made = job(source, replicas=3, max_restarts=2).start()
    end = made.end()

    assert ("FAILED", 3) == (end["state"], end["attempt"])
    assert "worker-1 exited with code 7. The job had been restarted 2 times." == end["reason"]
    assert ["CANCELLED", "FAILED", "CANCELLED"] == [r["state"] for r in made.replicas]


def test_while_it_restarts_it_says_so(job: MakeJob) -> None:
    """RESTARTING with the cause is readable while the rest of the gang is being ended."""
    source = """
        import os, signal, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("up", flush=True)
        if os.environ["RANK"] == "1" and os.environ["DLLAB_ATTEMPT"] == "1":
            time.sleep(0.3)
            sys.exit(7)
        time.sleep(60)
        """
    made = job(source, replicas=2, max_restarts=1, grace=0.2).start()
    until(lambda: made.state.get("state") == "RESTARTING", "RESTARTING")
    reason = made.state["reason"]
    until(lambda: made.state.get("attempt") == 2, "the second attempt")
    second = made.state
    made.signal(signal.SIGTERM)

    assert "worker-1 exited with code 7. Attempt 2 of 2 follows." == reason
    assert "RUNNING" == second["state"]
    assert "attempt 2 of 2, because worker-1 exited with code 7." == second["reason"]
    assert "CANCELLED" == made.end()["state"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancel_lets_replica_0_end(job: MakeJob, number: int) -> None:
    """Replica 0 gets its time after SIGTERM; as soon as it has ended the others are killed."""
    source = """
        import os, signal, sys, time
        def end(*_):
            time.sleep(0.3)
            print("saved", flush=True)
            sys.exit(143)
        signal.signal(signal.SIGTERM, end if os.environ["RANK"] == "0" else lambda *_: None)
        print("up", flush=True)
        while True:
            time.sleep(1)
        """
    made = job(source, replicas=2).start()
    made.wait_for("up"), made.wait_for("up", "worker-1")
    began = time.monotonic()
    made.signal(number)
    end = made.end()

    assert time.monotonic() - began < 5
    assert ("CANCELLED", "the job was cancelled.") == (end["state"], end["reason"])
    assert "up\nsaved\n" == made.log()
    assert [143, None] == [replica["exit_code"] for replica in made.replicas]
    assert ["CANCELLED"] * 2 == [replica["state"] for replica in made.replicas]
    assert ["Started", "CancelRequested", "Cancelled"] == made.events


def test_a_cancel_does_not_wait_for_ever(job: MakeJob) -> None:
    """A replica that ignores SIGTERM is killed after the grace; more signals change nothing."""
    source = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("up", flush=True)
        time.sleep(60)
        """
    made = job(source, grace=0.5).start()
    made.wait_for("up")
    made.signal(signal.SIGTERM)
    made.signal(signal.SIGINT)
    made.signal(signal.SIGHUP)

    assert "CANCELLED" == made.end(10)["state"]
    assert "SIGKILL" == made.replicas[0]["signal"]


def test_nothing_is_left_behind(job: MakeJob) -> None:
    """Grandchildren go with their attempt, whatever their session, and hold nothing up."""
    source = """
        import os, subprocess, sys, time
        own = subprocess.Popen(["sleep", "70"], start_new_session=True)
        lost = subprocess.Popen(["sh", "-c", "nohup sleep 71 & echo $!"], stdout=subprocess.PIPE)
        clean = subprocess.Popen(["env", "-i", "setsid", "sleep", "72"])
        print(own.pid, int(lost.stdout.readline()), clean.pid, flush=True)
        """
    made = job(source).start()
    end = made.end(10)

    pids = [int(word) for word in made.log().split()]
    assert "SUCCEEDED" == end["state"]
    assert [None] * 3 == [identity(pid) for pid in pids]


def test_kill_9_of_the_shim_ends_the_replicas_and_the_lease(job: MakeJob, tmp_path: Path) -> None:
    """Replicas die with their shim and the lease is free, within 2 s; nobody else held it."""
    leases = LeaseDir(tmp_path / "leases")
    source = "import os, time; print(os.listdir('/proc/self/fd'), flush=True); time.sleep(60)"
    made = job(source, replicas=2)
    with leases.take(["GPU-a"], 1, {"kind": "job", "id": made.id}) as lease:
        made.start(lease.fds)
    made.wait_for("\n"), made.wait_for("\n", "worker-1")
    assert leases.held(["GPU-a"])["GPU-a"] is not None
    assert 4 == len(eval(made.log()))  # 0, 1, 2 and the directory being listed: no lock.
    assert 2 == len(strays(made.id))

    began = time.monotonic()
    made.signal(signal.SIGKILL)
    made.shim.wait()
    until(lambda: leases.held(["GPU-a"])["GPU-a"] is None, "the lease being free")
    until(lambda: not strays(made.id), "the replicas being dead")

    assert time.monotonic() - began < 2
    assert read_exit(made.run / "exit.rec") is None


def test_kill_9_of_a_replica_with_grandchildren_frees_the_lease_at_the_end(
    job: MakeJob, tmp_path: Path
) -> None:
    """A grandchild that outlives its replica does not keep the GPU."""
    leases = LeaseDir(tmp_path / "leases")
    made = job(
        """
        import os, signal, subprocess
        subprocess.Popen(["sleep", "73"], close_fds=False, start_new_session=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    with leases.take(["GPU-a"], 1, {"kind": "job"}) as lease:
        made.start(lease.fds)

    assert "FAILED" == made.end(10)["state"]
    assert leases.held(["GPU-a"])["GPU-a"] is None


@pytest.mark.parametrize(
    ("python", "why"),
    [
        ("/nowhere/bin/python", "No such file or directory: /nowhere/bin/python"),
        ("/etc/passwd", "Permission denied: /etc/passwd"),
        ("{run}/workspace/train.py", "Exec format error: {run}/workspace/train.py"),
    ],
)
def test_a_replica_that_cannot_start(job: MakeJob, tmp_path: Path, python: str, why: str) -> None:
    """The reason is a plain sentence, and no restart is wasted on it."""
    run = tmp_path / "run"
    made = job("not a program", replicas=2, python=python.format(run=run), max_restarts=3)
    (run / "workspace" / "train.py").chmod(0o700)
    end = made.start().end()

    assert ("FAILED", 1) == (end["state"], end["attempt"])
    assert f"worker-0 cannot be started: {why.format(run=run)}." == end["reason"]
    assert "" == (run / "shim.log").read_text()


def test_arguments_that_are_too_long(job: MakeJob) -> None:
    """What the kernel refuses to execute fails the same way."""
    program = [sys.executable, "train.py", "x" * 200_000]
    end = job("pass", program=program, max_restarts=3).start().end()

    assert ("FAILED", 1) == (end["state"], end["attempt"])
    assert "Argument list too long" in end["reason"]


def test_too_few_gpus_never_start(job: MakeJob) -> None:
    """A job that was given fewer GPUs than it needs fails before anything runs."""
    end = job("pass", roles=[{"name": "worker", "replicas": 2, "gpus": 1}]).start().end()

    assert "FAILED" == end["state"]
    assert "2 GPUs are needed and the job was given 0." in end["reason"]


def test_a_plan_that_is_missing(job: MakeJob) -> None:
    """A shim without a plan records that and ends."""
    made = job("pass")
    (made.run / "plan.json").write_text("{")

    assert "the job's plan is missing or damaged." == made.start().end()["reason"]


def test_a_job_on_a_full_disk(job: MakeJob, small_disk: Path) -> None:
    """Logs may be lost, the exit code is not, and the job is not held up."""
    source = """
        import sys
        with open("filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        for n in range(20000):
            print("line", n)
        sys.exit(5)
        """
    made = job(source, run=small_disk / "run").start()
    end = made.end()

    assert ("FAILED", "worker-0 exited with code 5.") == (end["state"], end["reason"])


def test_two_replicas_that_end_at_once(job: MakeJob) -> None:
    """Both ends are recorded when the supervisor hears of them in one go, and none is signalled."""
    made = job(
        """
        import os, sys, time
        print("here", flush=True)
        while not os.path.exists("go"):
            time.sleep(0.01)
        sys.exit(3)
        """,
        replicas=2,
    ).start()
    for name in ("worker-0", "worker-1"):
        made.wait_for("here", name)
    pids = [replica["pid"] for replica in made.replicas]
    made.signal(signal.SIGSTOP)
    (made.run / "workspace" / "go").touch()
    for pid in pids:
        until(lambda pid=pid: ") Z " in Path(f"/proc/{pid}/stat").read_text(), f"the end of {pid}")
    made.signal(signal.SIGCONT)
    end = made.end()

    assert ("FAILED", "worker-0 exited with code 3.") == (end["state"], end["reason"])
    assert ["FAILED", "CANCELLED"] == [replica["state"] for replica in made.replicas]
    assert [3, 3] == [replica["exit_code"] for replica in made.replicas]


def test_output_is_taken_to_the_end(job: MakeJob) -> None:
    """All that a replica wrote is in its log, however much and however fast it ended."""
    source = """
        import os, sys
        for n in range(50_000):
            sys.stdout.write(f"{n} {'x' * 60}\\n")
        sys.stdout.flush()
        os._exit(3)
        """
    made = job(source, replicas=2).start()
    made.end()

    assert 2 == sum(
        "49999" in made.log(name).splitlines()[-1] or made.replicas[n]["state"] == "CANCELLED"
        for n, name in enumerate(["worker-0", "worker-1"])
    )
    failed = next(r for r in made.replicas if r["state"] == "FAILED")
    lines = made.log(f"worker-{failed['index']}").splitlines()
    assert [str(n) for n in range(50_000)] == [line.split()[0] for line in lines]


def test_the_shim_wants_a_proper_command_line(tmp_path: Path) -> None:
    """A wrong command line is answered with the right one."""
    import subprocess

    for words in ([], ["job"], ["lab", str(tmp_path)], ["job", str(tmp_path), "--lock-fd", "x"]):
        done = subprocess.run(
            [sys.executable, "-m", "dllab_hub.shim", *words],
            capture_output=True,
            text=True,
            cwd=Path(os.path.abspath(__file__)).parents[2],
        )
        assert (2, True) == (done.returncode, "usage:" in done.stderr)
