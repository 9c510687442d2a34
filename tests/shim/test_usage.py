"""What replicas use, and what becomes of those that memory ran out for."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.shim import memory, usage
from dllab_hub.shim.memory import memory_kills, memory_limit
from dllab_hub.shim.replica import Replica
from dllab_hub.shim.usage import Usage

from .conftest import until

MIB = 2**20
MakeJob = Callable[..., Any]
BUSY = """
    import os, subprocess, sys, time
    print("up", flush=True)
    if os.environ["RANK"] == "1":
        hold = "x = bytearray(60 << 20); import time; time.sleep(60)"
        subprocess.Popen([sys.executable, "-c", hold])
        time.sleep(60)
    while True:
        pass
    """


def samples(run: Path) -> list[dict[str, Any]]:
    path = run / "usage.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_replicas_use_is_written_down(job: MakeJob) -> None:
    """A busy one uses a core, an idle one the memory of what it has started; its end keeps both."""
    made = job(BUSY, replicas=2).start()
    until(lambda: samples(made.run), "a sample")
    until(lambda: made.replicas[0]["cpu"] is not None, "its being shown")
    shown = made.replicas
    made.signal(signal.SIGTERM)
    made.end()

    (sample,) = samples(made.run)
    assert 1 == sample["attempt"]
    assert abs(sample["time"] - time.time()) < 30
    busy, idle = sample["replicas"]["worker-0"], sample["replicas"]["worker-1"]
    assert 0.2 < busy["cpu"] < 1.3
    assert idle["cpu"] < busy["cpu"]
    assert 60 * MIB < idle["memory"] < 200 * MIB
    assert [busy["cpu"], idle["memory"]] == [shown[0]["cpu"], shown[1]["memory"]]
    last = made.replicas[1]
    assert (None, idle["cpu"], idle["memory"]) == (last["pid"], last["cpu"], last["memory"])
    assert last["peak_memory"] >= idle["memory"]


def test_the_processes_of_a_replica_are_added_up(job: MakeJob) -> None:
    """One line for the replica; each process is shown with its own."""
    source = "x = bytearray(40 << 20); import time; print('up', flush=True); time.sleep(60)"
    made = job(source, roles=[{"name": "worker", "processes": 2}]).start()
    until(lambda: made.replicas and made.replicas[1]["memory"], "a sample")
    shown = made.replicas
    made.signal(signal.SIGTERM)
    made.end()

    (sample,) = samples(made.run)
    assert ["worker-0"] == list(sample["replicas"])
    assert sum(one["memory"] for one in shown) == sample["replicas"]["worker-0"]["memory"]
    assert all(one["memory"] > 40 * MIB for one in shown)


def test_what_a_replica_left_behind_counts(job: MakeJob) -> None:
    """Who was started by a process that is gone belongs to the replica still."""
    source = """
        import os, sys, time
        hold = "x = bytearray(80 << 20); import time; time.sleep(60)"
        os.system(f"{sys.executable} -c '{hold}' &")
        print("up", flush=True)
        time.sleep(60)
        """
    made = job(source).start()
    until(lambda: samples(made.run), "a sample")
    made.signal(signal.SIGTERM)
    made.end()

    assert samples(made.run)[0]["replicas"]["worker-0"]["memory"] > 80 * MIB


def test_a_peak_between_two_samples_is_known(job: MakeJob) -> None:
    """A process that takes 200 MiB and is gone within a second has had them."""
    made = job("x = bytearray(200 << 20); raise SystemExit(3)").start()
    made.end()

    assert not samples(made.run)
    assert 200 * MIB < made.replicas[0]["peak_memory"] < 300 * MIB


def test_samples_become_rarer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every 5 s in the first hour, every 15 s in the first day, then each minute."""
    now = [0.0]
    monkeypatch.setattr(usage.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(usage, "_SHARE", 1e9)  # Whatever a sample costs.
    measured = Usage(tmp_path, {})
    measured.begin()
    gaps = []
    for ran in (1.0, 100.0, 3700.0, 90000.0):
        assert measured.due is not None
        now[0] = ran
        measured.look([])
        gaps.append(round(measured.due - ran, 3))

    assert [5.0, 5.0, 15.0, 60.0] == gaps
    assert not samples(tmp_path)


def test_an_expensive_sample_is_followed_by_a_longer_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample costs a thousandth of a core on average, however many processes there are."""
    spent = iter((0.0, 0.1))
    monkeypatch.setattr(usage.time, "thread_time", lambda: next(spent))
    measured = Usage(tmp_path, {})
    measured.begin()
    measured.look([])

    assert measured.due is not None
    assert 95 < measured.due - time.monotonic() < 105


def test_a_server_is_not_measured(tmp_path: Path) -> None:
    """It may run for ever, and nobody asks."""
    measured = Usage(tmp_path, {"command": ["x"]})
    measured.begin()

    assert measured.due is None


def test_a_sample_that_cannot_be_written_is_lost(job: MakeJob) -> None:
    """The job goes on, also when its code has put a FIFO in the place of the file."""
    source = """
        import os, time
        os.mkfifo("../usage.jsonl")
        print("up", flush=True)
        time.sleep(2)
        """
    assert "SUCCEEDED" == job(source).start().end()["state"]


def test_state_is_not_written_for_each_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown of a replica changes with the first sample, and then after 30 s."""
    now = [100.0]
    monkeypatch.setattr(usage.time, "monotonic", lambda: now[0])
    one = Replica("worker", 0, 0, 1, process=os.getpid(), started=time.time())
    measured = Usage(tmp_path, {})
    measured.begin()
    shown = []
    held = []
    for moment in (101.0, 106.0, 126.0, 132.0):
        now[0] = moment
        measured.look([one])
        shown.append(one.memory)
        held.append(b"x" * (64 * MIB))  # So that each sample differs: always new memory.

    assert shown[0] == shown[1] == shown[2] < (shown[3] or 0)
    assert 4 == len(samples(tmp_path))


@pytest.mark.parametrize(
    ("before", "after", "found"), [(3, 4, True), (3, 3, False), (None, None, None)]
)
def test_whether_memory_ran_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: int | None,
    after: int | None,
    found: bool | None,
) -> None:
    """The kernel's count says it of who was killed, or whose child was; of others nobody asks."""
    gang = [Replica("worker", index, index, 1) for index in range(5)]
    gang[3].blame = "it used too much."
    monkeypatch.setattr(usage, "memory_kills", lambda: before)
    measured = Usage(tmp_path, {})
    measured.begin()
    monkeypatch.setattr(usage, "memory_kills", lambda: after)
    measured.settle(gang[0], -9, "", told=False)
    measured.settle(gang[1], 1, "", told=False)
    measured.settle(gang[2], -9, "", told=True)
    measured.settle(gang[3], -9, "", told=False)
    words = "RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed. \n"
    measured.settle(gang[4], 1, words, told=False)

    assert [found, None, None, None, found] == [one.oom for one in gang]


