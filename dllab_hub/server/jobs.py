"""Training jobs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from ..errors import InvalidRequest
from ..specs import JobState, TrainingSpec
from .handler import LabHandler, allowed

__all__ = ("ROUTES",)

_PAGE = 50
_LOG_BYTES = 65536


class Jobs(LabHandler):
    """``jobs``."""

    @allowed
    async def get(self) -> None:
        """A page of the person's jobs, newest first."""
        query = self.query("limit", "next", repeatable=("state",))
        limit = query.number("limit")
        self.reply(
            await self.backend.list(
                self.owner,
                states=[_state(word) for word in query.texts("state")],
                limit=_PAGE if limit is None else limit,
                after=query.text("next"),
            )
        )

    @allowed
    async def post(self) -> None:
        """Submit a job."""
        self.query()
        spec = await self.read(TrainingSpec.from_wire)
        # Whose group may use what is known only here; whether it is there, to the backend.
        offered = (await self.backend.catalog()).for_person(self.owner, self.groups)
        offered.image(spec.image)
        for name in spec.volumes:
            offered.volume(name)
        self.reply(await self.backend.submit(self.owner, spec), HTTPStatus.CREATED)


class OneJob(LabHandler):
    """``jobs/{id}``."""

    @allowed
    async def get(self, id: str) -> None:
        """The job as it is now."""
        self.query()
        self.reply(await self.backend.get(self.owner, id))


class Cancel(LabHandler):
    """``jobs/{id}/cancel``."""

    @allowed
    async def post(self, id: str) -> None:
        """End the job."""
        self.query()
        if self.body:
            await self.read(_nothing)
        self.reply(await self.backend.cancel(self.owner, id))


class Events(LabHandler):
    """``jobs/{id}/events``."""

    @allowed
    async def get(self, id: str) -> None:
        """What happened, oldest first."""
        self.query()
        events = await self.backend.events(self.owner, id)
        self.reply({"events": [event.to_wire() for event in events]})


class Logs(LabHandler):
    """``jobs/{id}/logs``."""

    @allowed
    async def get(self, id: str) -> None:
        """A piece of the logs."""
        query = self.query("replica", "attempt", "offset", "limit")
        limit = query.number("limit")
        self.reply(
            await self.backend.logs(
                self.owner,
                id,
                replica=query.text("replica"),
                attempt=query.number("attempt"),
                offset=query.number("offset") or 0,
                limit=_LOG_BYTES if limit is None else limit,
            )
        )


class Checkpoints(LabHandler):
    """``jobs/{id}/checkpoints``."""

    @allowed
    async def get(self, id: str) -> None:
        """Whole checkpoints, newest first."""
        self.query()
        checkpoints = await self.backend.checkpoints(self.owner, id)
        self.reply({"checkpoints": [checkpoint.to_wire() for checkpoint in checkpoints]})


def _state(word: str) -> JobState:
    try:
        return JobState(word)
    except ValueError:
        raise InvalidRequest(f"must be one of {', '.join(JobState)}.", field="state") from None


def _nothing(data: dict[str, Any]) -> None:
    if data:
        raise InvalidRequest("there is no such key.", hint="Cancelling takes no options.")


ROUTES = (
    ("jobs", Jobs),
    (r"jobs/([^/]+)", OneJob),
    (r"jobs/([^/]+)/cancel", Cancel),
    (r"jobs/([^/]+)/events", Events),
    (r"jobs/([^/]+)/logs", Logs),
    (r"jobs/([^/]+)/checkpoints", Checkpoints),
)
