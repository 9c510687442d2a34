"""What is kept of jobs: 10,000 of them, listed and searched."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from table import Row, Spread

from dllab_hub.backends.local import index
from dllab_hub.backends.local.store import Store
from dllab_hub.specs import Code, JobFilter, JobState, TrainingJob, TrainingSpec

__all__ = ("JOBS", "fill", "history_rows")

JOBS = 10_000
ROUNDS = 7
#: Text of each job's code, beside its own first line: about 2.5 KB.
BODY = "\n".join(f"layer_{n} = Dense({n}, activation='relu')" for n in range(60))
FILTERS = {
    "first page": JobFilter(),
    "a tag": JobFilter(tag="t7"),
    "a state and a name": JobFilter(name="digits", states=(JobState.FAILED,)),
    "words that are everywhere": JobFilter(text="relu dense layer_59"),
    "words of one job": JobFilter(text="digits-0000003"),
    "words that are nowhere": JobFilter(text="is nowhere"),
}


def history_rows() -> Iterator[Row]:
    """All lists, each of a fresh connection as a request has it."""
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        fill(Path(name))
        store = Store(Path(name))
        store.open()
        for what, where in FILTERS.items():
            taken = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                store.page("ada", where, 50, None)
                taken.append((time.perf_counter() - began) * 1e3)
            spread = Spread(tuple(taken), "ms")
            yield Row(f"insight: {JOBS} jobs, {what}", spread, None, "<= 100 ms", max(taken) <= 100)
        store.close()


def fill(root: Path) -> None:
    """Make the index of a state directory, with all those jobs."""
    store = Store(root)
    store.open()
    with store._db:
        for number in range(JOBS):
            index.put(store._db, _job(number))
    store.close()


def _job(number: int) -> TrainingJob:
    code = Code(source=f"seed = {number}\n{BODY}\noptimizer = 'adam'")
    return TrainingJob(
        id=f"digits-{number:07d}",
        owner="ada",
        spec=TrainingSpec(name="digits", image="pytorch", code=code),
        state=JobState.SUCCEEDED if number % 10 else JobState.FAILED,
        created=1000.5 + number,
        ended=2000.5 + number,
        tags=(f"t{number % 50}",),
    )
