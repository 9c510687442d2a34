"""`Serving`: the half of a backend that keeps models and serves them.

As in `base`: the public verbs are concrete, check the wish and own the policy; the private verbs
are the mechanism, and all that a new backend writes:

    _publish  _models  _versions  _deploy  _get  _list  _scale  _delete  _logs  _events  _call
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InvalidRequest, NotFound
from ..names import check_name
from ..specs import (
    MAX_REPLICAS,
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Event,
    LogChunk,
    ModelPage,
    ModelVersion,
)
from .base import MAX_LOG_BYTES, MAX_PAGE
from .pieces import check_limit, check_piece

__all__ = ("MAX_CALL_BYTES", "Call", "Reply", "Serving")

#: Most bytes of one request to a model; the balancer and the model server have the same limit.
MAX_CALL_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Call:
    """A request to a model.

    Attributes:
        method: ``GET`` or ``POST``.
        path: Below the deployment's URL, such as ``v1/models/digits:predict``; without a query.
        body: At most `MAX_CALL_BYTES`.
        headers: Those that concern the model; never a token, a cookie or a hop-by-hop header.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """A model server's answer, as it came."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Serving(ABC):
    """Keeps models and serves them. ``owner`` is a person whom the caller has identified.

    A model or deployment of another owner does not exist here: `NotFound`.
    """

    async def publish(self, owner: str, model: str, file: Path) -> ModelVersion:
        """Keep an ONNX file as the next version of a model.

        Args:
            owner: Person.
            model: Name; a new one makes a new model.
            file: Is moved or read; the caller removes what is left of it.

        Raises:
            InvalidRequest: the name is none, or the file is not a model that can be served.
            StorageFull: no room; nothing was kept.
            Unavailable: no image that serves is built.
        """
        check_name(model, "model")
        return await self._publish(owner, model, file)

    async def models(self, owner: str, *, limit: int = 50, after: str | None = None) -> ModelPage:
        """The owner's models by name, each with its versions, newest first."""
        return await self._models(owner, _limit(limit), after)

    async def versions(self, owner: str, model: str) -> tuple[ModelVersion, ...]:
        """Versions of a model, newest first; `NotFound` when there is none."""
        return await self._versions(owner, _known(model, "model"))

    async def deploy(self, owner: str, spec: DeploymentSpec) -> Deployment:
        """Serve a model; under a name in use, replace what runs there without a failed request.

        Raises:
            InvalidRequest: there is no such model or version.
            Unavailable: a part that serving needs is missing; the message names it.
            StorageFull: no room; nothing was changed.
        """
        return await self._deploy(owner, spec)

    async def get(self, owner: str, name: str) -> Deployment:
        """The deployment as it is now."""
        return await self._get(owner, _known(name))

    async def list(
        self, owner: str, *, limit: int = 50, after: str | None = None
    ) -> DeploymentPage:
        """The owner's deployments by name."""
        return await self._list(owner, _limit(limit), after)

    async def scale(self, owner: str, name: str, replicas: int) -> Deployment:
        """Have so many replicas; those that are too many answer their last requests first."""
        if not 1 <= replicas <= MAX_REPLICAS:
            raise InvalidRequest(f"must be from 1 to {MAX_REPLICAS}.", field="replicas")
        return await self._scale(owner, _known(name), replicas)

    async def delete(self, owner: str, name: str) -> None:
        """Serve it no more, once its last requests are answered; the model stays."""
        await self._delete(owner, _known(name))

    async def logs(
        self,
        owner: str,
        name: str,
        *,
        replica: str | None = None,
        offset: int = 0,
        limit: int = 65536,
    ) -> LogChunk:
        """A piece of the log of a replica.

        Args:
            owner: Person.
            name: Of the deployment.
            replica: Such as ``replica-1``, or ``balancer``; None for the newest replica.
            offset: Where to start; negative counts from the end.
            limit: Most bytes, 1 to `base.MAX_LOG_BYTES`.
        """
        check_limit(limit, MAX_LOG_BYTES)
        check_piece(None, offset)
        return await self._logs(owner, _known(name), replica, offset, limit)

    async def events(self, owner: str, name: str) -> tuple[Event, ...]:
        """What happened to the deployment, oldest first."""
        return await self._events(owner, _known(name))

    async def call(self, owner: str, name: str, call: Call) -> Reply:
        """Ask the model, through the balancer; what the model server answers is passed on.

        Raises:
            Unavailable: nothing answers: the deployment is starting or failed; the message says.
        """
        return await self._call(owner, _known(name), call)

    @abstractmethod
    async def _publish(self, owner: str, model: str, file: Path) -> ModelVersion: ...

    @abstractmethod
    async def _models(self, owner: str, limit: int, after: str | None) -> ModelPage: ...

    @abstractmethod
    async def _versions(self, owner: str, model: str) -> tuple[ModelVersion, ...]: ...

    @abstractmethod
    async def _deploy(self, owner: str, spec: DeploymentSpec) -> Deployment: ...

    @abstractmethod
    async def _get(self, owner: str, name: str) -> Deployment: ...

    @abstractmethod
    async def _list(self, owner: str, limit: int, after: str | None) -> DeploymentPage: ...

    @abstractmethod
    async def _scale(self, owner: str, name: str, replicas: int) -> Deployment: ...

    @abstractmethod
    async def _delete(self, owner: str, name: str) -> None: ...

    @abstractmethod
    async def _logs(
        self, owner: str, name: str, replica: str | None, offset: int, limit: int
    ) -> LogChunk: ...

    @abstractmethod
    async def _events(self, owner: str, name: str) -> tuple[Event, ...]: ...

    @abstractmethod
    async def _call(self, owner: str, name: str, call: Call) -> Reply: ...


def _limit(limit: int) -> int:
    check_limit(limit, MAX_PAGE)
    return limit


def _known(name: str, what: str = "deployment") -> str:
    """A name as it may stand in an address; what cannot be one is not there."""
    try:
        return check_name(name)
    except InvalidRequest:
        raise NotFound(f"there is no such {what}.") from None
