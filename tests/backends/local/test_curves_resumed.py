"""Event files of a job that was set back, and those that its code wrote in its workspace."""

from __future__ import annotations

import os
import time
import tracemalloc

import pytest
from event_files import event_file, framed, read, scalars
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.curves.eventdir import EventDirs
from dllab_hub.backends.local.curves.events import Events
from dllab_hub.backends.local.curves.followed import Followed
from dllab_hub.backends.local.rundir import RunDir
from dllab_hub.specs import Code, JobState, ReplicaStatus, Role, TrainingJob, TrainingSpec


@pytest.fixture
def run(tmp_path):
    """The run directory of a job."""
    (tmp_path / "run").mkdir()
    return RunDir(tmp_path / "run", Account(None, os.geteuid(), os.getegid(), "/"))


@pytest.fixture
def events(tmp_path, run):
    """Reads the event files of a job that was submitted a second before the test."""
    (tmp_path / "tb").mkdir()
    return Events(EventDirs(tmp_path / "tb", run, 1700000000.5))


def job_at(folder, started: float) -> TrainingJob:
    spec = TrainingSpec(name="a", image="pytorch", code=Code(source="1"), roles=(Role(),))
    one = ReplicaStatus(role="worker", index=0, attempt=2, state=JobState.RUNNING, started=started)
    return TrainingJob(
        id="a-bcdfghj", owner="ada", spec=spec, attempt=2, created=1.0, tensorboard=str(folder),
        state=JobState.RUNNING, replicas=(one,),
    )  # fmt: skip


def test_a_curve_that_is_not_reached_again(tmp_path, run):
    """The step of an attempt is its own: not that of a curve which only the one before drew."""
    now = time.time()
    data = scalars("loss", dict.fromkeys(range(100), 1.0), now - 300) + scalars("eval", {99: 1.0})
    event_file(tmp_path / "tb", 1, data)
    event_file(tmp_path / "tb", 2, scalars("loss", dict.fromkeys(range(50, 61), 1.0), now - 60))
    folder = type("Folder", (), {"run": run, "account": run.account})
    followed = Followed(job_at(tmp_path / "tb", now - 20), folder)
    assert followed.refresh(5.0)
    known = followed.known(job_at(tmp_path / "tb", now - 20))

    assert 60 == known.progress.step
    assert known.progress.rate == pytest.approx(1.0, rel=0.2)


def test_in_the_workspace(tmp_path, events, run):
    """Where writers choose a place themselves; not what the workspace brought along."""
    event_file(tmp_path / "tb" / "a", 1, scalars("loss", {1: 1.0}))
    event_file(run.path / "workspace" / "runs" / "Nov29", 2, scalars("loss", {2: 2.0}))
    event_file(run.path / "workspace" / "runs", -9, scalars("old", {2: 2.0}))
    event_file(run.path / "workspace" / "lightning_logs" / "v0", 3, scalars("x", {3: 3.0}))
    event_file(run.path / "workspace" / "other", 3, scalars("other", {3: 3.0}))

    expected = {"a/loss": {1: 1.0}, "runs/Nov29/loss": {2: 2.0}, "lightning_logs/v0/x": {3: 3.0}}
    assert expected == read(events)
    assert () == events.notes


@pytest.mark.parametrize("link", ["workspace", "workspace/runs", "workspace/runs/a"])
def test_links_in_the_workspace(tmp_path, events, run, link):
    """Nothing outside is read, wherever the link is."""
    outside = tmp_path / "outside"
    for folder in (outside, outside / "runs", outside / "runs" / "a"):
        event_file(folder, 1, scalars("secret", {1: 1.0}))
    (run.path / link).parent.mkdir(parents=True, exist_ok=True)
    (run.path / link).symlink_to(outside)

    assert {} == read(events)


def test_tags_without_end(tmp_path, events):
    """Names of scalars that nobody draws are not kept, however long and many they are."""
    value = Summary.Value(tensor=TensorProto(dtype=1, float_val=[0.5]))
    value.metadata.plugin_data.plugin_name = "scalars"
    data = []
    for number in range(600):
        value.tag = f"{number}" + "x" * 30_000
        event = Event(wall_time=1.0, step=1, summary=Summary(value=[value]))
        data.append(framed(event.SerializeToString()))
    event_file(tmp_path / "tb", 1, b"".join(data))
    del data
    tracemalloc.start()
    assert events.read(time.monotonic() + 30)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert kept < 8 * 1024 * 1024
