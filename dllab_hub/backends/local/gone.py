"""`GoneLine`: jobs of places that the settings do not name any more. They can be read."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from ...errors import Conflict, StorageFull, Unavailable
from ...specs import Capacity, JobLimits, JobState, Preflight, TrainingJob, TrainingSpec
from ...state import StateDir
from .draft import Draft
from .jobdir import JobDir
from .line import Keep, Line
from .store import Store

__all__ = ("GoneLine",)

_LOG = logging.getLogger(__name__)


class GoneLine(Line):
    """Nothing runs here. What waited or ran there when the service starts is lost: nobody watches.

    What runs there goes on all the same. Once the settings name the place again it is removed, and
    a job that was lost so can be resumed.

    Args:
        state: Where things lie.
        store: Index of all jobs.
        places: Names of those that there are.
    """

    def __init__(self, state: StateDir, store: Store, places: Collection[str]) -> None:
        self._state, self._store, self._places = state, store, places
        self.known = lambda job: job
        self.cpus = 0.0

    async def start(self, keep: Keep) -> None:
        pass

    async def close(self) -> None:
        pass

    @asynccontextmanager
    async def draft(self, owner: str, spec: TrainingSpec) -> AsyncIterator[Draft]:
        self._refuse(spec)
        yield

    async def preflight(self, draft: Draft, *, deep: bool) -> Preflight:
        self._refuse(draft.job.spec)

    async def check_room(self, owner: str, spec: TrainingSpec) -> None:
        self._refuse(spec)

    async def submit(self, draft: Draft, limits: JobLimits) -> TrainingJob:
        self._refuse(draft.job.spec)

    async def resume(
        self, job: TrainingJob, by: str, limits: JobLimits, *, again: bool = False
    ) -> TrainingJob:
        if not job.state.is_resumable:
            return job
        raise Conflict(
            f"its place {job.spec.target} is not in the lab's settings any more.",
            hint=f"Run it again with rerun, on one of: {', '.join(self._places)}.",
        )

    async def capacity(self, owner: str, gpus: int | None) -> Capacity:
        raise Unavailable(
            "the settings name this place, and the lab service has not heard of it yet.",
            hint="The administrator can start it again.",
        )

    async def lend(self, owner: str, lab: str, lend: bool) -> None:
        pass

    def wake(self) -> None:
        pass

    def adopt(self) -> None:
        for job in self._store.live():
            if self.mine(job):
                _LOG.error(
                    "%s is lost: its place %s is not in the settings any more, and what runs of it "
                    "there is not ended.",
                    job.id,
                    job.spec.target,
                )
                self._end(job, JobState.LOST, _WHY.format(job.spec.target))

    def all(self) -> list[TrainingJob]:
        return []

    def find(self, id: str) -> TrainingJob | None:
        return None

    def look(self, id: str) -> TrainingJob | None:
        return None

    def cancel(self, owner: str, id: str, by: str) -> TrainingJob | None:
        job = self._store.find(owner, id)
        if job is None or job.state.is_terminal:
            return job
        how = "paused" if job.state is JobState.PAUSED else "not watched"
        return self._end(job, JobState.CANCELLED, f"cancelled by {by} while {how}.")

    def pause(self, id: str, by: str, *, again: bool = False) -> TrainingJob | None:
        return None

    def noted(self, id: str, changes: Mapping[str, Any]) -> None:
        pass

    def _end(self, job: TrainingJob, state: JobState, reason: str) -> TrainingJob:
        over = {"state": state, "reason": reason, "ended": job.ended or time.time()}
        gone = job.model_copy(
            update={
                **over,
                "position": None,
                "silent_since": None,
                "diagnosis": None,
                "replicas": tuple(
                    one
                    if one.state.is_terminal
                    else one.model_copy(update={"state": state, "ended": over["ended"]})
                    for one in job.replicas
                ),
            }
        )
        try:
            JobDir.at(self._state.jobs / job.id).say(state.value.capitalize(), reason)
            self._store.update(gone)
        except (OSError, StorageFull, Unavailable) as exc:
            # It is found to be so again when the service starts the next time.
            _LOG.error("The end of %s cannot be written: %s", job.id, exc)
        return gone

    def _refuse(self, spec: TrainingSpec) -> NoReturn:
        raise Unavailable(
            f"the lab service has not heard of the place {spec.target} yet.",
            hint="The administrator can start it again.",
        )


_WHY = "its place {} is not in the lab's settings any more, so nobody watches it."
