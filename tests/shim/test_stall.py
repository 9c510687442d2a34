"""A job that gives no sign of life any more."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.shim import reports
from dllab_hub.shim.record import Events
from dllab_hub.shim.replica import Replica
from dllab_hub.shim.stall import Stall

from .conftest import until

MakeJob = Callable[..., Any]
HANGS = """
    import json, os, signal, time
    rank, attempt = int(os.environ["RANK"]), os.environ["DLLAB_ATTEMPT"]
    with open(os.environ["DLLAB_REPORT"], "w") as file:
        json.dump({"step": 50 - 9 * rank, "total": 100, "metrics": {}, "time": time.time()}, file)
    print("up", flush=True)
    while attempt == "1" and not os.path.exists("go"):
        time.sleep(0.01)
    print("goes on", flush=True)
    """


def test_a_silent_job_is_said_to_be(job: MakeJob) -> None:
    """An event and since when; the job goes on, and the first line afterwards takes it back."""
    made = job(HANGS, replicas=2, stall_after=2).start()
    made.wait_for("up\n"), made.wait_for("up\n", "worker-1")
    spoke = time.time()
    until(lambda: made.state["silent_since"], "a stall")
    stalled = made.state
    (made.run / "workspace" / "go").touch()
    end = made.end()

    assert abs(stalled["silent_since"] - spoke) < 5  # A busy machine hears late.
    assert "no line, step or event file for 2 s or longer." == stalled["reason"]
    assert "RUNNING" == stalled["state"]
    assert ("SUCCEEDED", None, "") == (
        end["state"],
        made.state["silent_since"],
        made.state["reason"],
    )
    assert ["Started", "Stalled", "GoesOn", "Succeeded"] == made.events
    assert "no line, step or event file for 2 s; its processes still run." == made.story[1][1]
    assert made.story[2][1].startswith("the job is heard of again, after ")


def test_a_silent_job_is_relaunched(job: MakeJob) -> None:
    """Where that is wanted: the whole gang, and who is furthest behind is named."""
    made = job(HANGS, replicas=2, stall_after=2, on_stall="relaunch", max_restarts=1).start()
    until(lambda: made.state.get("attempt") == 2, "a second attempt")
    second = made.state["reason"]
    end = made.end()

    why = "nothing was heard of the job for 2 s; worker-1 was last, at step 41."
    assert ("SUCCEEDED", 2) == (end["state"], end["attempt"])
    assert f"attempt 2 of 2, because {why}" == second
    story = ["Started", "Stalled", "ReplicaFailed", "Restarting", "Started", "Succeeded"]
    assert story == made.events
    assert ("ReplicaFailed", why) == made.story[2]


def test_a_job_that_only_stalls_fails(job: MakeJob) -> None:
    """A stall counts as a failure, and there are no more restarts; who is blamed has FAILED."""
    made = job(HANGS, replicas=2, stall_after=1, on_stall="relaunch").start()
    end = made.end()

    assert "FAILED" == end["state"]
    assert end["reason"].startswith("nothing was heard of the job for 1 s; worker-1 was last")
    assert ["CANCELLED", "FAILED"] == [one["state"] for one in made.replicas]
    assert made.state["silent_since"] is None
    assert made.story[1] == (
        "Stalled",
        "no line, step or event file for 1 s; no restarts are left.",
    )


def test_a_stopped_replica_lets_the_time_pass(job: MakeJob) -> None:
    """That it is stopped explains the silence better, and it is a stall all the same."""
    made = job(HANGS, stall_after=2).start()
    made.wait_for("up\n")
    os.kill(made.replicas[0]["pid"], signal.SIGSTOP)
    until(lambda: made.state["silent_since"], "a stall")
    stalled = made.state
    os.kill(made.replicas[0]["pid"], signal.SIGCONT)
    until(lambda: "ReplicaContinued" in made.events, "its going on")
    (made.run / "workspace" / "go").touch()
    made.end()

    assert "worker-0 is stopped (SIGSTOP), not dead; the job waits for it." == stalled["reason"]
    assert ["Started", "ReplicaStopped", "Stalled"] == made.events[:3]


class Clock:
    """A stall that is looked at when the test says so, and what it has said."""

    def __init__(self, run: Path, monkeypatch: pytest.MonkeyPatch, **plan: Any) -> None:
        self.now = 1000.0
        monkeypatch.setattr("dllab_hub.shim.stall.time.monotonic", lambda: self.now)
        plan = {"stall_after": 600, "tensorboard": str(run / "tb"), **plan}
        self.stall = Stall(run, plan, Events(run / "events.jsonl"))
        self.stall.begin()

    def wait(self, seconds: float) -> bool:
        """Time passes, with all the looks that belong to it; whether the job has stalled."""
        until = self.now + seconds
        found = False
        while self.stall.due is not None and self.stall.due <= until:
            self.now = max(self.now, self.stall.due)
            found |= self.stall.look()
        self.now = until
        return found


@pytest.mark.parametrize(
    "sign",
    [
        "reports/worker-3.jsonl",
        "checkpoints/step-00000010/model.pt",
        "tb/events.out.tfevents.1",
        "tb/validation/events.out.tfevents.1",
        "tb/a/b/c/events.out.tfevents.1",
        "workspace/runs/first/events.out.tfevents.1",
        "workspace/lightning_logs/version_0/events.out.tfevents.1",
    ],
)
def test_files_are_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    """A new file and one that grows put off a stall by the whole time; then there is one, once."""
    clock = Clock(tmp_path, monkeypatch)
    assert not clock.wait(590)
    (tmp_path / sign).parent.mkdir(parents=True)
    (tmp_path / sign).touch()
    assert not clock.wait(590)
    with (tmp_path / sign).open("a") as file:
        file.write("more")
    assert not clock.wait(590)

    assert clock.wait(40)
    assert not clock.wait(10_000)
    (tmp_path / sign).unlink()
    clock.wait(20)
    assert clock.stall.silent_since is None


@pytest.mark.parametrize("folder", ["checkpoints", "tb"])
def test_a_sign_among_many_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Who has more files than are looked at each time is not taken for silent, or heard again."""
    for number in range(400):
        (tmp_path / folder / f"step-{number}").mkdir(parents=True)
        (tmp_path / folder / f"step-{number}" / "part").touch()
    clock = Clock(tmp_path, monkeypatch)
    for number in range(390, 400):
        assert not clock.wait(590)
        with (tmp_path / folder / f"step-{number}" / "part").open("a") as file:
            file.write("more")

    assert not clock.wait(40)
    assert clock.wait(1200)
    assert not clock.wait(10_000)
    (tmp_path / folder / "step-399" / "part").write_text("other")
    clock.wait(40)
    assert clock.stall.silent_since is None


