"""Records of event files: torn, damaged, large, and a piece at a time."""

from __future__ import annotations

import os
import struct
import time

import pytest
from event_files import append, event_file, framed, read, reader, scalar, scalars
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from dllab_hub.backends.local.curves.records import MAX_RECORD, masked_crc

HEADER = 12


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


def test_our_checksum(folder):
    """Is TensorBoard's."""
    for size in (0, 1, 8, 100):
        data = os.urandom(size)
        assert struct.pack("<I", masked_crc(data)) == framed(data)[-4:]


def test_a_torn_end(events, folder):
    """A record that is not whole is waited for, wherever it is cut."""
    whole = scalar("loss", 2, 0.5)
    path = event_file(folder, 1, scalar("loss", 1, 1.0))
    for cut in range(len(whole)):
        append(path, whole[cut : cut + 1])
        found = read(events)
        assert {1: 1.0} | ({2: 0.5} if cut == len(whole) - 1 else {}) == found["loss"]
    assert () == events.notes


@pytest.mark.parametrize("at", [0, 9, HEADER + 20, -2])
def test_damage_in_the_middle(events, folder, at):
    """What lies before damage counts, what follows is left out, other files are read, and the
    person is told where."""
    before, bad, after = (scalar("loss", step, 1.0) for step in (1, 2, 3))
    at %= len(bad)
    bad = bad[:at] + bytes([bad[at] ^ 0x41]) + bad[at + 1 :]
    path = event_file(folder, 1, before + bad + after)
    event_file(folder / "fine", 1, scalars("loss", {7: 1.0}))

    assert {"loss": {1: 1.0}, "fine/loss": {7: 1.0}} == read(events)
    append(path, scalar("loss", 4, 1.0))
    assert {1: 1.0} == read(events)["loss"]
    (note,) = events.notes
    assert path.name in note
    assert "damaged" in note
    done, total = events.size
    assert done == total


def test_no_event_in_a_whole_record(events, folder):
    """A record with true checksums that is no event ends the file."""
    event_file(folder, 1, scalar("a", 1, 1.0) + framed(b"\x0a\xff") + scalar("a", 2, 1.0))

    assert {"a": {1: 1.0}} == read(events)
    assert "no event" in events.notes[0]


def test_large_records(events, folder):
    """A record that holds a picture is passed over without being read."""
    picture = framed(os.urandom(MAX_RECORD + 1))
    event_file(folder, 1, scalar("loss", 1, 1.0) + picture + scalar("loss", 2, 2.0))

    assert {"loss": {1: 1.0, 2: 2.0}} == read(events)


@pytest.mark.parametrize("size", [1, MAX_RECORD, 3_000_000])
def test_one_event_for_all(events, folder, size):
    """TensorFlow 1 writes pictures and scalars as one event: the scalars are found."""
    image = Summary.Image(height=1, width=1, encoded_image_string=os.urandom(size))
    summary = Summary()
    for n in range(3):
        summary.value.add(tag=f"picture{n}", image=image)
        summary.value.add(tag=f"loss{n}", simple_value=n / 2)
    records = [
        framed(Event(wall_time=1.0, step=step, summary=summary).SerializeToString())
        for step in (5, 300)
    ]
    event_file(folder, 1, b"".join(records) + scalar("loss0", 301, 9.0))

    expected = {f"loss{n}": {5: n / 2, 300: n / 2} for n in range(3)}
    expected["loss0"][301] = 9.0
    assert expected == read(events)
    assert () == events.notes


@pytest.mark.parametrize(
    "head", [b"\x2a\xff\xff\xff\xff\xff\x7f", b"\xff" * 20, b"\x07", b"\x2a\x05\x0a\x80"]
)
def test_a_large_record_that_is_no_event(events, folder, head):
    """It is passed over like a picture, and what follows is read."""
    bad = framed(head + b"\x80" * (MAX_RECORD + 1))
    event_file(folder, 1, scalar("loss", 1, 1.0) + bad + scalar("loss", 2, 2.0))

    assert {"loss": {1: 1.0, 2: 2.0}} == read(events)


def test_a_piece_at_a_time(events, folder):
    """What cannot be read in the time there is, is read the next time; nothing is read twice."""
    event_file(folder, 1, scalars("loss", {step: float(step) for step in range(3000)}))
    rounds = 0
    while not events.read(time.monotonic()):
        rounds += 1
        done, total = events.size
        assert done <= total

    assert rounds > 10
    points = read(events)["loss"]
    assert all(step == value for step, value in points.items())
    assert (0, 2999) == (min(points), max(points))
