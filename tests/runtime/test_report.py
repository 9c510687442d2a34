"""Progress that the code of a job reports."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dllab_hub
from dllab_hub.runtime import report as module
from dllab_hub.runtime.report import report, tensorboard_dir
from dllab_hub.specs import Progress

PACKAGE = str(Path(dllab_hub.__file__).parents[1])


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_reporter", None)
    monkeypatch.setenv("DLLAB_REPORT", str(tmp_path / "report.json"))
    return tmp_path / "report.json"


class Tensor:
    """What a tensor with one element offers."""

    def detach(self) -> "Tensor":
        return self

    def __float__(self) -> float:
        return 0.5


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


def test_other_ranks_say_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only rank 0 reports."""
    monkeypatch.setenv("RANK", "1")
    report(1)

    assert not path.exists()


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
    monkeypatch.setenv("DLLAB_REPORT", str(path / "missing" / "report.json"))
    monkeypatch.setattr(module, "_INTERVAL", 0.0)
    report(1)
    report(2)

    assert 1 == capsys.readouterr().err.count("dllab: progress cannot be written")
