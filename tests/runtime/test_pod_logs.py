"""What a pod writes of the output of its processes: real launchers in a run directory."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fault_machine import small_disk
from launched import MODULE, Launch, pod, run, until

from dllab_hub.runtime import pod_appender
from dllab_hub.runtime.pod_appender import Appender
from dllab_hub.runtime.pod_folder import LOCK, Folder
from dllab_hub.specs import Code, Role, TrainingSpec

GANG = TrainingSpec(
    name="digits", image="torch", code=Code(source="1"), roles=(Role(replicas=2, processes=2),)
)
#: Each process says lines that can be told apart.
LINES = """
    import os, sys
    name = os.environ["DLLAB_REPLICA"] + "." + os.environ["DLLAB_PROCESS"]
    for n in range({count}):
        print(name, n, "x" * 40)
    """


def test_each_process_has_its_log(tmp_path: Path) -> None:
    """Raw bytes of each, the lines of all merged with their process, and the same in the pod's."""
    code = """
        import os, sys
        os.write(1, b"\\xff out " + os.environ["DLLAB_PROCESS"].encode() + b"\\n")
        os.write(2, b"no newline")
        """
    done = run(pod(tmp_path, GANG), code, errors="surrogateescape")
    folder = tmp_path / "run" / "attempts" / "1"

    assert [b"\xff out 0\nno newline", b"\xff out 1\nno newline"] == [
        (folder / f"worker-0.{n}.log").read_bytes() for n in range(2)
    ]
    merged = (folder / "all.log").read_bytes()
    assert sorted(
        f"[worker-0.{n}] ".encode() + words
        for n in range(2)
        for words in (b"\xff out %d" % n, b"no newline")
    ) == sorted(merged.splitlines())
    assert merged == done.stdout.encode(errors="surrogateescape")
    assert 0o600 == (folder / "all.log").stat().st_mode & 0o777


