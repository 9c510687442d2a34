"""`RemoteBackend` and `RemoteWorkspaces`: the same verbs over the REST interface of a lab service.

It runs in the Jupyter server of a lab. The person is whom the token belongs to: the far side reads
that from the token and never from the ``owner`` that is passed here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from ..specs import (
    NO_LIMITS,
    Capacity,
    Catalog,
    Checkpoint,
    Event,
    GpuReport,
    JobFilter,
    JobLimits,
    JobPage,
    Lending,
    LogChunk,
    Preflight,
    Restart,
    RestartWish,
    TrainingJob,
    TrainingSpec,
    Upload,
    Workspace,
)
from ..transport import AsyncTransport, path
from .base import Backend
from .remote_alerts import RemoteAlerts
from .remote_history import RemoteHistory, RemoteNotices
from .remote_insight import RemoteInsight
from .remote_serving import RemoteServing
from .workspaces import Workspaces

__all__ = ("RemoteBackend", "RemoteGpus", "RemoteWorkspaces")


class RemoteBackend(Backend):
    """Every verb is one request; all checks are the far side's.

    Attributes:
        gpus: The far side's view of the GPUs.
        serving: The far side's models and deployments.
        workspaces: The far side's files that travel with jobs.
        history: What the far side keeps.
        insight: What the far side knows.
        notices: The far side tells people.
        alerts: Those that the far side knows.

    Args:
        transport: To the lab service.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.gpus = RemoteGpus(transport)
        self.serving = RemoteServing(transport)
        self.workspaces = RemoteWorkspaces(transport)
        self.history = RemoteHistory(self, transport)
        self.insight = RemoteInsight(self, transport)
        self.notices = RemoteNotices(transport)
        self.alerts = RemoteAlerts(transport)

    @classmethod
    def at(cls, url: str, token: str) -> Self:
        """The lab service at ``url``, for whom ``token`` belongs to."""
        return cls(AsyncTransport(url, token))

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def status(self) -> dict[str, Any]:
        """Who this is for the far side, and what answers there."""
        return await self._transport.ask("GET", "status", dict)

    async def catalog(self) -> Catalog:
        """What a job may name."""
        return await self._transport.ask("GET", "catalog", Catalog.from_wire)

    async def restart(self, owner: str, wish: RestartWish) -> Restart:
        """Have a lab restarted with other GPUs; the answer comes while it goes on."""
        return await self._transport.ask(
            "POST", "labs/restart", Restart.from_wire, body=wish.to_wire()
        )

    async def restarted(self, owner: str, server: str) -> Restart:
        """What became of the last restart of a lab."""
        return await self._transport.ask("GET", "labs/restart", Restart.from_wire, server=server)

    async def submit(
        self, owner: str, spec: TrainingSpec, limits: JobLimits = NO_LIMITS
    ) -> TrainingJob:
        """Send it as it is: the far side checks it against what it has, and knows the limits."""
        return await self._submit(owner, spec)

    async def cancel(self, owner: str, id: str) -> TrainingJob:
        """End the job; one that has ended already is returned as it is."""
        return await self._cancel(owner, id)

    async def pause(self, owner: str, id: str) -> TrainingJob:
        """Ask the job to save, end it and give its GPUs back; it can be resumed."""
        return await self._pause(owner, id)

    async def resume(self, owner: str, id: str, limits: JobLimits = NO_LIMITS) -> TrainingJob:
        """Queue a job again that was paused, failed, cancelled or lost."""
        return await self._resume(owner, id)

    async def preflight(self, owner: str, spec: TrainingSpec, *, deep: bool = False) -> Preflight:
        """Look for what would make the job fail at once, without taking a GPU."""
        return await self._preflight(owner, spec, deep)

    async def capacity(
        self, owner: str, gpus: int | None = None, target: str | None = None
    ) -> Capacity:
        """GPUs free and held, and what a request for ``gpus`` of them would meet."""
        return await self._capacity(owner, gpus, target)

    async def lend(self, owner: str, lab: str, lend: bool) -> Capacity:
        """Let one's jobs use the GPUs of a lab, or no longer."""
        body = Lending(lab=lab, lend=lend).to_wire()
        return await self._transport.ask("PUT", "gpus/lend", Capacity.from_wire, body=body)

    async def _submit(
        self, owner: str, spec: TrainingSpec, limits: JobLimits = NO_LIMITS
    ) -> TrainingJob:
        return await self._transport.ask("POST", "jobs", TrainingJob.from_wire, body=spec.to_wire())

    async def _get(self, owner: str, id: str) -> TrainingJob:
        return await self._transport.ask("GET", path("jobs", id), TrainingJob.from_wire)

    async def _list(self, owner: str, where: JobFilter, limit: int, after: str | None) -> JobPage:
        return await self._transport.ask(
            "GET", "jobs", JobPage.from_wire, **where.query, limit=limit, next=after
        )

    async def _cancel(self, owner: str, id: str) -> TrainingJob:
        return await self._transport.ask("POST", path("jobs", id, "cancel"), TrainingJob.from_wire)

    async def _pause(self, owner: str, id: str) -> TrainingJob:
        return await self._transport.ask("POST", path("jobs", id, "pause"), TrainingJob.from_wire)

    async def _resume(self, owner: str, id: str, limits: JobLimits = NO_LIMITS) -> TrainingJob:
        return await self._transport.ask("POST", path("jobs", id, "resume"), TrainingJob.from_wire)

    async def _preflight(self, owner: str, spec: TrainingSpec, deep: bool) -> Preflight:
        # A deep look imports what the code imports: it may take far longer than an answer.
        return await self._transport.ask(
            "POST",
            "jobs/preflight",
            Preflight.from_wire,
            body=spec.model_dump_json().encode(),
            deep=int(deep),
        )

    async def _logs(
        self, owner: str, id: str, replica: str | None, attempt: int | None, offset: int, limit: int
    ) -> LogChunk:
        return await self._transport.ask(
            "GET",
            path("jobs", id, "logs"),
            LogChunk.from_wire,
            replica=replica,
            attempt=attempt,
            offset=offset,
            limit=limit,
        )

    async def _events(self, owner: str, id: str) -> tuple[Event, ...]:
        return await self._transport.ask(
            "GET",
            path("jobs", id, "events"),
            lambda answer: tuple(map(Event.from_wire, answer["events"])),
        )

    async def _checkpoints(self, owner: str, id: str) -> tuple[Checkpoint, ...]:
        return await self._transport.ask(
            "GET",
            path("jobs", id, "checkpoints"),
            lambda answer: tuple(map(Checkpoint.from_wire, answer["checkpoints"])),
        )

    async def _capacity(self, owner: str, gpus: int | None, target: str | None) -> Capacity:
        return await self._transport.ask(
            "GET", "capacity", Capacity.from_wire, gpus=gpus, target=target
        )

    async def _lend(self, owner: str, lab: str, lend: bool) -> None:
        await self.lend(owner, lab, lend)


class RemoteGpus:
    """The lab service's view of the GPUs.

    Args:
        transport: To the lab service.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def report(self) -> GpuReport:
        """As of about a second ago, with the holders as this person may see them."""
        return await self._transport.ask("GET", "gpus", GpuReport.from_wire)


class RemoteWorkspaces(Workspaces):
    """The lab service's: what may travel and what is missing, it decides.

    Args:
        transport: To the lab service.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def announce(self, owner: str, workspace: Workspace) -> Upload:
        """Send the list of files; the answer says which contents are missing."""
        return await self._announce(owner, workspace)

    async def _announce(self, owner: str, workspace: Workspace) -> Upload:
        body = workspace.to_wire()
        return await self._transport.ask("POST", "workspaces", Upload.from_wire, body=body)

    async def _fill(self, owner: str, id: str, archive: Path) -> Upload:
        return await self._transport.upload(
            path("workspaces", id, "blobs"),
            archive,
            Upload.from_wire,
            method="PUT",
            content_type="application/x-tar",
        )
