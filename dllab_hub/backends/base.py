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

from ..errors import Conflict, InvalidRequest, NotFound
from ..specs import (
    MAX_GPUS,
    Capacity,
    Catalog,
    Checkpoint,
    Event,
    JobFilter,
    JobPage,
    JobState,
    LogChunk,
    Preflight,
    TrainingJob,
    TrainingSpec,
)
from .changing import changed
from .pieces import check_limit, check_piece
from .room import check_room
from .source import check_source

if TYPE_CHECKING:
    from .history import History
    from .insight import Insight
    from .notices import Notices
    from .serving import Serving
    from .workspaces import Workspaces

__all__ = ("Backend", "MAX_LOG_BYTES", "MAX_PAGE")

#: Most bytes of log one call returns.
MAX_LOG_BYTES = 1024 * 1024
#: Most jobs one page holds.
MAX_PAGE = 500


class Backend(ABC):
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

    async def start(self) -> None:  # noqa: B027 - many backends have nothing to adopt
        """Make ready: adopt what runs already. Called once before any verb."""

    async def close(self) -> None:  # noqa: B027
        """Let go of everything except what runs."""

    @abstractmethod
    async def catalog(self) -> Catalog:
        """What a job may name."""

    async def submit(self, owner: str, spec: TrainingSpec) -> TrainingJob:
        """Start a job, or queue it while its GPUs are held by others.

        Raises:
            InvalidRequest: a field is wrong, names something that is not offered, asks for more
                than there is, or the code would fail at once (``line`` says where).
            StorageFull: the state directory has no room.
        """
        await self.check(owner, spec)
        return await self._submit(owner, spec)

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
        if job.state.is_terminal:
            raise Conflict(
                f"the job has ended: {job.state.value}.", hint="There is nothing to pause."
            )
        return await self._pause(owner, id)

    async def resume(self, owner: str, id: str) -> TrainingJob:
        """Queue a job again that was paused, failed, cancelled or lost: its next attempt starts
        from its last checkpoint. One that waits or runs is returned as it is; one that is being
        paused is resumed once it is.

        Raises:
            Conflict: it has succeeded, or used up its time limit, or its files are gone.
        """
        job = await self._get(owner, id)
        if job.state is JobState.SUCCEEDED:
            raise Conflict("the job has succeeded.", hint="Run it again with rerun.")
        if not job.files:
            raise Conflict("the job's files are gone.", hint="Run it again with rerun.")
        return await self._resume(owner, id)

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

    async def logs(
        self,
        owner: str,
        id: str,
        *,
        replica: str | None = None,
        attempt: int | None = None,
        offset: int = 0,
        limit: int = 65536,
    ) -> LogChunk:
        """A piece of the logs.

        Args:
            owner: Person.
            id: Of the job.
            replica: Such as ``worker-0``; None for all, merged by time.
            attempt: From 1; None for the newest.
            offset: Where to start; negative counts from the end.
            limit: Most bytes, 1 to `MAX_LOG_BYTES`.
        """
        check_limit(limit, MAX_LOG_BYTES)
        check_piece(attempt, offset)
        return await self._logs(owner, id, replica, attempt, offset, limit)

    async def events(self, owner: str, id: str) -> tuple[Event, ...]:
        """What happened to the job, oldest first."""
        return await self._events(owner, id)

    async def checkpoints(self, owner: str, id: str) -> tuple[Checkpoint, ...]:
        """The job's whole checkpoints, newest first."""
        return await self._checkpoints(owner, id)

    async def capacity(self, owner: str, gpus: int | None = None) -> Capacity:
        """GPUs free and held, and what a request for ``gpus`` of them would meet."""
        if gpus is not None and not 0 <= gpus <= MAX_GPUS:
            raise InvalidRequest(f"must be from 0 to {MAX_GPUS}.", field="gpus")
        return await self._capacity(owner, gpus)

    async def lend(self, owner: str, lab: str, lend: bool) -> Capacity:
        """Let the owner's jobs use the GPUs of a lab of theirs, or no longer.

        Jobs that use them already go on.

        Args:
            owner: Person.
            lab: Id of the lab.
            lend: Whether they may.

        Raises:
            NotFound: the owner has no such lab, or it has no GPU.
        """
        await self._lend(owner, lab, lend)
        return await self._capacity(owner, None)

    async def check(self, owner: str, spec: TrainingSpec) -> None:
        """Refuse what can be seen to be wrong without running anything."""
        catalog = await self.catalog()
        catalog.image(spec.image)
        for name in spec.volumes:
            catalog.volume(name)
        if spec.replicas > catalog.max_replicas:
            most = max(range(len(spec.roles)), key=lambda n: spec.roles[n].replicas)
            raise InvalidRequest(
                f"a job may have {catalog.max_replicas} replicas at most.",
                field=f"roles.{most}.replicas",
            )
        if spec.checkpoint_from is not None:
            try:
                first = await self._get(owner, spec.checkpoint_from)
            except NotFound:
                raise InvalidRequest("you have no such job.", field="checkpoint_from") from None
            if not first.files:
                raise InvalidRequest("the files of that job are gone.", field="checkpoint_from")
        gpus = (await self._capacity(owner, None)).total if spec.gpus else 0
        check_room(spec, gpus, self.cpus)
        await asyncio.to_thread(check_source, spec)

    @abstractmethod
    async def _submit(self, owner: str, spec: TrainingSpec) -> TrainingJob: ...

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
    async def _resume(self, owner: str, id: str) -> TrainingJob: ...

    @abstractmethod
    async def _preflight(self, owner: str, spec: TrainingSpec, deep: bool) -> Preflight: ...

    @abstractmethod
    async def _logs(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int, limit: int
    ) -> LogChunk: ...

    @abstractmethod
    async def _events(self, owner: str, id: str) -> tuple[Event, ...]: ...

    @abstractmethod
    async def _checkpoints(self, owner: str, id: str) -> tuple[Checkpoint, ...]: ...

    @abstractmethod
    async def _capacity(self, owner: str, gpus: int | None) -> Capacity: ...

    @abstractmethod
    async def _lend(self, owner: str, lab: str, lend: bool) -> None: ...
