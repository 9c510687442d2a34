"""Deployments: what serves models."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

from ..backends.admission import Asker
from ..backends.calls import Call, Reply
from ..errors import DLLabError, InvalidRequest, TooLarge, Unavailable
from ..specs import Canary, DeploymentSpec
from .handler import LabHandler, allowed
from .query import Query

__all__ = ("ROUTES", "version_of")

_PAGE = 50
_LOG_BYTES = 65536
#: Characters of a model server's sentence that are passed on.
_SENTENCE = 500


class Deployments(LabHandler):
    """``deployments``."""

    @allowed
    async def get(self) -> None:
        """A page of the person's deployments, by name."""
        query = self.query("limit", "next")
        limit = query.number("limit")
        page = await self.serving.list(
            self.owner, limit=_PAGE if limit is None else limit, after=query.text("next")
        )
        found = tuple(self.lab.located(each) for each in page.deployments)
        self.reply(page.model_copy(update={"deployments": found}))

    @allowed
    async def post(self) -> None:
        """Serve a model."""
        self.query()
        spec = await self.read(DeploymentSpec.from_wire)
        made = await self.serving.deploy(self.owner, spec)
        self.reply(self.lab.located(made), HTTPStatus.CREATED)


class OneDeployment(LabHandler):
    """``deployments/{name}``."""

    @allowed
    async def get(self, name: str) -> None:
        """The deployment as it is now."""
        self.query()
        self.reply(self.lab.located(await self.serving.get(self.owner, name)))

    @allowed
    async def delete(self, name: str) -> None:
        """Serve it no more."""
        self.query()
        if self.body:
            await self.read(_nothing)
        await self.serving.delete(self.owner, name)
        self.reply({"deleted": name})


class Scale(LabHandler):
    """``deployments/{name}/scale``."""

    @allowed
    async def post(self, name: str) -> None:
        """Have so many replicas."""
        self.query()
        replicas = await self.read(_replicas)
        self.reply(self.lab.located(await self.serving.scale(self.owner, name, replicas)))


class CanaryOf(LabHandler):
    """``deployments/{name}/canary``."""

    @allowed
    async def post(self, name: str) -> None:
        """Have another version answer a part of the requests."""
        self.query()
        canary = await self.read(Canary.from_wire)
        self.reply(self.lab.located(await self.serving.canary(self.owner, name, canary)))


class Promote(LabHandler):
    """``deployments/{name}/promote``."""

    @allowed
    async def post(self, name: str) -> None:
        """Have the canary's version answer everything."""
        self.query()
        if self.body:
            await self.read(_nothing)
        self.reply(self.lab.located(await self.serving.promote(self.owner, name)))


class Rollback(LabHandler):
    """``deployments/{name}/rollback``."""

    @allowed
    async def post(self, name: str) -> None:
        """End the canary; without one, serve what was served before."""
        self.query()
        if self.body:
            await self.read(_nothing)
        self.reply(self.lab.located(await self.serving.rollback(self.owner, name)))


class Logs(LabHandler):
    """``deployments/{name}/logs``."""

    @allowed
    async def get(self, name: str) -> None:
        """A piece of the log of a replica."""
        query = self.query("replica", "offset", "limit")
        limit = query.number("limit")
        self.reply(
            await self.serving.logs(
                self.owner,
                name,
                replica=query.text("replica"),
                offset=query.number("offset") or 0,
                limit=_LOG_BYTES if limit is None else limit,
            )
        )


class Events(LabHandler):
    """``deployments/{name}/events``."""

    @allowed
    async def get(self, name: str) -> None:
        """What happened, oldest first."""
        self.query()
        events = await self.serving.events(self.owner, name)
        self.reply({"events": [event.to_wire() for event in events]})


class Predict(LabHandler):
    """``deployments/{name}/predict``; ``owner`` says whose it is, if it is not one's own.

    For people: what the model server refuses comes back in the form of all our errors.
    """

    changes = False

    @allowed
    async def post(self, name: str) -> None:
        """Ask the model, or one version of it, in the words of the V1 or the V2 protocol."""
        query = self.query("version", "owner")
        version, owner = version_of(query), query.text("owner")
        body = self.body
        path = f"v2/models/{name}/infer" if await _is_v2(body) else f"v1/models/{name}:predict"
        call = Call("POST", path, body, {"content-type": "application/json"}, version)
        asker = Asker(self.owner, self.groups) if owner else None
        reply = await self.serving.call(owner or self.owner, name, call, asker)
        if not 200 <= reply.status < 300:
            raise _refusal(reply)
        self.finish(reply.body)


def version_of(query: Query) -> int | None:
    """Which version is to answer, as ``version`` says; None: whichever gets the request.

    Raises:
        InvalidRequest: it is no number from 1 up.
    """
    version = query.number("version")
    if version is not None and version < 1:
        raise InvalidRequest("must be a whole number from 1 up.", field="version")
    return version


async def _is_v2(body: bytes) -> bool:
    """Whether the body has ``inputs`` and no ``instances``. Read only when a look is not enough."""
    if b'"inputs"' not in body:
        return False
    return b'"instances"' not in body or await asyncio.to_thread(_has_inputs_only, body)


def _has_inputs_only(body: bytes) -> bool:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return False  # The model server says what is wrong with it.
    return isinstance(data, dict) and "inputs" in data and "instances" not in data


def _refusal(reply: Reply) -> DLLabError:
    try:
        data = json.loads(reply.body)
    except (ValueError, RecursionError):
        data = None
    said = data.get("error") if isinstance(data, dict) else None
    said = said[:_SENTENCE] if isinstance(said, str) and said else ""
    if reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLarge(said or "the request is larger than the model takes.")
    if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidRequest(said or "the model does not take this request.")
    hint = "Look at the deployment's logs."
    return Unavailable(said or "the model did not answer.", hint=hint)


def _replicas(data: dict[str, Any]) -> int:
    replicas = data.pop("replicas", None)
    if data:
        raise InvalidRequest("there is no such key.", hint="The one key is replicas.")
    if type(replicas) is not int:
        raise InvalidRequest("must be a whole number.", field="replicas")
    return replicas


def _nothing(data: dict[str, Any]) -> None:
    if data:
        raise InvalidRequest("there is no such key.", hint="This takes no options.")


ROUTES = (
    ("deployments", Deployments),
    (r"deployments/([^/]+)", OneDeployment),
    (r"deployments/([^/]+)/scale", Scale),
    (r"deployments/([^/]+)/canary", CanaryOf),
    (r"deployments/([^/]+)/promote", Promote),
    (r"deployments/([^/]+)/rollback", Rollback),
    (r"deployments/([^/]+)/logs", Logs),
    (r"deployments/([^/]+)/events", Events),
    (r"deployments/([^/]+)/predict", Predict),
)
