"""`RemoteBackend` and `RemoteServing`: the same verbs over the REST interface of a lab service.

It runs in the Jupyter server of a lab. The person is whom the token belongs to: the far side reads
that from the token and never from the ``owner`` that is passed here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from ..errors import DLLabError
from ..specs import (
    Capacity,
    Catalog,
    Checkpoint,
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Event,
    GpuReport,
    JobPage,
    JobState,
    Lending,
    LogChunk,
    ModelPage,
    ModelVersion,
    Restart,
    RestartWish,
    TrainingJob,
    TrainingSpec,
)
from ..transport import AsyncTransport, RawAnswer, path
from .base import Backend
from .serving import Call, Reply, Serving

__all__ = ("RemoteBackend", "RemoteGpus", "RemoteServing")


class RemoteBackend(Backend):
    """Every verb is one request; all checks are the far side's.

    Attributes:
        gpus: The far side's view of the GPUs.
        serving: The far side's models and deployments.

    Args:
        transport: To the lab service.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.gpus = RemoteGpus(transport)
        self.serving = RemoteServing(transport)

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

    async def submit(self, owner: str, spec: TrainingSpec) -> TrainingJob:
        """Send it as it is: the far side checks it against what it has."""
        return await self._submit(owner, spec)

    async def cancel(self, owner: str, id: str) -> TrainingJob:
        """End the job; one that has ended already is returned as it is."""
        return await self._cancel(owner, id)

    async def lend(self, owner: str, lab: str, lend: bool) -> Capacity:
        """Let one's jobs use the GPUs of a lab, or no longer."""
        body = Lending(lab=lab, lend=lend).to_wire()
        return await self._transport.ask("PUT", "gpus/lend", Capacity.from_wire, body=body)

    async def _submit(self, owner: str, spec: TrainingSpec) -> TrainingJob:
        return await self._transport.ask("POST", "jobs", TrainingJob.from_wire, body=spec.to_wire())

    async def _get(self, owner: str, id: str) -> TrainingJob:
        return await self._transport.ask("GET", path("jobs", id), TrainingJob.from_wire)

    async def _list(
        self, owner: str, states: frozenset[JobState], limit: int, after: str | None
    ) -> JobPage:
        return await self._transport.ask(
            "GET",
            "jobs",
            JobPage.from_wire,
            state=tuple(sorted(map(str, states))),
            limit=limit,
            next=after,
        )

    async def _cancel(self, owner: str, id: str) -> TrainingJob:
        return await self._transport.ask("POST", path("jobs", id, "cancel"), TrainingJob.from_wire)

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

    async def _capacity(self, owner: str, gpus: int | None) -> Capacity:
        return await self._transport.ask("GET", "capacity", Capacity.from_wire, gpus=gpus)

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


class RemoteServing(Serving):
    """The lab service's models and deployments: every verb is one request.

    Args:
        transport: To the lab service.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._mine = ""  # Path of this person's endpoints there; known with the first deployment.

    async def _publish(self, owner: str, model: str, file: Path) -> ModelVersion:
        at = path("models", model, "versions")
        return await self._transport.upload(at, file, ModelVersion.from_wire)

    async def _models(self, owner: str, limit: int, after: str | None) -> ModelPage:
        return await self._transport.ask(
            "GET", "models", ModelPage.from_wire, limit=limit, next=after
        )

    async def _versions(self, owner: str, model: str) -> tuple[ModelVersion, ...]:
        return await self._transport.ask(
            "GET",
            path("models", model, "versions"),
            lambda answer: tuple(map(ModelVersion.from_wire, answer["versions"])),
        )

    async def _deploy(self, owner: str, spec: DeploymentSpec) -> Deployment:
        return await self._transport.ask(
            "POST", "deployments", Deployment.from_wire, body=spec.to_wire()
        )

    async def _get(self, owner: str, name: str) -> Deployment:
        return await self._transport.ask("GET", path("deployments", name), Deployment.from_wire)

    async def _list(self, owner: str, limit: int, after: str | None) -> DeploymentPage:
        return await self._transport.ask(
            "GET", "deployments", DeploymentPage.from_wire, limit=limit, next=after
        )

    async def _scale(self, owner: str, name: str, replicas: int) -> Deployment:
        return await self._transport.ask(
            "POST",
            path("deployments", name, "scale"),
            Deployment.from_wire,
            body={"replicas": replicas},
        )

    async def _delete(self, owner: str, name: str) -> None:
        await self._transport.ask("DELETE", path("deployments", name), dict)

    async def _logs(
        self, owner: str, name: str, replica: str | None, offset: int, limit: int
    ) -> LogChunk:
        return await self._transport.ask(
            "GET",
            path("deployments", name, "logs"),
            LogChunk.from_wire,
            replica=replica,
            offset=offset,
            limit=limit,
        )

    async def _events(self, owner: str, name: str) -> tuple[Event, ...]:
        return await self._transport.ask(
            "GET",
            path("deployments", name, "events"),
            lambda answer: tuple(map(Event.from_wire, answer["events"])),
        )

    async def _call(self, owner: str, name: str, call: Call) -> Reply:
        if not self._mine:
            url = (await self._get(owner, name)).url
            self._mine = url.removesuffix(f"{name}/")
        at = f"{self._mine}{path(name, *call.path.split('/'))}"
        return _reply(await self._transport.raw(call.method, at, call.body, call.headers))


def _reply(answer: RawAnswer) -> Reply:
    """What the model server said, or the exception that the lab service raised before it."""
    if answer.status >= 400:
        try:
            said = json.loads(answer.body)
        except (ValueError, RecursionError):
            said = None
        # A model server's error is a sentence, a lab's is an object.
        if isinstance(said, dict) and isinstance(said.get("error"), dict):
            raise DLLabError.from_wire(answer.status, said)
    return Reply(answer.status, answer.body, answer.headers)
