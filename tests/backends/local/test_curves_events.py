"""Event files of every kind: torn, damaged, set back, written by two, of another's making."""

from __future__ import annotations

import math
import os
import struct

import pytest
from event_files import append, event_file, framed, read, reader, restart, scalar, scalars
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto


@pytest.fixture
def folder(tmp_path):
    """The TensorBoard directory of a job."""
    path = tmp_path / "tensorboard"
    path.mkdir()
    return path


@pytest.fixture
def events(folder):
    """Reads it."""
    return reader(folder)


def test_several_runs(events, folder):
    """Each folder is a run; a run goes on in the files that were begun later."""
    event_file(folder, 1, scalars("loss", {1: 0.5, 2: 0.25}))
    event_file(folder / "train", 1, scalars("loss", {1: 4.0}))
    event_file(folder / "train", 2, scalars("loss", {2: 2.0}) + scalars("rate", {2: 0.1}))
    event_file(folder / "a" / "b", 1, scalars("deep", {1: 1.0}))

    assert {
        "loss": {1: 0.5, 2: 0.25},
        "train/loss": {1: 4.0, 2: 2.0},
        "train/rate": {2: pytest.approx(0.1)},
        "a/b/deep": {1: 1.0},
    } == read(events)
    assert () == events.notes


def test_a_later_attempt(events, folder):
    """Steps that were written again, in a later file or the same one, replace the first; curves
    that were not written again are as they were."""
    event_file(folder, 1, scalars("loss", dict.fromkeys(range(1, 9), 1.0)) + scalars("a", {9: 9.0}))
    event_file(folder, 2, scalars("loss", {5: 2.0, 6: 2.0}) + scalars("loss", {6: 3.0, 4: 4.0}))

    assert {"loss": {1: 1.0, 2: 1.0, 3: 1.0, 4: 4.0}, "a": {9: 9.0}} == read(events)


def test_a_writer_that_says_so(events, folder):
    """A writer that begins anew at a step voids all curves of its run from there, not others'."""
    event_file(folder, 1, scalars("loss", {1: 1.0, 5: 1.0}) + scalars("rate", {1: 1.0, 5: 1.0}))
    event_file(folder / "other", 1, scalars("loss", {5: 1.0}))
    event_file(folder, 2, restart(3) + scalars("loss", {3: 2.0}))

    assert {"loss": {1: 1.0, 3: 2.0}, "rate": {1: 1.0}, "other/loss": {5: 1.0}} == read(events)


@pytest.mark.parametrize("data", [b"\0" * 4096, b"hello", os.urandom(100_000), b"\xff" * 20])
def test_what_is_no_event_file(events, folder, data):
    """Anything may have the name of an event file."""
    (folder / "events.out.tfevents.1").write_bytes(data)
    event_file(folder / "fine", 1, scalars("loss", {7: 1.0}))

    assert {"fine/loss": {7: 1.0}} == read(events)


def test_a_file_that_is_replaced(events, folder):
    """A file that became smaller is read from its start."""
    path = event_file(folder, 1, scalars("loss", dict.fromkeys(range(50), 1.0)))
    read(events)
    event_file(folder, 1, scalars("loss", {5: 3.0}))

    assert 3.0 == read(events)["loss"][5]
    assert 5 == max(read(events)["loss"])
    path.unlink()
    assert 5 == max(read(events)["loss"])


def test_two_writers(events, folder):
    """Two programs in one folder: the curve is of the one that began last, and that is said."""
    first = event_file(folder, 1, scalars("loss", {1: 1.0, 2: 1.0}))
    event_file(folder, 2, scalars("loss", {1: 2.0}))
    read(events)
    append(first, scalars("loss", {3: 1.0, 4: 1.0}))
    event_file(folder, 2, scalars("loss", {1: 2.0, 2: 2.0}))

    assert {1: 2.0, 2: 2.0} == read(events)["loss"]
    assert ["Two programs"] == [note[:12] for note in events.notes]


def test_files_of_one_second(events, folder):
    """Of files that were begun in one second that of the later process, or number, is the later."""
    ends = ("999.9", "999.10", "1000.0")
    for number, end in enumerate(ends):
        made = event_file(folder, number, scalars("loss", {number: 1.0, 5: float(number)}))
        made.rename(folder / f"events.out.tfevents.1700000000.here.{end}")

    assert {0: 1.0, 1: 1.0, 2: 1.0, 5: 2.0} == read(events)["loss"]
    assert () == events.notes


