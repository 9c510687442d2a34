"""What a pod writes down of its processes, and what the readers of one machine make of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from launched import MODULE, Launch, pod, run, until
from trainings import ID, WISHES

from dllab_hub.backends.local.account import account_of
from dllab_hub.backends.local.curves.usage import Usage
from dllab_hub.backends.local.logs import read_log
from dllab_hub.backends.local.readings import progress, report
from dllab_hub.backends.local.rundir import RunDir
from dllab_hub.runtime.pod_status import FAILED
from dllab_hub.shim.record import read_json
from dllab_hub.specs import Code, JobState, ReplicaStatus, Role, TrainingJob, TrainingSpec

PAIR = TrainingSpec(
    name="digits", image="torch", code=Code(source="1"), roles=(Role(replicas=2, processes=2),)
)
SLEEPS = "import time; print('up', flush=True); time.sleep(60)"


def ended(
    launch: Launch, env: dict[str, str], code: str
) -> tuple[dict[str, Any], list[ReplicaStatus]]:
    """Run it to its end: its status then, and that of its processes."""
    made = launch(env, code)
    made.end()
    return made.status, [ReplicaStatus.from_wire(one) for one in made.status["processes"]]


def test_status_while_it_runs(launch: Launch, tmp_path: Path) -> None:
    """At once it says which attempt it is, and who runs since when."""
    env = pod(tmp_path, PAIR, DLLAB_FIRST_ATTEMPT="2", DLLAB_RESTARTS="3")
    env |= {"JOB_COMPLETION_INDEX": "1", "NVIDIA_VISIBLE_DEVICES": "GPU-a,GPU-b"}
    made = launch(env, SLEEPS).said("up", "worker-1.0")
    status = made.status
    found = [ReplicaStatus.from_wire(one) for one in status["processes"]]
    made.signal().end()

    assert (5, 2, False, None, "") == tuple(
        status[key] for key in ("attempt", "first_attempt", "over", "code", "reason")
    )
    assert [("worker-1.0", 5), ("worker-1.1", 5)] == [(one.name, one.attempt) for one in found]
    assert [("GPU-a",), ("GPU-b",)] == [one.gpus for one in found]
    assert {JobState.RUNNING} == {one.state for one in found}
    assert all(one.pid and abs((one.started or 0) - time.time()) < 30 for one in found)


def test_status_of_success(launch: Launch, tmp_path: Path) -> None:
    """All returned 0."""
    status, found = ended(launch, pod(tmp_path, PAIR), "pass")

    assert (True, 0, "") == (status["over"], status["code"], status["reason"])
    assert [(JobState.SUCCEEDED, 0)] * 2 == [(one.state, one.exit_code) for one in found]
    assert all((one.started or 0) <= (one.ended or 0) for one in found)
    assert all(one.peak_memory for one in found)
    assert not (tmp_path / "run" / "attempts" / "1" / FAILED).exists()


def test_status_of_failure(launch: Launch, tmp_path: Path) -> None:
    """Who failed has its traceback; the other was ended with it; the other pods are told."""
    code = """
        import os, time
        time.sleep(0.3)
        if os.environ["LOCAL_RANK"] == "1":
            raise ValueError("boom")
        time.sleep(60)
        """
    status, (first, second) = ended(launch, pod(tmp_path, PAIR), code)

    assert (True, 1) == (status["over"], status["code"])
    assert "worker-0.1 exited with code 1: ValueError: boom." == status["reason"]
    assert (JobState.CANCELLED, "SIGTERM") == (first.state, first.signal)
    assert (JobState.FAILED, 1) == (second.state, second.exit_code)
    assert second.traceback.endswith("ValueError: boom")
    told = read_json(tmp_path / "run" / "attempts" / "1" / FAILED) or {}
    assert ("worker-0", 1, status["reason"]) == (told["replica"], told["code"], told["reason"])


def test_status_of_a_kill(launch: Launch, tmp_path: Path) -> None:
    """A kill -9 has its signal; memory had not run out, or the kernel does not say."""
    status, (one,) = ended(launch, pod(tmp_path, "single"), "import os; os.kill(os.getpid(), 9)")

    assert (137, "worker-0 was ended by SIGKILL.") == (status["code"], status["reason"])
    assert (JobState.FAILED, None, "SIGKILL") == (one.state, one.exit_code, one.signal)
    assert one.oom is not True


def test_status_of_what_cannot_be_started(tmp_path: Path) -> None:
    """It says so, with the code of a shell; the process after it was not tried."""
    env = pod(tmp_path, PAIR)
    done = subprocess.run([*MODULE, "no-such"], env=env, capture_output=True, timeout=60)
    status = read_json(tmp_path / "run" / "attempts" / "1" / "worker-0.status.json") or {}
    why = "worker-0.0 cannot be started: No such file or directory: no-such."

    assert (127, f"dllab: {why}\n") == (done.returncode, done.stderr.decode())
    assert (True, 127, why) == (status["over"], status["code"], status["reason"])
    assert [("FAILED", None, None), ("CANCELLED", None, None)] == [
        (one["state"], one["exit_code"], one["started"]) for one in status["processes"]
    ]


def test_status_of_a_volume_that_is_not_there(launch: Launch, tmp_path: Path) -> None:
    """The code does not start without its data."""
    about = {"sets": {"path": str(tmp_path / "gone"), "place": "data/sets"}}
    env = pod(tmp_path, "single", DLLAB_VOLUMES=json.dumps(about))
    status, (one,) = ended(launch, env, "pass")

    assert (1, JobState.CANCELLED) == (status["code"], one.state)
    assert "the volume sets is not there now, or is closed to your account." == status["reason"]


def test_status_of_who_was_told_to_end(launch: Launch, tmp_path: Path) -> None:
    """SIGTERM from Kubernetes: nobody has failed, whatever their codes."""
    made = launch(pod(tmp_path, PAIR), SLEEPS).said("up", "worker-0.0").said("up", "worker-0.1")
    assert 143 == made.signal().end()
    found = [ReplicaStatus.from_wire(one) for one in made.status["processes"]]

    assert (True, 143, "") == tuple(made.status[key] for key in ("over", "code", "reason"))
    assert [(JobState.CANCELLED, "SIGTERM", "")] * 2 == [
        (one.state, one.signal, one.traceback) for one in found
    ]


def test_who_does_not_end_is_killed(launch: Launch, tmp_path: Path) -> None:
    """The grace of the code is over before that of the pod."""
    code = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("up", flush=True)
        time.sleep(60)
        """
    made = launch(pod(tmp_path, "single", DLLAB_GRACE="1"), code).said("up")
    began = time.monotonic()
    assert 137 == made.signal().end()

    assert 0.9 < time.monotonic() - began < 30
    (one,) = made.status["processes"]
    assert ("CANCELLED", "SIGKILL", None) == (one["state"], one["signal"], one["oom"])


