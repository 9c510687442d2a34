"""A person's directory is read without trusting it."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from dllab_hub.backends.local import readings
from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.readings import Status
from dllab_hub.backends.local.rundir import RunDir, Unreadable
from dllab_hub.specs import JobState


@pytest.fixture
def run(tmp_path) -> RunDir:
    """An empty directory, and a secret beside it."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "state.json").write_text('{"state": "FAILED", "reason": "secret"}')
    path = tmp_path / "run"
    path.mkdir()
    return RunDir(path, Account(None, os.geteuid(), os.getegid(), "/"))


def plant_link(path: Path) -> None:
    path.symlink_to("../secret/state.json")


def plant_fifo(path: Path) -> None:
    os.mkfifo(path)


def plant_folder(path: Path) -> None:
    path.mkdir()


def plant_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def plant_garbage(path: Path) -> None:
    path.write_bytes(b"\xff{{{" * 100)


def plant_depth(path: Path) -> None:
    path.write_text('{"a":' + "[" * 100_000)


def plant_giant(path: Path) -> None:
    path.write_bytes(b"")
    os.truncate(path, 10**10)


def plant_list(path: Path) -> None:
    path.write_text("[1, 2]")


PLANTS = [
    plant_link, plant_fifo, plant_folder, plant_device, plant_garbage, plant_depth, plant_giant,
    plant_list,
]  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("name", ["state.json", "exit.rec", "report.json", "shim.json"])
@pytest.mark.timeout(10)
def test_planted_files(run, plant, name):
    """Whatever lies in the place of a file: nothing is read, nothing hangs, nothing is raised."""
    plant(run.path / name)

    with pytest.raises(Unreadable):
        run.read_json(name)
    assert Status() == Status.of(run)
    assert (None, None, None) == (
        readings.end(run),
        readings.report(run, "report.json"),
        readings.identity(run),
    )


def test_a_link_on_the_way(run):
    """A link in the place of a folder is not followed, nor is one in the place of all."""
    (run.path / "checkpoints").symlink_to("../secret")
    link = run.path.with_name("link")
    link.symlink_to("secret")

    with pytest.raises(Unreadable):
        run.read("checkpoints", "state.json")
    with pytest.raises(Unreadable):
        RunDir(link, run.account).read("state.json")
    assert [] == run.names("checkpoints")
    assert None is run.size_of("checkpoints", "state.json")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_somebody_elses_file(run):
    """A file that is not the account's, a hard link to another's for example, is not read."""
    (run.path / "state.json").write_text("{}")
    os.chown(run.path / "state.json", 12345, 12345)

    with pytest.raises(Unreadable, match="somebody else"):
        run.read("state.json")


def test_writing_follows_no_link(run, tmp_path):
    """A link in the place of a file that the service writes is replaced."""
    target = tmp_path / "target"
    target.write_text("mine")
    for name in ("plan.json", ".plan.json.service"):
        (run.path / name).symlink_to(target)
    run.write("plan.json", b"{}")
    os.close(run.fresh("shim.log"))

    assert "mine" == target.read_text()
    assert {} == run.read_json("plan.json")


def test_running_out_of_files_is_not_a_missing_file(run):
    """When the service itself is out of descriptors nothing is concluded about the job."""
    (run.path / "exit.rec").write_text('{"state": "SUCCEEDED"}')
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    filled = []
    try:
        with suppress(OSError):
            while True:
                filled.append(os.dup(0))
        with pytest.raises(OSError, match="Too many open files"):
            readings.end(run)
    finally:
        for fd in filled:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (b"\0" * 4096, None),
        (b'{"state": "SUCCEEDED"}'.ljust(4095) + b"\n", JobState.SUCCEEDED),
        (b'{"state": "FAILED"}' + b"\0" * 100, JobState.FAILED),
        (b'{"state": "PAUSED"}', JobState.PAUSED),
        (b'{"state": "RUNNING"}', None),
        (b'{"state": "FAI', None),
        (b'{"state": ["FAILED"]}', None),
    ],
)
def test_exit_records(run, record, state):
    """Only a whole record of a state in which jobs end, or are paused, is an end."""
    (run.path / "exit.rec").write_bytes(record)
    end = readings.end(run)

    assert state == (end and end.state)


def test_progress_without_the_impossible(run):
    """A loss that is not a number is left out; the step still counts."""
    (run.path / "report.json").write_text(
        '{"step": 7, "total": 9, "metrics": {"loss": NaN, "rate": 1}, "time": 3}'
    )
    progress = readings.report(run, "report.json")

    assert (7, 9, {"rate": 1.0}) == (progress.step, progress.total, progress.metrics)
