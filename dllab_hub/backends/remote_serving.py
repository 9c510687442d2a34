"""`RemoteServing`: models and deployments over the REST interface of a lab service."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import DLLabError
from ..specs import (
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Event,
    LogChunk,
    ModelPage,
    ModelVersion,
)
from ..transport import AsyncTransport, RawAnswer, path
from .serving import Call, Reply, Serving

__all__ = ("RemoteServing",)


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
