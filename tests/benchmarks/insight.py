"""What is known of jobs: event files of 1 GB, read while a service does other things."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from event_files import append, big_file, reader, scalar
from insight_history import history_rows
from insight_logs import log_rows
from table import Row, Spread

from dllab_hub.backends.local.curves.events import Events

GIB = 1024**3
#: Seconds of one step, as `LocalCurves` has it.
STEP = 0.02
#: Steps after the file is known, each with a few new scalars.
LATER = 50


def rows() -> Iterator[Row]:
    """All rows of this area."""
    yield from event_rows()
    yield from history_rows()
    yield from log_rows()


def event_rows() -> Iterator[Row]:
    """A file of 1 GB, mostly pictures; and one of histograms."""
    for what, part in (("pictures", 0.8), ("histograms", 0.0)):
        with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
            path, steps = big_file(Path(name), GIB, part=part)
            yield from _read(f"insight: 1 GB of event files, mostly {what}", path, steps)


def _read(what: str, path: Path, steps: int) -> Iterator[Row]:
    me = psutil.Process()
    events = reader(path.parent)
    before = me.memory_info().rss
    first = _steps(events)
    grown = (me.memory_info().rss - before) / 1e6
    later: list[float] = []
    for n in range(LATER):
        append(path, scalar("loss", steps + n + 1, 0.5))
        later += _steps(events)
    known = {tag: last[0] for tag, last in events.lasts().items()}
    assert known == {"loss": steps + LATER, "rate": steps}, known
    yield Row(
        f"{what}: longest step of the first look",
        Spread((max(first) * 1e3,), "ms"),
        None,
        "<= 50 ms",
        max(first) <= 0.05,
    )
    yield Row(
        f"{what}: refresh afterwards",
        Spread(tuple(seconds * 1e3 for seconds in later), "ms"),
        None,
        "all <= 50 ms",
        max(later) <= 0.05,
    )
    whole = sum(first)
    yield Row(f"{what}: the first look in all", Spread((whole,), "s"), None, "<= 30", whole <= 30)
    yield Row(f"{what}: memory that it takes", Spread((grown,), "MB"), None, "<= 20", grown <= 20)


def _steps(events: Events) -> list[float]:
    """Seconds of work of each step until all is read; those of other programs do not count."""
    took: list[float] = []
    done = False
    while not done:
        began = time.thread_time()
        done = events.read(time.monotonic() + STEP)
        took.append(time.thread_time() - began)
    return took