def test_output_is_seen_at_once(launch: Launch, tmp_path: Path) -> None:
    """A line is in the files within 0.3 s, also while there are always more."""
    code = """
        import time
        while True:
            print(time.time(), flush=True)
            time.sleep(0.05)
        """
    made = launch(pod(tmp_path, "single"), code)
    made.said("\n", "worker-0")
    ages = []
    for _ in range(40):
        for name in ("all", "worker-0"):
            ages.append(time.time() - float(made.log(name).split()[-1]))
        time.sleep(0.03)
    made.signal().end()

    # Half of them, as the machine may have other things to do for a moment.
    assert sorted(ages)[len(ages) // 2] < 0.3


def test_pods_share_the_merged_log(launch: Launch, tmp_path: Path) -> None:
    """Two launchers write at the same time: every line is there and whole, in the order of each."""
    envs = [pod(tmp_path, GANG, JOB_COMPLETION_INDEX=str(n)) for n in range(2)]
    made = [launch(env, LINES.format(count=5000)) for env in envs]
    assert [0, 0] == [one.end() for one in made]

    seen: dict[str, int] = {}
    for line in made[0].log().splitlines():
        found = re.fullmatch(r"\[worker-(\d\.\d)\] (\d\.\d) (\d+) x{40}", line)
        assert found, line
        assert found[1] == found[2]
        assert seen.get(found[1], -1) + 1 == int(found[3])
        seen[found[1]] = int(found[3])
    assert {"0.0": 4999, "0.1": 4999, "1.0": 4999, "1.1": 4999} == seen


def test_fast_output_loses_nothing(tmp_path: Path) -> None:
    """5000 lines a second for two seconds are all there, in the files and in the pod's own log."""
    code = """
        import time
        began = time.monotonic()
        for n in range(10_000):
            if n % 50 == 0:
                time.sleep(max(0.0, began + n / 5000 - time.monotonic()))
            print("line", n, flush=True)
        """
    done = run(pod(tmp_path, "single"), code)
    folder = tmp_path / "run" / "attempts" / "1"
    wanted = "".join(f"line {n}\n" for n in range(10_000))

    assert wanted == done.stdout
    assert wanted == (folder / "worker-0.log").read_text()
    assert wanted == (folder / "all.log").read_text().replace("[worker-0] ", "")
    assert "" == done.stderr


def test_a_flood_is_read_as_fast_as_it_is_written(tmp_path: Path) -> None:
    """Tens of megabytes without a pause: who reads the pod's own log gets all of it too."""
    code = "import os\nfor n in range(600): os.write(1, b'%06d ' % n + b'x' * 65528 + b'\\n')"
    done = run(pod(tmp_path, "single"), code)
    wanted = "".join(f"{n:06d} {'x' * 65528}\n" for n in range(600))

    assert (0, "") == (done.returncode, done.stderr)
    assert wanted == done.stdout
    assert wanted == (tmp_path / "run" / "attempts" / "1" / "worker-0.log").read_text()


def test_logs_of_other_attempts_stay(tmp_path: Path) -> None:
    """A relaunch writes beside them; a second pod of an attempt appends to its logs."""
    env = pod(tmp_path, "single", DLLAB_FIRST_ATTEMPT="3")
    run(env, "print('first')")
    run({**env, "DLLAB_RESTARTS": "1"}, "print('second')")
    run(env, "print('again')")

    attempts = tmp_path / "run" / "attempts"
    assert {"3", "4"} == set(os.listdir(attempts))
    assert "first\nagain\n" == (attempts / "3" / "worker-0.log").read_text()
    assert "second\n" == (attempts / "4" / "worker-0.log").read_text()


def test_a_line_that_was_torn_does_not_spoil_the_next(tmp_path: Path) -> None:
    """Where a pod was killed in the middle of a line, the next one begins a line of its own."""
    env = pod(tmp_path, "single")
    merged = tmp_path / "run" / "attempts" / "1" / "all.log"
    merged.parent.mkdir()
    merged.write_text("[worker-1] hal")
    run(env, "print('whole')")

    assert "[worker-1] hal\n[worker-0] whole\n" == merged.read_text()


def test_a_lock_that_is_held_stops_nobody(launch: Launch, tmp_path: Path) -> None:
    """The job goes on, each log grows; the merged one follows when the lock is free again."""
    env = pod(tmp_path, "single")
    with (tmp_path / "run" / LOCK).open("w") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        made = launch(env, "import time; print('one', flush=True); time.sleep(2); print('two')")
        made.said("one", "worker-0")
        began = time.monotonic()
        assert "" == made.log()
        until(lambda: "two" in made.log("worker-0"), "the second line")
        assert time.monotonic() - began < 20
    assert 0 == made.end()

    assert "[worker-0] one\n[worker-0] two\n" == made.log()


def test_a_lock_that_is_never_given_back(tmp_path: Path) -> None:
    """At the end it is waited for some seconds, then the last lines are written all the same."""
    env = pod(tmp_path, "single")
    with (tmp_path / "run" / LOCK).open("w") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        began = time.monotonic()
        done = run(env, "print('last')")
        assert time.monotonic() - began < 30

    assert (0, "") == (done.returncode, done.stderr)
    assert "[worker-0] last\n" == (tmp_path / "run" / "attempts" / "1" / "all.log").read_text()


def test_what_waits_for_a_lock_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than some MiB are dropped, said once, and counted; what came before is written."""
    monkeypatch.setattr(pod_appender, "_MOST_WAITING", 1000)
    monkeypatch.setattr(pod_appender, "_LAST_WAIT", 0.0)
    said: list[str] = []
    files = Appender(Folder(tmp_path), said.append)
    held = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); input()"
    with subprocess.Popen(
        [sys.executable, "-c", held, str(tmp_path / LOCK)], stdin=subprocess.PIPE
    ) as holder:
        until((tmp_path / LOCK).exists, "the lock")
        time.sleep(0.3)
        taken = [files.add(b"x" * 99 + b"\n", "all.log", shared=True) for _ in range(12)]
        files.flush()
        holder.communicate(b"\n")
    files.finish()

    assert [100] * 10 + [0, 0] == taken
    assert 1000 == (tmp_path / "all.log").stat().st_size
    assert 200 == files.dropped
    assert [
        "output is being lost: another pod keeps the lock of the merged log.",
        "200 bytes of output were lost.",
    ] == said


def test_without_locks_lines_are_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have none."""

    def none(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", none)
    files = Appender(Folder(tmp_path), print)
    files.add(b"line\n", "all.log", shared=True)
    files.finish()

    assert "line\n" == (tmp_path / "all.log").read_text()


def test_a_full_disk_costs_output_only(tmp_path: Path) -> None:
    """The job succeeds, the pod's own log has all, and what was lost is said."""
    with small_disk(tmp_path / "small", "256k"):
        env = pod(tmp_path / "small", "single")
        done = run(env, LINES.format(count=20_000))
        assert 0 == done.returncode
        assert 20_000 == len(done.stdout.splitlines())
        kept = (tmp_path / "small" / "run" / "attempts" / "1" / "worker-0.log").stat().st_size

    assert 0 < kept < 256 * 1024
    assert "No space left on device" in done.stderr
    assert re.search(r"\d{6,} bytes of output were lost", done.stderr)


@pytest.mark.parametrize("planted", ["attempts", "attempts/1", "attempts/1/worker-0.log"])
def test_links_are_not_followed(planted: str, tmp_path: Path) -> None:
    """Where somebody has put a link in the way nothing is written through it; the job runs."""
    env = pod(tmp_path, "single")
    elsewhere = tmp_path / "elsewhere"
    if planted.endswith(".log"):
        elsewhere.write_text("mine")
    else:
        elsewhere.mkdir()
    path = tmp_path / "run" / planted
    if path.is_dir():
        path.rmdir()
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(elsewhere)
    done = run(env, "print('hello')")

    assert (0, "hello\n") == (done.returncode, done.stdout)
    assert "output is being lost" in done.stderr
    assert "mine" == elsewhere.read_text() if elsewhere.is_file() else not os.listdir(elsewhere)


def test_a_fifo_in_the_way_stops_nobody(tmp_path: Path) -> None:
    """What is no regular file is not written to, and nobody waits for its reader."""
    env = pod(tmp_path, "single")
    folder = tmp_path / "run" / "attempts" / "1"
    folder.mkdir()
    for name in ("worker-0.log", "all.log", "worker-0.status.json"):
        os.mkfifo(folder / name)
    os.mkfifo(tmp_path / "run" / LOCK)

    assert (0, "hello\n") == ((done := run(env, "print('hello')")).returncode, done.stdout)


def test_nobody_reads_the_pods_own_log(tmp_path: Path) -> None:
    """A container runtime that stands still holds up no training; the files have all."""
    env = pod(tmp_path, "single")
    code = [sys.executable, "-c", "for n in range(400_000): print('line', n)"]
    with subprocess.Popen(
        [*MODULE, *code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert 0 == process.wait(60)
        assert process.stderr is not None
        assert b"bytes of output were not shown here" in process.stderr.read()

    text = (tmp_path / "run" / "attempts" / "1" / "worker-0.log").read_text()
    assert text.endswith("line 399999\n")
    assert 400_000 == text.count("\n")


def test_the_reader_of_the_pods_own_log_goes(launch: Launch, tmp_path: Path) -> None:
    """The job does not end because nobody wants to hear of it."""
    made = launch(
        pod(tmp_path, "single"),
        "import time; print('one', flush=True); time.sleep(1); print('two', flush=True)",
        stdout=subprocess.PIPE,
    )
    assert made.process.stdout is not None
    made.process.stdout.close()

    assert 0 == made.end()
    assert "one\ntwo\n" == made.log("worker-0")


def test_a_process_that_is_left_behind_holds_nothing_up(tmp_path: Path) -> None:
    """What the code has started and left is ended with it, though it holds its output open."""
    code = """
        import os, subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                         start_new_session=True)
        print("done", flush=True)
        """
    began = time.monotonic()
    assert 0 == run(pod(tmp_path, "single"), code).returncode
    assert time.monotonic() - began < 20
