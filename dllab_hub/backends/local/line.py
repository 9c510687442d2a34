"""`Line`: one place where jobs run, of those that are kept here; and all of them, `Lines`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from ...specs import Capacity, JobLimits, Preflight, TrainingJob, TrainingSpec
from .draft import Draft
from .store import Store

__all__ = ("Keep", "Line", "Lines")

#: Runs a function on the thread of decisions, which alone writes to the store.
Keep = Callable[..., Awaitable[Any]]


class Line(ABC):
    """Jobs of one place that wait or run. What it decides, it decides on the thread of decisions.

    Attributes:
        known: Adds to what is seen of a job what its curves say and what is wrong with it.
        cpus: How many CPUs the jobs that run may count for together.
        mine: Whether a job is one of this place.
        holding: Jobs of a person that wait or run, at all places; on the thread of decisions.
    """

    known: Callable[[TrainingJob], TrainingJob]
    cpus: float
    mine: Callable[[TrainingJob], bool]
    holding: Callable[[str], list[TrainingJob]]

    # On the event loop.

    @property
    def current(self) -> float | None:
        """When what is known of a cluster was last up to date, seconds since the epoch; None where
        nothing has to be heard from elsewhere.
        """
        return None

    @abstractmethod
    async def start(self, keep: Keep) -> None:
        """Begin to look at jobs. The store is open, and `adopt` has been called."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything except what runs."""

    @abstractmethod
    def draft(self, owner: str, spec: TrainingSpec) -> AbstractAsyncContextManager[Draft]:
        """A wish written down, which is gone afterwards unless it has become a job."""

    @abstractmethod
    async def preflight(self, draft: Draft, *, deep: bool) -> Preflight:
        """What would make it fail at once."""

    @abstractmethod
    async def check_room(self, owner: str, spec: TrainingSpec) -> None:
        """Refuse what can never be had here.

        Raises:
            InvalidRequest: naming the field.
        """

    @abstractmethod
    async def submit(self, draft: Draft, limits: JobLimits) -> TrainingJob:
        """Accept it within the limits of its person, and start it when it fits."""

    @abstractmethod
    async def resume(
        self, job: TrainingJob, by: str, limits: JobLimits, *, again: bool = False
    ) -> TrainingJob:
        """Queue a job again that has ended or is paused; see `Backend.resume`.

        Args:
            job: As it was seen.
            by: Who wants it; in its events.
            limits: Of its person.
            again: Only when it was paused to be relaunched, and nobody has wanted anything else
                meanwhile: else it is returned as it is.
        """

    @abstractmethod
    async def capacity(self, owner: str, gpus: int | None) -> Capacity:
        """As `Backend.capacity`."""

    @abstractmethod
    async def lend(self, owner: str, lab: str, lend: bool) -> None:
        """As `Backend.lend`."""

    @abstractmethod
    def wake(self) -> None:
        """Something was asked of a job: look now."""

    # On the thread of decisions.

    @abstractmethod
    def adopt(self) -> None:
        """Take over what is `mine` and was there before the service started. The store is open."""

    @abstractmethod
    def all(self) -> list[TrainingJob]:
        """The jobs that wait or run here, as they were last seen."""

    @abstractmethod
    def find(self, id: str) -> TrainingJob | None:
        """A job that waits or runs here, as it was last seen."""

    @abstractmethod
    def look(self, id: str) -> TrainingJob | None:
        """A job that waits or runs here as it is now; None when it does not, or no more."""

    @abstractmethod
    def cancel(self, owner: str, id: str, by: str) -> TrainingJob | None:
        """Ask a job to end. None when it has ended before."""

    @abstractmethod
    def pause(self, id: str, by: str, *, again: bool = False) -> TrainingJob | None:
        """Ask a job to save and end, and with ``again`` to be ready to go on then. None when it has
        ended before.

        Raises:
            Conflict: as `Asked.and_pause`.
        """

    @abstractmethod
    def noted(self, id: str, changes: Mapping[str, Any]) -> None:
        """Fields of a job were changed that do not come from its run; it need not be of here."""


class Lines:
    """All places of a backend as one. To be used on the thread of decisions only.

    Args:
        store: Open.
        lines: The places.
    """

    def __init__(self, store: Store, lines: Collection[Line]) -> None:
        self._store = store
        self._lines = lines

    def find(self, id: str) -> TrainingJob | None:
        """As `Line.find`."""
        found = (line.find(id) for line in self._lines)
        return next((job for job in found if job is not None), None)

    def all(self) -> list[TrainingJob]:
        """Everybody's jobs that wait or run, as they were last seen."""
        return [job for line in self._lines for job in line.all()]

    def of(self, owner: str) -> list[TrainingJob]:
        """A person's jobs that wait or run, as they were last seen."""
        return [job for job in self.all() if job.owner == owner]

    def note(self, owner: str, id: str, changes: Mapping[str, Any]) -> TrainingJob | None:
        """Change fields of a job that do not come from its run: see `Store.note`."""
        job = self._store.note(owner, id, changes)
        if job is not None:
            for line in self._lines:
                line.noted(id, changes)
        return self.find(id) or job
