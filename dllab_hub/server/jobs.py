"""Training jobs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from ..errors import InvalidRequest
from ..specs import Catalog, JobLimits, TrainingSpec
from .handler import LabHandler, allowed
from .history import Notes
from .query_jobs import FILTER, REPEATABLE, job_filter

__all__ = ("ROUTES", "Wishes")

_PAGE = 50
_LOG_BYTES = 65536


class Wishes(LabHandler):
    """Base of what takes a wish."""

    async def check_offered(self, spec: TrainingSpec) -> Catalog:
        """Refuse an image or a volume that this person may not use; what they may.

        Whose group may use what is known only here; whether it is there, to the backend.
        """
        offered = (await self.backend.catalog()).for_person(self.owner, self.groups)
        offered.image(spec.image)
        for name in spec.volumes:
            offered.volume(name)
        return offered

    async def check_quota(self, spec: TrainingSpec, offered: Catalog) -> JobLimits:
        """Refuse a wish for more than what is left to the person; what all their jobs may have.

        Before anything is prepared for it, as somebody's program may ask again and again.
        """
        limits = offered.job_limits
        await self.backend.insight.check_quota(self.owner, spec, limits)
        return limits


class _Acts(LabHandler):
    """Base of what is done to a job without saying more."""

    async def check_nothing(self) -> None:
        """Refuse a body or a query that would mean something."""
        self.query()
        if self.body:
            await self.read(_nothing)


class Jobs(Wishes):
    """``jobs``."""

    @allowed
    async def get(self) -> None:
        """A page of the person's jobs, newest first."""
        query = self.query("limit", "next", *FILTER, repeatable=REPEATABLE)
        limit = query.number("limit")
        self.reply(
            await self.backend.list(
                self.owner,
                where=job_filter(query),
                limit=_PAGE if limit is None else limit,
                after=query.text("next"),
            )
        )

    @allowed
    async def post(self) -> None:
        """Submit a job."""
        self.query()
        spec = await self.read(TrainingSpec.from_wire)
        limits = await self.check_quota(spec, await self.check_offered(spec))
        self.reply(await self.backend.submit(self.owner, spec, limits), HTTPStatus.CREATED)


class Preflights(Wishes):
    """``jobs/preflight``."""

    @allowed
    async def post(self) -> None:
        """Look for what would make a job fail at once; nothing is started."""
        deep = self.query("deep").number("deep") or 0
        if deep not in (0, 1):
            raise InvalidRequest("must be 0 or 1.", field="deep")
        spec = await self.read(TrainingSpec.from_wire)
        await self.check_offered(spec)
        self.reply(await self.backend.preflight(self.owner, spec, deep=bool(deep)))


class OneJob(Notes):
    """``jobs/{id}``."""

    @allowed
    async def get(self, id: str) -> None:
        """The job as it is now."""
        self.query()
        self.reply(await self.backend.get(self.owner, id))


class Cancel(_Acts):
    """``jobs/{id}/cancel``."""

    @allowed
    async def post(self, id: str) -> None:
        """End the job."""
        await self.check_nothing()
        self.reply(await self.backend.cancel(self.owner, id))


class Pause(_Acts):
    """``jobs/{id}/pause``."""

    @allowed
    async def post(self, id: str) -> None:
        """Ask the job to save, and end it for now."""
        await self.check_nothing()
        self.reply(await self.backend.pause(self.owner, id))


class Resume(_Acts, Wishes):
    """``jobs/{id}/resume``."""

    @allowed
    async def post(self, id: str) -> None:
        """Queue the job again, from its last checkpoint."""
        await self.check_nothing()
        job = await self.backend.get(self.owner, id)
        offered = (await self.backend.catalog()).for_person(self.owner, self.groups)
        limits = offered.job_limits
        if job.state.is_resumable:
            await self.check_quota(job.spec, offered)
        self.reply(await self.backend.resume(self.owner, id, limits))


class Rerun(Wishes):
    """``jobs/{id}/rerun``."""

    @allowed
    async def post(self, id: str) -> None:
        """Submit the wish of a job again, with some of its fields changed."""
        self.query()
        changes = await self.read(dict) if self.body else {}
        spec = await self.backend.respec(self.owner, id, changes)
        # What was offered then need not be now.
        limits = await self.check_quota(spec, await self.check_offered(spec))
        self.reply(await self.backend.submit(self.owner, spec, limits), HTTPStatus.CREATED)


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


def _nothing(data: dict[str, Any]) -> None:
    if data:
        raise InvalidRequest("there is no such key.", hint="This takes no options.")


ROUTES = (
    ("jobs", Jobs),
    ("jobs/preflight", Preflights),  # No id has this form: each has a hyphen.
    (r"jobs/([^/]+)", OneJob),
    (r"jobs/([^/]+)/cancel", Cancel),
    (r"jobs/([^/]+)/pause", Pause),
    (r"jobs/([^/]+)/resume", Resume),
    (r"jobs/([^/]+)/rerun", Rerun),
    (r"jobs/([^/]+)/events", Events),
    (r"jobs/([^/]+)/logs", Logs),
    (r"jobs/([^/]+)/checkpoints", Checkpoints),
)
