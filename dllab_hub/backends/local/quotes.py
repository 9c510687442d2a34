"""`quote_of`: what a wish would cost where it is to run, and when it would start."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ...names import new_id
from ...specs import QUOTA_DAYS, Capacity, Holder, JobState, Quote, TrainingJob, TrainingSpec
from ..quoting import Ahead, Busy, ahead_of, ends_in, first_start, quote
from ..room import Room, cpu_wish
from .line import Line
from .place import Place

if TYPE_CHECKING:
    from .kept import KeptBackend

__all__ = ("hours_of", "quote_of", "used_by")


async def quote_of(place: Place, backend: KeptBackend, owner: str, spec: TrainingSpec) -> Quote:
    """The price tag of a wish; nothing is reserved.

    Args:
        place: Where jobs lie.
        backend: Whose capacity it is.
        owner: Whose the wish is.
        spec: The wish.
    """
    now = time.time()
    line = backend.line(spec)
    capacity = await backend.capacity(owner, spec.gpus, spec.target)
    live: list[TrainingJob] = await place.keep(_live, place)
    there = [job for job in live if backend.line(job.spec) is line]
    waiting = [job for job in there if job.state is JobState.PENDING]
    running = [job for job in there if job.state.is_running]
    before = ahead_of(owner, spec.priority, waiting)
    room = Room(
        capacity.total,
        capacity.holders,
        line.cpus,
        [(_holder(job), cpu_wish(job.spec, line.cpus)) for job in running],
    )
    # Each that waits may keep what it lacks from those behind it.
    for job in before:
        room.refusal(job, now - job.created)
    mine = TrainingJob(
        id=new_id(spec.name), owner=owner, spec=spec, state=JobState.PENDING, created=now
    )
    return quote(
        spec,
        capacity=capacity,
        ahead=len(before),
        used=await asyncio.to_thread(hours_of, place, owner, live, now),
        at_once=not room.refusal(mine, 0.0),
        wait=_wait(line, capacity, mine, running, before, now),
        now=now,
    )


async def used_by(place: Place, owner: str) -> float:
    """GPU-hours that a person has used, as `hours_of`, by what is known now.

    Args:
        place: Where jobs lie.
        owner: The person.
    """
    live: list[TrainingJob] = await place.keep(_live, place)
    return await asyncio.to_thread(hours_of, place, owner, live, time.time())


def hours_of(place: Place, owner: str, live: list[TrainingJob], now: float) -> float:
    """GPU-hours that a person has used in the last `QUOTA_DAYS` days, what runs included.

    Args:
        place: Where jobs lie.
        owner: The person.
        live: Jobs that wait or run.
        now: Seconds since the epoch.
    """
    since = now - QUOTA_DAYS * 86400
    seconds = place.store.gpu_seconds(owner, since)
    for job in live:
        if job.owner != owner:
            continue
        seconds += job.gpu_seconds  # Of its launches before.
        if job.state.is_running and job.started is not None:
            seconds += job.spec.gpus * max(now - max(job.started, since), 0.0)
    return seconds / 3600


def _holder(job: TrainingJob) -> Holder:
    return Holder(kind="job", owner=job.owner, name=job.spec.name, id=job.id)


def _live(place: Place) -> list[TrainingJob]:
    """On the thread of decisions."""
    return [place.lines.find(job.id) or job for job in place.store.live()]


def _wait(
    line: Line,
    capacity: Capacity,
    mine: TrainingJob,
    running: list[TrainingJob],
    before: list[TrainingJob],
    now: float,
) -> float | None:
    def cpus(job: TrainingJob) -> float:
        return cpu_wish(job.spec, line.cpus)

    def ahead(job: TrainingJob) -> Ahead:
        limit = job.spec.time_limit
        lasts = None if limit is None else max(limit - job.ran, 0.0)
        return Ahead(job.spec.gpus, cpus(job), lasts)

    busy = [Busy(job.spec.gpus, cpus(job), ends_in(job, now)) for job in running]
    free = (capacity.free, line.cpus - sum(each.cpus for each in busy))
    return first_start(ahead(mine), free, busy, [ahead(job) for job in before])
