"""`Backend`: what every place that runs jobs can do.

The public verbs are concrete: they check the wish, own the policy and are idempotent where a person
may press twice. The private verbs are the mechanism, and all that a new backend writes:

    _submit  _get  _list  _cancel  _pause  _resume  _logs  _events  _checkpoints  _capacity  _lend
    _preflight

Its parts are nouns of their own: `Serving` (models and what serves them), `Workspaces` (files that
travel with jobs), `History` (what is kept of jobs), `Insight` (what can be known of them) and
`Notices` (how people are told).
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import Conflict, InvalidRequest
from ..specs import (
    MAX_GPUS,
    NO_LIMITS,
    Capacity,
    Catalog,
    JobFilter,
    JobLimits,
    JobPage,
    JobState,
    Preflight,
    TrainingJob,
    TrainingSpec,
)
from .changing import changed
from .pausing import check_pausable, check_resumable
from .pieces import check_limit
from .placing import place_of
from .room import check_room
from .source import check_source
from .told import Told
from .wishing import check_beginning, check_offered

if TYPE_CHECKING:
    from .history import History
    from .insight import Insight
    from .notices import Notices
    from .serving import Serving
    from .workspaces import Workspaces

__all__ = ("Backend", "MAX_PAGE")

#: Most jobs one page holds.
MAX_PAGE = 500


class Backend(Told, ABC):
    """Runs jobs for people. ``owner`` is the name of a person whom the caller has identified.

    A job of another owner does not exist as far as this interface can tell: `NotFound`.

    Attributes:
        cpus: How many CPUs the jobs that run may count for together.
    """

    serving: Serving
    workspaces: Workspaces
    history: History
    insight: Insight
    notices: Notices
    cpus: float = math.inf

    async def start(self) -> None:
        """Make ready: adopt what runs already. Called once before any verb."""

    async def close(self) -> None:
        """Let go of everything except what runs."""

    @abstractmethod
    async def catalog(self) -> Catalog:
        """What a job may name."""

    async def submit(
        self, owner: str, spec: TrainingSpec, limits: JobLimits = NO_LIMITS
    ) -> TrainingJob:
        """Start a job, or queue it while its GPUs are held by others.

        Args:
            owner: Person.
            spec: The wish.
            limits: Of the person. They hold also for many submits at once.

        Raises:
            AccessDenied: other jobs of the person hold all that they may have.
            InvalidRequest: a field is wrong, names something that is not offered, asks for more
                than there is, or the code would fail at once (``line`` says where).
            StorageFull: the state directory has no room.
        """
        await self.check(owner, spec)
        return await self._submit(owner, spec, limits)

    async def get(self, owner: str, id: str) -> TrainingJob:
        """The job as it is now.

        Raises:
            NotFound: no such job of this owner.
        """
        return await self._get(owner, id)

    async def list(
        self,
        owner: str,
        *,
        states: Collection[JobState] = (),
        where: JobFilter = JobFilter(),  # noqa: B008 - it is frozen
        limit: int = 50,
        after: str | None = None,
    ) -> JobPage:
        """The owner's jobs, newest first.

        Args:
            owner: Person.
            states: Only jobs in one of these; empty for all. Short for a filter.
            where: Which jobs.
            limit: 1 to `MAX_PAGE`.
            after: ``next`` of the page before.
        """
        check_limit(limit, MAX_PAGE)
        if states:
            where = where.model_copy(update={"states": tuple(map(JobState, states))})
        return await self._list(owner, where, limit, after)

    @property
    def current(self) -> float | None:
        """When what is known of its clusters was last up to date, seconds since the epoch; None
        where there is none.
        """
        return None

    async def live(self) -> tuple[TrainingJob, ...]:
        """Everybody's jobs that wait or run: for the service itself, never for a person."""
        return ()

    async def cancel(self, owner: str, id: str) -> TrainingJob:
        """End the job; one that has ended already is returned as it is."""
        job = await self._get(owner, id)
        if job.state.is_terminal:
            return job
        return await self._cancel(owner, id)

    async def pause(self, owner: str, id: str) -> TrainingJob:
        """Ask the job to save, end it and give its GPUs back; it can be resumed.

        What was done since its last checkpoint is lost unless the code saves on SIGTERM. A job that
        is paused already is returned as it is; one that waits is taken out of the queue.

        Raises:
            Conflict: it has ended.
        """
        job = await self._get(owner, id)
        if job.state is JobState.PAUSED:
            return job
        check_pausable(job)
        return await self._pause(owner, id)

    async def resume(self, owner: str, id: str, limits: JobLimits = NO_LIMITS) -> TrainingJob:
        """Queue a job again that was paused, failed, cancelled or lost: its next attempt starts
        from its last checkpoint. One that waits or runs is returned as it is; one that is being
        paused is resumed once it is. The limits are those of `submit`.

        Raises:
            AccessDenied: as in `submit`.
            Conflict: it has succeeded, or used up its time limit, or its files are gone.
        """
        job = await self._get(owner, id)
        check_resumable(job)
        return await self._resume(owner, id, limits)

    async def relaunch(self, owner: str, id: str, by: str) -> TrainingJob:
        """Have a job that runs save and end, and queue it again: it goes on from its last
        checkpoint, on whatever GPUs it gets then.

        Args:
            owner: Person.
            id: Of the job.
            by: Who wants it; in its events.

        Raises:
            Conflict: it does not run.
        """
        job = await self._get(owner, id)
        if not job.state.is_running:
            raise Conflict(f"it is {job.state.value}: there is nothing to relaunch.")
        return await self._relaunch(owner, id, by)

    async def respec(self, owner: str, id: str, changes: Mapping[str, Any]) -> TrainingSpec:
        """The wish of a job with some of its fields `changed`, to submit it again."""
        return changed((await self._get(owner, id)).spec, changes)

    async def preflight(self, owner: str, spec: TrainingSpec, *, deep: bool = False) -> Preflight:
        """Look for what would make the job fail at once, without taking a GPU.

        Args:
            owner: Person.
            spec: The wish.
            deep: Import for real what the code imports, with limits of time and memory. Else it is
                only looked for: about a third of a second.
        """
        await self.check(owner, spec)
        return await self._preflight(owner, spec, deep)

    async def capacity(
        self, owner: str, gpus: int | None = None, target: str | None = None
    ) -> Capacity:
        """GPUs free and held, and what a request for ``gpus`` of them would meet.

        Args:
            owner: Person.
            gpus: How many; None without a wish.
            target: Name of the place; None for the usual one.

        Raises:
            InvalidRequest: there is no such place, or that is no number of GPUs.
            Unavailable: the place cannot be asked now.
        """
        if gpus is not None and not 0 <= gpus <= MAX_GPUS:
            raise InvalidRequest(f"must be from 0 to {MAX_GPUS}.", field="gpus")
        if target is not None:
            place_of(await self.catalog(), target)
        return await self._capacity(owner, gpus, target)

    async def lend(self, owner: str, lab: str, lend: bool) -> Capacity:
        """Let the owner's jobs use a lab's GPUs, or no longer; those that use them go on.

        Raises:
            NotFound: the owner has no such lab, or it has no GPU.
        """
        await self._lend(owner, lab, lend)
        return await self._capacity(owner, None, None)

    async def check(self, owner: str, spec: TrainingSpec) -> None:
        """Refuse what can be seen to be wrong without running anything."""
        check_offered(await self.catalog(), spec)
        await check_beginning(self, owner, spec)
        await self._check_room(owner, spec)
        await asyncio.to_thread(check_source, spec)

    async def _check_room(self, owner: str, spec: TrainingSpec) -> None:
        gpus = (await self._capacity(owner, None, spec.target)).total if spec.gpus else 0
        check_room(spec, gpus, self.cpus)

    @abstractmethod
    async def _submit(self, owner: str, spec: TrainingSpec, limits: JobLimits) -> TrainingJob: ...

    @abstractmethod
    async def _get(self, owner: str, id: str) -> TrainingJob: ...

    @abstractmethod
    async def _list(
        self, owner: str, where: JobFilter, limit: int, after: str | None
    ) -> JobPage: ...

    @abstractmethod
    async def _cancel(self, owner: str, id: str) -> TrainingJob: ...

    @abstractmethod
    async def _pause(self, owner: str, id: str) -> TrainingJob: ...

    @abstractmethod
    async def _resume(self, owner: str, id: str, limits: JobLimits) -> TrainingJob: ...

    async def _relaunch(self, owner: str, id: str, by: str) -> TrainingJob:
        await self._pause(owner, id)
        return await self._resume(owner, id, NO_LIMITS)

    @abstractmethod
    async def _preflight(self, owner: str, spec: TrainingSpec, deep: bool) -> Preflight: ...

    @abstractmethod
    async def _capacity(self, owner: str, gpus: int | None, target: str | None) -> Capacity: ...

    @abstractmethod
    async def _lend(self, owner: str, lab: str, lend: bool) -> None: ...
