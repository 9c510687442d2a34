"""SIGUSR1 pauses a job: it ends in order, and says how far it had come."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.shim.verdict import out_of_time, paused

MakeJob = Callable[..., Any]

# Reports step 480 and has a checkpoint of step 460.
TRAIN = """
import json, os, signal, sys, time
def save(*_):
    print("saved", flush=True)
    sys.exit(CODE)
signal.signal(signal.SIGTERM, save)
with open(os.environ["DLLAB_REPORT"], "w") as file:
    json.dump({"step": 480, "total": 1000, "metrics": {}, "time": time.time()}, file)
folder = os.path.join(os.environ["DLLAB_CHECKPOINT_DIR"], "step-00000460")
os.makedirs(folder, exist_ok=True)
open(os.path.join(folder, "MANIFEST.json"), "w").close()
print("up", flush=True)
while True:
    time.sleep(1)
"""


def until(true: Callable[[], object], what: str, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(0.005)


@pytest.mark.parametrize("code", [143, 0])
def test_a_pause_lets_the_job_save(job: MakeJob, code: int) -> None:
    """It is PAUSED with its step and its last checkpoint, also when it then returns 0."""
    made = job(TRAIN.replace("CODE", str(code)), max_restarts=3).start()
    made.wait_for("up\n")
    made.signal(signal.SIGUSR1)
    end = made.end()

    assert "PAUSED" == end["state"] == made.state["state"]
    assert "paused at step 480; last checkpoint: step 460." == end["reason"]
    assert "up\nsaved\n" == made.log()
    assert ["Started", "PauseRequested", "Paused"] == made.events
    assert code == made.replicas[0]["exit_code"]


def test_a_pause_that_has_to_kill_says_so(job: MakeJob) -> None:
    """A replica that does not answer SIGTERM is killed after the grace."""
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\n"
    made = job(deaf + "time.sleep(60)", grace=0.3).start()
    made.wait_for("up\n")
    made.signal(signal.SIGUSR1)
    end = made.end()

    assert ("PAUSED", "SIGKILL") == (end["state"], made.replicas[0]["signal"])
    assert "paused. It did not end by itself and was killed." == end["reason"]


def test_a_cancel_during_a_pause_wins(job: MakeJob) -> None:
    """The job is CANCELLED; what the pause has begun to save is not disturbed."""
    source = """
        import signal, sys, time
        def save(*_):
            print("saving", flush=True)
            time.sleep(0.5)
            print("saved", flush=True)
            sys.exit(143)
        signal.signal(signal.SIGTERM, save)
        print("up", flush=True)
        while True:
            time.sleep(1)
        """
    made = job(source).start()
    made.wait_for("up\n")
    made.signal(signal.SIGUSR1)
    made.wait_for("saving\n")
    made.signal(signal.SIGTERM)
    made.signal(signal.SIGUSR1)
    end = made.end()

    assert ("CANCELLED", "the job was cancelled.") == (end["state"], end["reason"])
    assert "up\nsaving\nsaved\n" == made.log()


def test_what_has_succeeded_is_not_paused(job: MakeJob) -> None:
    """A pause that is heard of together with the success of all replicas changes nothing."""
    source = """
        import os, time
        print("up", flush=True)
        while not os.path.exists("go"):
            time.sleep(0.01)
        """
    made = job(source).start()
    made.wait_for("up\n")
    stat = Path(f"/proc/{made.replicas[0]['pid']}/stat")
    made.signal(signal.SIGSTOP)
    (made.run / "workspace" / "go").touch()
    until(lambda: ") Z " in stat.read_text(), "its end")
    made.signal(signal.SIGUSR1)
    made.signal(signal.SIGCONT)
    end = made.end()

    assert ("SUCCEEDED", "") == (end["state"], end["reason"])
    assert ["Started", "Succeeded"] == made.events


def test_a_pause_between_two_attempts(job: MakeJob) -> None:
    """A job that is being restarted is paused, and not started again."""
    source = """
        import os, signal, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("up", flush=True)
        if os.environ["RANK"] == "1":
            while not os.path.exists("deaf"):  # Else the other one may hear, and ends at once.
                time.sleep(0.01)
            sys.exit(7)
        open("deaf", "w").close()
        time.sleep(60)
        """
    made = job(source, replicas=2, max_restarts=3).start()
    until(lambda: made.state.get("state") == "RESTARTING", "RESTARTING")
    made.signal(signal.SIGUSR1)
    end = made.end()

    assert ("PAUSED", 1) == (end["state"], end["attempt"])


def test_a_server_is_not_paused(job: MakeJob) -> None:
    """SIGUSR1 means nothing to the server of a deployment."""
    script = "import time; print('up', flush=True); time.sleep(60)"
    made = job("", command=[sys.executable, "-c", script], name="replica-1").start()
    log = made.run / "logs" / "replica-1.log"
    until(lambda: log.exists() and log.read_text(), "its first words")
    made.signal(signal.SIGUSR1)
    time.sleep(0.3)  # Nothing that can be waited for happens.
    made.signal(signal.SIGTERM)

    assert "CANCELLED" == made.end()["state"]
    assert "PauseRequested" not in made.events


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (json.dumps({"step": 12}), "paused at step 12; last checkpoint: step 30."),
        ("{", "paused; last checkpoint: step 30."),
        (f'{{"step": 1{"0" * 400}}}', "paused; last checkpoint: step 30."),
        (f'{{"step": 12, "time": 1{"0" * 400}}}', "paused at step 12; last checkpoint: step 30."),
        ('{"step": true}', "paused; last checkpoint: step 30."),
        ("[" * 60_000, "paused; last checkpoint: step 30."),
        (" " * 70_000 + '{"step": 1}', "paused; last checkpoint: step 30."),
    ],
)
def test_words_about_a_pause(tmp_path: Path, content: str, words: str) -> None:
    """A report that lies is no report; a directory without a manifest is no checkpoint."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "worker-0.json").write_text(content)
    for step in (4, 30):
        (tmp_path / "checkpoints" / f"step-{step:08d}").mkdir(parents=True)
        (tmp_path / "checkpoints" / f"step-{step:08d}" / "MANIFEST.json").touch()
    (tmp_path / "checkpoints" / "step-00000099").mkdir()

    assert words == paused(tmp_path, "worker-0", killed=False)


def test_words_about_the_pause_of_an_old_job(tmp_path: Path) -> None:
    """A job of before has one report, of rank 0."""
    (tmp_path / "report.json").write_text(json.dumps({"step": 12}))

    assert "paused at step 12." == paused(tmp_path, "worker-0", killed=False)


def test_words_when_nothing_is_known(tmp_path: Path) -> None:
    """Neither a report nor a checkpoint is needed to say what happened."""
    os.mkfifo(tmp_path / "report.json")
    (tmp_path / "reports").mkdir()
    os.mkfifo(tmp_path / "reports" / "worker-0.json")

    assert "paused." == paused(tmp_path, "worker-0", killed=False)
    assert "it reached its time limit of 2 h." == out_of_time(tmp_path, 7200, killed=False)
