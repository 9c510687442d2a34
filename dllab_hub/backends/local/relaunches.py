"""`Relaunches`: jobs that save, end and go on elsewhere, unless a person wants something else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from ...errors import Conflict, Unavailable
from ...specs import NO_LIMITS, JobState, TrainingJob, TrainingSpec
from .asked import Asked
from .line import Line
from .place import Place

__all__ = ("Relaunches",)

_LOG = logging.getLogger(__name__)
#: Seconds between two tries to queue a job again that is still ending, and how many there are.
_PAUSE, _TRIES = 5.0, 24


class Relaunches:
    """That a job is to go on stands beside who paused it: a service that is stopped in between is
    followed by one that has it go on.

    Args:
        place: Where jobs are kept.
        line: Where a job runs.
    """

    def __init__(self, place: Place, line: Callable[[TrainingSpec], Line]) -> None:
        self._place = place
        self._line = line
        self._tasks: set[asyncio.Task[TrainingJob]] = set()

    async def start(self) -> None:
        """Bring to an end what the service before this one has begun. The lines have started."""
        for job, by in await self._place.keep(self._begun):
            task = asyncio.create_task(self._go_on(job, by), name=f"dllab-relaunch-{job.id}")
            self._tasks.add(task)
            task.add_done_callback(self._over)

    async def close(self) -> None:
        """Leave the rest to the next service."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def relaunch(self, job: TrainingJob, by: str) -> TrainingJob:
        """As `Backend.relaunch`.

        Raises:
            Conflict: somebody has paused or cancelled it, or it has ended otherwise.
            Unavailable: it does not end; the next service tries again.
        """
        line = self._line(job.spec)
        await self._place.keep(partial(line.pause, job.id, by, again=True))
        line.wake()
        return await self._go_on(job, by)

    async def _go_on(self, job: TrainingJob, by: str) -> TrainingJob:
        line, left = self._line(job.spec), _TRIES
        while True:
            try:
                found = await line.resume(job, by, NO_LIMITS, again=True)
                break
            except Unavailable:  # It has not ended yet, and must not stay as it is.
                left -= 1
                if not left:
                    raise
            await asyncio.sleep(_PAUSE)
        if found.state is JobState.PAUSED or found.state.is_terminal:
            raise Conflict(f"it is left as it is, {found.state.value}: {found.reason}")
        return found

    def _begun(self) -> list[tuple[TrainingJob, str]]:
        jobs = (*self._place.lines.all(), *self._place.store.paused())
        asked = ((job, Asked.of(self._place.folder(job.id), job.owner)) for job in jobs)
        return [(job, wish.paused_by) for job, wish in asked if wish.again]

    def _over(self, task: asyncio.Task[TrainingJob]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.warning("A relaunch that was begun before does not come to its end: %s", error)
