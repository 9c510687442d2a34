"""`Backend`: what every place that runs jobs can do.

The public verbs are concrete: they check the wish, own the policy and are idempotent where a person
may press twice. The private verbs are the mechanism, and all that a new backend writes:

    _submit  _get  _list  _cancel  _logs  _events  _checkpoints  _capacity  _lend

Models and what serves them are the other half: `Serving`, as ``serving`` of each backend.
"""

from __future__ import annotations

import asyncio
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..specs import (
    MAX_GPUS,
    Capacity,
    Catalog,
    Checkpoint,
    Event,
    JobPage,
    JobState,
    LogChunk,
    TrainingJob,
    TrainingSpec,
)

if TYPE_CHECKING:
    from .serving import Serving

__all__ = ("Backend", "MAX_LOG_BYTES", "MAX_PAGE")

#: Most bytes of log one call returns.
MAX_LOG_BYTES = 1024 * 1024
#: Most jobs one page holds.
MAX_PAGE = 500
#: Of the code of one job, so much is checked for syntax: about a tenth of a second at the worst.
_CHECKED_BYTES = 128 * 1024


class Backend(ABC):
    """Runs jobs for people. ``owner`` is the name of a person whom the caller has identified.

    A job of another owner does not exist as far as this interface can tell: `NotFound`.

    Attributes:
        serving: Keeps models and serves them.
    """

    serving: Serving

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
                than there is, or the source has a syntax error (``line`` says where).
            StorageFull: the state directory has no room.
        """
        catalog = await self.catalog()
        catalog.image(spec.image)
        for name in spec.volumes:
            catalog.volume(name)
        if spec.replicas > catalog.max_replicas:
            raise InvalidRequest(
                f"a job may have {catalog.max_replicas} replicas at most.", field="roles.0.replicas"
            )
        await asyncio.to_thread(_check_source, spec)
        if spec.gpus:
            capacity = await self._capacity(owner, min(spec.gpus, MAX_GPUS))
            if spec.gpus > capacity.total:
                there = f"there are {capacity.total}" if capacity.total else "there is none"
                raise InvalidRequest(
                    f"the job asks for {spec.gpus} GPUs and {there} on this machine.",
                    field="roles.0.gpus",
                )
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
        limit: int = 50,
        after: str | None = None,
    ) -> JobPage:
        """The owner's jobs, newest first.

        Args:
            owner: Person.
            states: Only jobs in one of these; empty for all.
            limit: 1 to `MAX_PAGE`.
            after: ``next`` of the page before.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidRequest(f"must be from 1 to {MAX_PAGE}.", field="limit")
        return await self._list(owner, frozenset(states), limit, after)

    async def cancel(self, owner: str, id: str) -> TrainingJob:
        """End the job; one that has ended already is returned as it is."""
        job = await self._get(owner, id)
        if job.state.is_terminal:
            return job
        return await self._cancel(owner, id)

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
        if not 1 <= limit <= MAX_LOG_BYTES:
            raise InvalidRequest(f"must be from 1 to {MAX_LOG_BYTES}.", field="limit")
        if not -(2**62) <= offset <= 2**62:
            raise InvalidRequest("is out of range.", field="offset")
        if attempt is not None and attempt < 1:
            raise InvalidRequest("counts from 1.", field="attempt")
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

    @abstractmethod
    async def _submit(self, owner: str, spec: TrainingSpec) -> TrainingJob: ...

    @abstractmethod
    async def _get(self, owner: str, id: str) -> TrainingJob: ...

    @abstractmethod
    async def _list(
        self, owner: str, states: frozenset[JobState], limit: int, after: str | None
    ) -> JobPage: ...

    @abstractmethod
    async def _cancel(self, owner: str, id: str) -> TrainingJob: ...

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


def _check_source(spec: TrainingSpec) -> None:
    """Refuse code that cannot even be read, naming file and line.

    Compiling holds Python's global lock: what is very long is not looked at, and fails by itself.
    """
    room = _CHECKED_BYTES
    files = {spec.code.filename: spec.code.source, **spec.code.files}
    for name, text in files.items():
        room -= len(text)
        if room < 0:
            return
        if not name.endswith(".py"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # They are for the author, in the job's log.
                compile(text, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
            line = exc.lineno if isinstance(exc, SyntaxError) else None
            what = exc.msg if isinstance(exc, SyntaxError) else str(exc) or type(exc).__name__
            at = f"{name}, line {line}" if line else name
            raise InvalidRequest(
                f"syntax error in {at}: {what}.",
                hint="Nothing was started.",
                field="code.source" if name == spec.code.filename else "code.files",
                line=line,
            ) from None
