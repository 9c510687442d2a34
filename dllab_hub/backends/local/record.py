"""`record_of`: all that is known of a job, from its files. It blocks, and trusts none of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...specs import Curve, Environment, Event, JobRecord, TrainingJob
from ..replicas import replica_names
from ..thinning import thinned
from .artefacts import artefacts
from .jobdir import JobDir, read_listing
from .rundir import RunDir, Unreadable

__all__ = ("record_of",)

#: Bytes of one log's end, and of all of them: a record has to fit into a request.
_LOG, _LOGS = 64 * 1024, 1024 * 1024
#: Points of all curves of a record together.
_POINTS = 60_000
#: Events at the beginning and at the end; a job that restarts for weeks has many.
_FIRST, _LAST = 200, 800


def record_of(
    job: TrainingJob, folder: JobDir, environment: Environment | None, curves: Sequence[Curve]
) -> JobRecord:
    """The record of a job as it is now.

    Args:
        job: The job.
        folder: Its directory; what is not there (any more) is left out.
        environment: What it ran in.
        curves: What it said and used.
    """
    files = read_listing(folder)
    code = job.spec.code
    own = {*code.files, *(file.path for file in files)} | (
        {code.filename} if code.source else set()
    )
    return JobRecord(
        job=job,
        events=_shortened(folder.events()),
        environment=environment,
        files=files,
        artefacts=artefacts(folder.run, own),
        curves=thinned(curves, _POINTS),
        logs=_logs(folder.run, job),
    )


def _logs(run: RunDir, job: TrainingJob) -> dict[str, str]:
    """The end of each replica's log; of the one that failed first as much as there may be."""
    names = replica_names(job.spec) if job.attempt else []
    share = min(_LOG, _LOGS // max(len(names), 1))
    first = job.diagnosis.replica if job.diagnosis else ""
    found = {
        name: _tail(run, job.attempt, name, _LOG if name == first else share) for name in names
    }
    return {name: text for name, text in found.items() if text}


def _tail(run: RunDir, attempt: int, name: str, limit: int) -> str:
    try:
        with run.opened("attempts", str(attempt), f"{name}.log") as (fd, size):
            data = os.pread(fd, limit, max(size - limit, 0))
    except Unreadable:
        return ""
    while size > limit and data and data[0] & 0xC0 == 0x80:  # Within a character.
        data = data[1:]
    return data.decode("utf-8", "replace")


def _shortened(events: Sequence[Event]) -> tuple[Event, ...]:
    if len(events) <= _FIRST + _LAST:
        return tuple(events)
    return (*events[:_FIRST], *events[-_LAST:])
