"""Progress that the code of a job reports."""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import dllab_hub
from dllab_hub.runtime import report as module
from dllab_hub.runtime.report import report, tensorboard_dir
from dllab_hub.specs import Progress

PACKAGE = str(Path(dllab_hub.__file__).parents[1])


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_reporter", None)
    for name in ("RANK", "DLLAB_RANK", "DLLAB_JOB_ID", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DLLAB_REPORT", str(tmp_path / "reports" / "worker-0.json"))
    return tmp_path / "reports" / "worker-0.json"


def points(path: Path) -> list[dict[str, Any]]:
    """The curves beside a report."""
    return [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]


class Tensor:
    """What a tensor with one element offers."""

    def __init__(self, value: float = 0.5) -> None:
        self.value = value

    def detach(self) -> "Tensor":
        return self

    def clone(self) -> "Tensor":
        return Tensor(self.value)

    def __float__(self) -> float:
        return self.value


def test_a_report_is_a_progress(path: Path) -> None:
    """What is written reads as the lab's own Progress; what JSON cannot say is left out."""
    report(10, total=100, loss=Tensor(), accuracy=1, bad=float("nan"))
    progress = Progress.from_wire(json.loads(path.read_text()))

    assert (10, 100, {"loss": 0.5, "accuracy": 1.0}) == (
        progress.step,
        progress.total,
        progress.metrics,
    )
    assert abs(progress.time - time.time()) < 5


def test_five_writes_a_second_at_most(path: Path) -> None:
    """Steps in quick succession cost one write, and the next one after a while is written."""
    for step in range(1000):
        report(step)
    assert 0 == json.loads(path.read_text())["step"]

    time.sleep(0.21)
    report(1000)

    assert 1000 == json.loads(path.read_text())["step"]


def test_the_last_call_is_always_written(path: Path) -> None:
    """A program that ends right after its last report is seen at its last step."""
    script = (
        "from dllab_hub.runtime.report import report\nfor step in range(101): report(step, 100)"
    )
    env = {**os.environ, "PYTHONPATH": PACKAGE}
    subprocess.run([sys.executable, "-c", script], env=env, check=True)

    assert 100 == json.loads(path.read_text())["step"]


def test_the_curves_have_what_was_reported(path: Path) -> None:
    """Each call is a point, the last one in any case; what JSON cannot say is a gap."""
    script = (
        "import time\nfrom dllab_hub.runtime.report import report\n"
        "for step in range(5): report(step, 5, loss=1 / (step + 1), bad=float('nan')); "
        "time.sleep(0.12)\nreport(5, 5, loss=0.0)"
    )
    env = {**os.environ, "PYTHONPATH": PACKAGE}
    subprocess.run([sys.executable, "-c", script], env=env, check=True)
    found = points(path)

    assert [0, 1, 2, 3, 4, 5] == [point["step"] for point in found]
    assert {"loss": 1 / 3, "bad": None} == found[2]["metrics"]
    assert {"loss": 0.0} == found[-1]["metrics"]
    assert abs(found[-1]["time"] - time.time()) < 5
    assert 5 == json.loads(path.read_text())["step"]


def test_a_quick_training_has_a_curve(path: Path) -> None:
    """Hundreds of steps between two writes are a curve all the same, up to its last step."""
    script = (
        "from dllab_hub.runtime.report import report\n"
        "for step in range(300): report(step, loss=1 / (step + 1))"
    )
    env = {**os.environ, "PYTHONPATH": PACKAGE}
    subprocess.run([sys.executable, "-c", script], env=env, check=True)
    steps = [point["step"] for point in points(path)]

    assert 20 < len(steps) < 70
    assert (0, 299) == (steps[0], steps[-1])
    assert sorted(set(steps)) == steps
    assert max(b - a for a, b in pairwise(steps)) <= 16


def test_a_tensor_that_is_changed_in_place(path: Path) -> None:
    """A point has the value of its step, whatever becomes of the tensor afterwards."""
    total = Tensor(0.0)
    for step in range(3):
        total.value = float(step)
        report(step, total=3, loss=total)
    time.sleep(0.21)
    report(3, loss=total)

    assert [0.0, 1.0, 2.0, 2.0] == [point["metrics"]["loss"] for point in points(path)]


def test_a_month_of_points_is_a_few_megabytes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points become rarer: 4 a second here for 4 minutes, then fewer and fewer."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    for step in range(4000):
        report(step, loss=0.5)
        now[0] += 0.25 if step < 1000 else 20.0
    found = [point["step"] for point in points(path)]

    assert list(range(1000)) == found[:1000]
    assert 3_000 < len(found) < 3_600
    assert found[-1] > 3_990


def test_a_torn_point_costs_no_other(path: Path) -> None:
    """What an attempt left half written stays a line of its own; the next is whole."""
    path.parent.mkdir()
    path.with_suffix(".jsonl").write_text('{"step": 1, "ti')
    report(2, loss=0.5)

    lines = path.with_suffix(".jsonl").read_text().splitlines()
    assert ['{"step": 1, "ti', 2] == [lines[0], json.loads(lines[1])["step"]]


@pytest.mark.parametrize(
    ("env", "speaks"),
    [
        ({"RANK": "3", "DLLAB_RANK": "3", "TORCHELASTIC_RUN_ID": "job-1"}, True),
        ({"DLLAB_RANK": "3"}, True),
        ({"RANK": "0", "DLLAB_RANK": "0", "TORCHELASTIC_RUN_ID": "none"}, True),
        ({"RANK": "1", "DLLAB_RANK": "0", "TORCHELASTIC_RUN_ID": "none"}, False),
        ({"RANK": "3", "DLLAB_RANK": "3", "TORCHELASTIC_RUN_ID": "none"}, False),
        ({"RANK": "1", "DLLAB_RANK": "0", "TORCHELASTIC_RUN_ID": "job-1"}, False),
    ],
)
def test_who_has_a_say(
    path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], speaks: bool
) -> None:
    """Every rank that the lab started; of those that torchrun started in one of them, the first."""
    monkeypatch.setenv("DLLAB_JOB_ID", "job-1")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    report(1)

    assert speaks == path.exists()


def test_without_a_lab_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same script runs anywhere."""
    monkeypatch.delenv("DLLAB_REPORT", raising=False)
    report(1, loss=0.5)

    assert ("", "") == capsys.readouterr()
    assert "runs" == tensorboard_dir()


def test_a_report_that_cannot_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Training goes on without its progress bar, and says so once."""
    path.parent.write_text("a file")
    monkeypatch.setattr(module, "_INTERVAL", 0.0)
    report(1)
    report(2)

    assert 1 == capsys.readouterr().err.count("dllab: progress cannot be written")