@pytest.mark.parametrize(
    ("step", "when"), [(-1, 1.0), (2**63 - 1, 1.0), (1, math.nan), (1, math.inf)]
)
def test_moments_that_are_none(events, folder, step, when):
    """A point that lies nowhere is left out."""
    event_file(folder, 1, scalar("loss", step, 1.0, when) + scalar("loss", 2, 1.0))

    assert {"loss": {2: 1.0}} == read(events)


def test_values_that_are_none(events, folder):
    """A loss that became NaN or infinite stays seen, as a point without a value."""
    event_file(folder, 1, scalars("loss", {1: 1.0, 2: math.nan, 3: math.inf, 4: -math.inf}))
    read(events)
    ((_, tag, points),) = events.snapshots()

    assert (1.0, None, None, None) == points.curve(tag, "tensorboard").values


@pytest.mark.parametrize(
    ("tensor", "value"),
    [
        (TensorProto(dtype=1, float_val=[0.5]), 0.5),
        (TensorProto(dtype=1, tensor_content=struct.pack("<f", 0.5)), 0.5),
        (TensorProto(dtype=2, tensor_content=struct.pack("<d", 0.5)), 0.5),
        (TensorProto(dtype=9, int64_val=[7]), 7.0),
        (TensorProto(dtype=3, tensor_content=struct.pack("<i", -7)), -7.0),
        (TensorProto(dtype=19, half_val=[0x3800]), 0.5),
        (TensorProto(dtype=14, tensor_content=b"\x00\x3f"), 0.5),
        (TensorProto(dtype=14, half_val=[0x3F00]), 0.5),
        (TensorProto(dtype=1), 0.0),
        (TensorProto(dtype=1, tensor_content=b"12"), None),
        (TensorProto(dtype=7, string_val=[b"text"]), None),
        (
            TensorProto(dtype=1, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=2)])),
            None,
        ),
    ],
)
def test_tensors(events, folder, tensor, value):
    """TensorFlow 2 writes scalars as tensors, and says only once that a tag is one."""
    first = Summary.Value(tag="loss", tensor=tensor)
    first.metadata.plugin_data.plugin_name = "scalars"
    later = Summary.Value(tag="loss", tensor=tensor)
    other = Summary.Value(tag="other", tensor=tensor)
    records = [
        framed(Event(wall_time=1.0, step=n, summary=Summary(value=[one])).SerializeToString())
        for n, one in enumerate((first, later, other))
    ]
    event_file(folder, 1, b"".join(records))

    assert ({} if value is None else {"loss": {0: value, 1: value}}) == read(events)


def test_names_that_are_none(events, folder):
    """Control characters and names without end become names that can be shown."""
    event_file(folder, 1, scalar("a\x1b[31m", 1, 1.0) + scalar("b" * 5000, 1, 1.0))
    event_file(folder / os.fsdecode(b"\xff\n"), 1, scalar("c", 1, 1.0))
    (_, one, _), (_, two, _), (run, _, _) = read(events) and events.snapshots()

    assert ("a\ufffd[31m", 200, "\ufffd\ufffd") == (one, len(two), run)


def test_too_many_names(events, folder):
    """A job with more curves than anybody draws keeps the first, and says so."""
    event_file(folder, 1, b"".join(scalar(f"tag{n}", 1, 1.0) for n in range(600)))

    assert 500 == len(read(events))
    assert "500" in events.notes[0]


def test_what_leads_outside(events, folder, tmp_path):
    """Links and pipes are no event files, and nothing hangs."""
    outside = event_file(tmp_path / "secret", 1, scalars("secret", {1: 1.0}))
    (folder / "events.out.tfevents.1").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    os.mkfifo(folder / "events.out.tfevents.2")
    (folder / "events.out.tfevents.3").mkdir()

    assert {} == read(events)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_somebody_elses(events, folder):
    """A file of another account is not read."""
    os.chown(event_file(folder, 1, scalars("secret", {1: 1.0})), 12345, 12345)

    assert {} == read(events)
