"""Points of a curve in bounded memory, and lines of a file that grows."""

from __future__ import annotations

import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dllab_hub.backends.local.curves.lines import Lines
from dllab_hub.backends.local.curves.series import Series, new_series, shown
from dllab_hub.backends.thinning import evenly
from dllab_hub.specs.curve import MAX_POINTS


def filled(count: int, most: int = 2 * MAX_POINTS) -> Series:
    series = Series(most)
    for step in range(count):
        series.add(step, 1000.0 + step, step / 2)
    return series


@pytest.mark.parametrize("count", [0, 1, 2, 999, 1999, 2000, 2001, 2002, 4000, 4001, 100_003])
def test_any_number_of_points(count):
    """However many come: the first and the last stay, few are kept, and they are evenly spread."""
    series = filled(count)
    points = series.snapshot()
    curve = points.curve("loss", "report")

    assert len(points.steps) <= 2 * MAX_POINTS
    assert len(curve.steps) == len(curve.values) == min(count, len(curve.times))
    assert len(curve.steps) <= MAX_POINTS
    if count:
        assert (0, count - 1) == (curve.steps[0], curve.steps[-1])
        assert len(points.steps) >= min(count, MAX_POINTS)
        gaps = [b - a for a, b in zip(points.steps, points.steps[1:], strict=False)]
        assert max(gaps[:-1], default=1) == min(gaps[:-1], default=1)
    assert all(value == step / 2 for step, value in zip(curve.steps, curve.values, strict=True))


def test_a_training_that_is_set_back():
    """What was known from that step on is forgotten, however much was thinned before."""
    series = filled(5000)
    series.add(3001, 9000.0, -1.0)
    series.add(3002, 9001.0, -2.0)
    points = series.snapshot()

    assert [3001, 3002] == list(points.steps[-2:])
    assert [-1.0, -2.0] == list(points.values[-2:])
    assert max(points.steps[:-2]) <= 3000
    assert sorted(points.steps) == list(points.steps)
    series.cut(0)
    assert (0, None) == (len(series), series.last)
    series.add(0, 1.0, 1.0)
    assert (0, 1.0, 1.0) == series.last


@given(st.lists(st.integers(0, 50), max_size=300))
def test_steps_in_any_order(steps):
    """Whatever comes: points are points that came, ascending, few, and the newest is there."""
    series = Series(20)
    for number, step in enumerate(steps):
        series.add(step, float(number), float(number))
    found = series.snapshot()
    assert sorted(found.steps) == list(found.steps)
    assert len(found.steps) <= 20
    if steps:
        assert (steps[-1], float(len(steps) - 1)) == (found.steps[-1], found.values[-1])
        assert set(zip(found.steps, found.values, strict=True)) <= {
            (step, float(number)) for number, step in enumerate(steps)
        }


def test_values_that_are_no_numbers():
    """They are gaps."""
    series = Series()
    for step, value in enumerate((1.0, math.nan, math.inf)):
        series.add(step, 1.0, value)

    assert (1.0, None, None) == series.snapshot().curve("loss", "report").values


def test_many_curves():
    """The more a job has, the fewer points has each."""
    first, late = (new_series(before) for before in (0, 400))
    for step in range(10_000):
        first.add(step, 1.0, 1.0)
        late.add(step, 1.0, 1.0)

    assert len(first) > 2 * len(late) > 400


@given(st.lists(st.integers(), max_size=100), st.integers(2, 60))
def test_evenly(values, most):
    """At most so many, in order, the first and the last among them."""
    found = evenly(values, most)

    assert len(found) == min(len(values), most)
    assert (not values) or (values[0], values[-1]) == (found[0], found[-1])


@pytest.mark.parametrize(
    ("text", "seen"), [("loss", "loss"), ("a\nb\u202e", "a\ufffdb\ufffd"), ("x" * 300, "x" * 200)]
)
def test_names(text, seen):
    """What is shown is of one line, and of a length."""
    assert seen == shown(text)


class File:
    """A file, and its lines as they are read."""

    def __init__(self, path):
        self.path = path
        self.path.touch()
        self.lines = Lines()

    def write(self, data: bytes) -> list:
        with self.path.open("ab") as file:
            file.write(data)
        return self.read()

    def read(self) -> list:
        fd = os.open(self.path, os.O_RDONLY)
        try:
            return [found for piece in self.lines.read(fd) for found in piece]
        finally:
            os.close(fd)


@pytest.fixture
def file(tmp_path):
    """An empty file."""
    return File(tmp_path / "worker-0.jsonl")


def test_lines_as_they_come(file):
    """A line counts when it is whole; one that is no JSON object is left out and counted."""
    assert [] == file.write(b'{"step"')
    assert [{"step": 1}] == file.write(b': 1}\n{"a"')
    assert [{"a": 2}] == file.write(b": 2}\n[1]\nnonsense\n\n\xff\xfe\n" + b"[" * 60_000 + b"\n")
    assert 4 == file.lines.wrong
    assert [{"step": 3}] == file.write(b'{"step": 3}\n')


def test_a_line_without_end(file):
    """A giant line takes no memory, and what follows it is read."""
    assert [] == file.write(b"x" * 3_000_000)
    assert len(file.lines._rest) <= 64 * 1024
    assert [{"step": 1}] == file.write(b'x\n{"step": 1}\n')


def test_many_pieces(file):
    """Lines across the pieces that are read at a time are whole."""
    lines = [{"step": step, "pad": "x" * (step % 91)} for step in range(5000)]

    assert lines == file.write("".join(json.dumps(line) + "\n" for line in lines).encode())


def test_a_file_that_was_replaced(file):
    """It is read from its start."""
    file.write(b'{"step": 1}\n{"step": 2}\n')
    file.path.write_bytes(b'{"step": 9}\n')
    assert [{"step": 9}] == file.read()
    other = file.path.with_name("other")
    other.write_bytes(b'{"step": 10}\n')
    other.rename(file.path)
    assert [{"step": 10}] == file.read()
