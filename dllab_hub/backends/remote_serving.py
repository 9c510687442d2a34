"""`RemoteServing`: models and deployments over the REST interface of a lab service."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from ..errors import DLLabError
from ..specs import (
    Access,
    Callers,
    Canary,
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Endpoint,
    EndpointPage,
    Event,
    KeyWish,
    LogChunk,
    ModelPage,
    ModelVersion,
    NewKey,
)
from ..specs.model import ModelFacts
from ..transport import AsyncTransport, RawAnswer, path, with_facts
from .admission import Asker, known_name
from .calls import Call, Download, Reply
from .serving import Serving

__all__ = ("RemoteServing",)

_CALLED = re.compile(r'attachment; filename="([A-Za-z0-9._-]{1,100})"')


class RemoteServing(Serving):
    """The lab service's models and deployments: every verb is one request.

    Args:
        transport: To the lab service.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        # Paths there of this person's endpoints and of all; known with the first one.
        self._mine = self._all = ""

    async def _publish(self, owner: str, model: str, file: Path) -> ModelVersion:
        at = path("models", model, "versions")
        return await self._transport.upload(at, file, ModelVersion.from_wire)

    async def _publish_about(
        self, owner: str, model: str, file: Path, facts: ModelFacts
    ) -> ModelVersion:
        # Who publishes it is whose token it is.
        said = facts.to_wire()
        told = {"metrics": json.dumps(said["metrics"]), "example": facts.example}
        if facts.source is not None:
            told["source"] = json.dumps(said["source"])
        at = with_facts(path("models", model, "versions"), told)
        return await self._transport.upload(at, file, ModelVersion.from_wire)

    async def _download(self, owner: str, model: str, version: int, packed: bool) -> Download:
        at = path("models", model, "versions", str(version), "export" if packed else "file")
        pieces = _after_head(self._transport.stream(at))
        head = await anext(pieces)
        called = _CALLED.fullmatch(head.headers.get("content-disposition", ""))
        length = head.headers.get("content-length", "")
        return Download(
            called[1] if called else f"{model}-{version}",
            int(length) if length.isdigit() else None,
            pieces,
        )

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

    async def _canary(self, owner: str, name: str, canary: Canary) -> Deployment:
        return await self._transport.ask(
            "POST",
            path("deployments", name, "canary"),
            Deployment.from_wire,
            body=canary.to_wire(),
        )

    async def _promote(self, owner: str, name: str) -> Deployment:
        return await self._transport.ask(
            "POST", path("deployments", name, "promote"), Deployment.from_wire, body={}
        )

    async def _rollback(self, owner: str, name: str) -> Deployment:
        return await self._transport.ask(
            "POST", path("deployments", name, "rollback"), Deployment.from_wire, body={}
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

    async def _access(self, owner: str, name: str) -> Access:
        return await self._transport.ask(
            "GET", path("deployments", name, "access"), Access.from_wire
        )

    async def _open_to(self, owner: str, name: str, callers: Callers) -> Access:
        return await self._transport.ask(
            "PUT", path("deployments", name, "access"), Access.from_wire, body=callers.to_wire()
        )

    async def _make_key(self, owner: str, name: str, wish: KeyWish) -> NewKey:
        return await self._transport.ask(
            "POST", path("deployments", name, "keys"), NewKey.from_wire, body=wish.to_wire()
        )

    async def _revoke_key(self, owner: str, name: str, id: str) -> None:
        await self._transport.ask("DELETE", path("deployments", name, "keys", id), dict)

    async def _admit(self, owner: str, name: str, asker: Asker) -> None:
        """The lab service knows, by the token that asks it."""

    async def _endpoint(self, owner: str, name: str) -> Endpoint:
        return await self._transport.ask("GET", path("endpoints", owner, name), Endpoint.from_wire)

    async def _endpoints(self, asker: Asker, limit: int, after: str | None) -> EndpointPage:
        return await self._transport.ask(
            "GET", "endpoints", EndpointPage.from_wire, limit=limit, next=after
        )

    async def call(self, owner: str, name: str, call: Call, asker: Asker | None = None) -> Reply:
        if asker is None or asker.person == owner:
            return await super().call(owner, name, call)
        if not self._all:
            url = (await self._endpoint(owner, known_name(name))).url
            self._all = url.removesuffix(f"{path(owner, name)}/")
        return await self._ask(f"{self._all}{path(owner)}/", name, call)

    async def _call(self, owner: str, name: str, call: Call) -> Reply:
        if not self._mine:
            url = (await self._get(owner, name)).url
            self._mine = url.removesuffix(f"{name}/")
        return await self._ask(self._mine, name, call)

    async def _ask(self, base: str, name: str, call: Call) -> Reply:
        at = f"{base}{path(name, *call.path.split('/'))}"
        if call.version is not None:
            at = f"{at}?version={call.version}"
        return _reply(await self._transport.raw(call.method, at, call.body, call.headers))


async def _after_head(stream: AbstractAsyncContextManager[Any]) -> AsyncGenerator[Any]:
    """The answer as soon as it begins, then its bytes; once begun, closing it ends the answer."""
    async with stream as answer:
        yield answer
        async for piece in answer.aiter_bytes():
            yield piece


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