def test_a_failure_elsewhere_shortens_the_grace(launch: Launch, tmp_path: Path) -> None:
    """When another pod has failed nobody saves any more: Kubernetes waits for this one only."""
    code = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("up", flush=True)
        time.sleep(60)
        """
    waits = launch(pod(tmp_path, PAIR, DLLAB_GRACE="100"), code).said("up", "worker-0.1")
    run(pod(tmp_path, PAIR, JOB_COMPLETION_INDEX="1"), "raise SystemExit(3)")
    began = time.monotonic()
    assert 137 == waits.signal().end()

    assert time.monotonic() - began < 30
    assert "" == waits.status["reason"]


def test_who_is_stopped_is_shown(launch: Launch, tmp_path: Path) -> None:
    """A process that was stopped is not dead, and ends when it is told to."""
    made = launch(pod(tmp_path, "single"), SLEEPS).said("up")
    os.kill(made.status["processes"][0]["pid"], signal.SIGSTOP)
    until(lambda: made.status["processes"][0]["stopped"], "its being stopped")

    assert 143 == made.signal().end()


def test_a_launcher_that_was_killed_takes_all_with_it(launch: Launch, tmp_path: Path) -> None:
    """Its processes end at once; its file says for ever that it runs, and the pod knows better."""
    made = launch(pod(tmp_path, "single"), SLEEPS).said("up")
    pid = made.status["processes"][0]["pid"]
    made.signal(signal.SIGKILL).end()
    until(lambda: not _alive(pid), "its end")

    assert not made.status["over"]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_directories_that_are_missing_are_made(tmp_path: Path) -> None:
    """What the service has not made is made: directories for logs, reports and event files."""
    env = pod(tmp_path, "single")
    (tmp_path / "run" / "attempts").rmdir()
    (tmp_path / "run" / "checkpoints").rmdir()
    code = "import os; print(sorted(os.listdir('..')), os.environ['DLLAB_TENSORBOARD_DIR'])"
    done = run(env, code)

    assert "['attempts', 'checkpoints', 'reports', 'workspace']" in done.stdout
    assert (tmp_path / "tensorboard").is_dir()


def test_the_readers_of_one_machine_read_it(launch: Launch, tmp_path: Path) -> None:
    """Logs, usage and progress of two pods, through the functions that serve them on a machine."""
    code = """
        import os, time
        from dllab_hub.runtime.report import report
        report(int(os.environ["DLLAB_RANK"]) + 7, total=100, loss=0.5)
        print("rank", os.environ["DLLAB_RANK"], flush=True)
        hold = bytearray(40 << 20)
        give_up = time.monotonic() + 2.5
        while time.monotonic() < give_up:
            pass
        """
    made = [launch(pod(tmp_path, PAIR, JOB_COMPLETION_INDEX=str(n)), code) for n in range(2)]
    assert [0, 0] == [one.end() for one in made]
    run_dir = RunDir(tmp_path / "run", account_of("ada", False))
    job = TrainingJob(id=ID, owner="ada", spec=PAIR, state=JobState.RUNNING, created=0.0, attempt=1)

    assert "rank 2\n" == read_log(run_dir, job, "worker-1.0", None, 0, 10_000).text
    merged = read_log(run_dir, job, None, 1, -10_000, 10_000).text
    assert {f"[worker-{n // 2}.{n % 2}] rank {n}" for n in range(4)} == set(merged.splitlines())

    usage = Usage(run_dir, ["worker-0", "worker-1"])
    assert usage.read(time.monotonic() + 10)
    for name in ("worker-0", "worker-1"):
        cpu, memory = usage.last(name, 0.0)
        assert 0.05 < (cpu or 0) < 2.5
        assert 80 << 20 < (memory or 0) < 400 << 20
        assert (usage.peak(name, 1) or 0) >= (memory or 0)

    leading = progress(run_dir, PAIR)
    assert leading is not None
    assert (7, 100, {"loss": 0.5}) == (leading.step, leading.total, leading.metrics)
    other = report(run_dir, "reports", "worker-1.1.json")
    assert other is not None
    assert 10 == other.step


def test_usage_is_in_the_status_too(launch: Launch, tmp_path: Path) -> None:
    """The first sample is shown at once; the last stays when it has ended."""
    made = launch(pod(tmp_path, "single"), SLEEPS).said("up")
    until(lambda: made.status["processes"][0]["memory"], "a sample")
    made.signal().end()

    line = json.loads((tmp_path / "run" / "usage.jsonl").read_text().splitlines()[0])
    (one,) = made.status["processes"]
    assert 1 == line["attempt"]
    assert line["replicas"]["worker-0"] == {key: one[key] for key in ("cpu", "memory")}
    assert one["peak_memory"] >= one["memory"] > 1 << 20


@pytest.mark.parametrize("name", WISHES)
def test_names_are_those_that_readers_ask_for(name: str, tmp_path: Path) -> None:
    """Every process of every wish has the log that is looked for."""
    spec = WISHES[name]
    role = spec.roles[-1]
    run(pod(tmp_path, name, role.name), "print('here')")
    run_dir = RunDir(tmp_path / "run", account_of("ada", False))
    job = TrainingJob(id=ID, owner="ada", spec=spec, state=JobState.RUNNING, created=0.0, attempt=1)

    many = spec.processes_of(role) > 1
    asked = f"{role.name}-0{'.0' if many else ''}"
    assert "here\n" == read_log(run_dir, job, asked, None, 0, 1000).text