@pytest.mark.parametrize(("ended", "found"), [(108.0, True), (111.0, True), (123.0, False)])
def test_samples_while_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: float, found: bool
) -> None:
    """Who is counted as killed before a sample and ends after it was; who ends much later not."""
    now, kills = [100.0], [3]
    monkeypatch.setattr(usage.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(usage, "memory_kills", lambda: kills[0])
    one = Replica("worker", 0, 0, 1)
    measured = Usage(tmp_path, {})
    measured.begin()
    for sample in (101.0, 106.0, 110.0, 122.0):
        if sample < ended:
            now[0] = sample
            measured.look([])
            kills[0] = 4  # Just after the first.
    now[0] = ended
    measured.settle(one, -9, "", told=False)

    assert found is one.oom


def test_the_machines_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a control group leaves of it, wherever it stands above; and who was killed in it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = memory_limit()
    assert found is not None
    assert 0 < found <= total * 1.01
    assert isinstance(memory_kills(), int)

    inner = tmp_path / "lab" / "job"
    inner.mkdir(parents=True)
    (tmp_path / "lab" / "memory.max").write_text("1048576\n")
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.events").write_text("low 0\noom 2\noom_kill 7\n")
    real = memory._read
    monkeypatch.setattr(memory, "_ROOTS", (("0::", str(tmp_path)),))
    monkeypatch.setattr(
        memory, "_read", lambda p: "0::/lab/job\n" if p == "/proc/self/cgroup" else real(p)
    )
    assert (1048576, 7) == (memory_limit(), memory_kills())
