"""Reports of processes, read without trusting what lies there."""

from __future__ import annotations

import json
import math
import os
import time

import pytest

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.curves.reports import Reports
from dllab_hub.backends.local.readings import report
from dllab_hub.backends.local.rundir import RunDir


@pytest.fixture
def run(tmp_path):
    """The run directory of a job."""
    (tmp_path / "reports").mkdir()
    return RunDir(tmp_path, Account(None, os.geteuid(), os.getegid(), "/"))


def write(run, replica: str, *points: tuple[int, float, dict]) -> None:
    with (run.path / "reports" / f"{replica}.jsonl").open("a") as file:
        for step, when, metrics in points:
            print(json.dumps({"step": step, "time": when, "metrics": metrics}), file=file)


def read(reports) -> dict[tuple[str, str], dict[int, float]]:
    assert reports.read(time.monotonic() + 5)
    return {
        (name, replica): dict(zip(points.steps, points.values, strict=True))
        for name, replica, points in reports.snapshots()
    }


def test_an_attempt_after_another(run):
    """Steps that a later attempt has done again are those of the later attempt."""
    reports = Reports(run, ["worker-0", "worker-1"])
    write(run, "worker-0", *((step, 10.0 + step, {"loss": 1.0}) for step in range(10)))
    write(run, "worker-1", (1, 10.0, {"loss": 5.0}))
    assert 10 == len(read(reports)["loss", "worker-0"])
    write(run, "worker-0", (6, 90.0, {"loss": 2.0, "new": 1.0}), (7, 91.0, {"loss": 2.0}))

    found = read(reports)
    assert dict.fromkeys(range(6), 1.0) | {6: 2.0, 7: 2.0} == found["loss", "worker-0"]
    assert ({6: 1.0}, {1: 5.0}) == (found["new", "worker-0"], found["loss", "worker-1"])


def test_too_many_metrics(run):
    """The first are kept, and that is said."""
    reports = Reports(run, ["worker-0"])
    write(run, "worker-0", *((1, 1.0, {f"m{n}": 1}) for n in range(600)))

    assert 500 == len(read(reports))
    assert ["Only the first 500 metrics that were reported are kept."] == list(reports.notes)


def test_more_processes_than_one_look_takes(run):
    """Each is heard in its turn: the first ones do not keep the others waiting for ever."""
    names = [f"worker-{n}" for n in range(50)]
    for name in names:
        said = {"step": 3, "total": None, "metrics": {}, "time": 10.0}
        (run.path / "reports" / f"{name}.json").write_text(json.dumps(said))
        write(run, name, (1, 10.0, {"loss": 1.0}))
    reports = Reports(run, names)

    assert any(reports.read(0.0) for _ in range(200))
    assert set(names) == set(reports.paces) == {replica for _, replica, _ in reports.snapshots()}


@pytest.mark.parametrize("total", [10**400, -1, 0])
def test_a_total_that_is_none(run, total):
    """A number of steps that there cannot be is not known."""
    said = {"step": 3, "total": total, "metrics": {}, "time": 10.0}
    (run.path / "reports" / "worker-0.json").write_text(json.dumps(said))
    found = report(run, "reports", "worker-0.json")

    assert (3, None) == (found.step, found.total)


def plant_fifo(path):
    os.mkfifo(path)


def plant_link(path):
    path.symlink_to("/dev/zero")


def plant_folder(path):
    path.mkdir()


def plant_numbers(path):
    lines = [
        {"step": step, "time": when, "metrics": metrics}
        for step in (-1, 2**70, "1", None, 1.5, True, [])
        for when, metrics in ((5.0, {"a": 1}), (math.inf, {}), ("x", [1]))
    ]
    lines += [{"step": 1, "time": 10**400, "metrics": {"a": 1}}, {"step": 1, "time": 1.0}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def plant_names(path):
    metrics = {"": 1, "\ud800\x1b": 1, "x" * 9000: 1, "s": "text", "l": [1], "b": True, "n": None}
    path.write_text(json.dumps({"step": 1, "time": 1.0, "metrics": metrics}) + "\n")


@pytest.mark.parametrize(
    "plant", [plant_fifo, plant_link, plant_folder, plant_numbers, plant_names]
)
@pytest.mark.timeout(10)
def test_planted_reports(run, plant):
    """Whatever lies in the place of reports: nothing hangs or is raised, and what is shown can
    be."""
    for name in ("worker-0.json", "worker-0.jsonl", "somebody.jsonl"):
        plant(run.path / "reports" / name)
    reports = Reports(run, ["worker-0"])

    assert reports.read(time.monotonic() + 1)
    curves = [p.curve(n, "report", replica=r) for n, r, p in reports.snapshots()]
    assert {"worker-0"} >= {curve.replica for curve in curves}
    json.dumps([curve.to_wire() for curve in curves]).encode()