def test_output_is_a_sign_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line puts a stall off; a new attempt begins from nothing."""
    clock = Clock(tmp_path, monkeypatch)
    for _ in range(5):
        assert not clock.wait(500)
        clock.stall.heard()
    assert clock.wait(700)
    clock.stall.begin()

    assert clock.stall.silent_since is None
    assert not clock.wait(590)
    assert 1 == (tmp_path / "events.jsonl").read_text().count("Stalled")


@pytest.mark.parametrize("plan", [{"stall_after": None}, {"command": ["x"]}])
def test_some_are_never_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: dict[str, Any]
) -> None:
    """Where nobody wants it, and a server, which says something only when it is asked."""
    clock = Clock(tmp_path, monkeypatch, **plan)

    assert clock.stall.due is None
    assert not clock.wait(10_000)


@pytest.mark.parametrize(("after", "pause"), [(10, 1.0), (100, 5.0), (86400, 15.0)])
def test_looks_are_rare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, pause: float
) -> None:
    """A twentieth of the time, from 1 to 15 s; a huge directory is looked at in part."""
    (tmp_path / "tb").mkdir()
    for number in range(1000):
        (tmp_path / "tb" / str(number)).touch()
    clock = Clock(tmp_path, monkeypatch, stall_after=after)
    began = time.perf_counter()
    clock.now += pause
    clock.stall.look()

    assert time.perf_counter() - began < 0.05
    assert clock.stall.due == clock.now + pause


def test_who_is_furthest_behind(tmp_path: Path) -> None:
    """By what was reported since the start; without two that differ nobody is."""
    gang = [Replica("worker", index, index, 1, started=100.0) for index in range(4)]
    (tmp_path / "reports").mkdir()

    def tell(index: int, step: object, when: float = 200.0) -> None:
        path = tmp_path / "reports" / f"worker-{index}.json"
        path.write_text(json.dumps({"step": step, "time": when}))

    assert reports.furthest_behind(tmp_path, gang) is None
    tell(0, 7), tell(1, 7)
    assert reports.furthest_behind(tmp_path, gang) is None
    tell(2, 5), tell(3, 1, when=50.0)
    assert (gang[2], 5) == reports.furthest_behind(tmp_path, gang)
    tell(2, "five")
    assert reports.furthest_behind(tmp_path, gang) is None


def test_a_plan_without_event_files(tmp_path: Path) -> None:
    """Where somebody looks, a plan says where; the run directory, which we change, is no sign."""
    events = Events(tmp_path / "events.jsonl")
    assert Stall(tmp_path, {"command": ["x"]}, events).due is None
    with pytest.raises(KeyError, match="tensorboard"):
        Stall(tmp_path, {"stall_after": 600}, events)
