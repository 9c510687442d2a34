"""`Serving`: the half of a backend that keeps models and serves them.

As in `base`: the public verbs are concrete, check the wish and own the policy; the private verbs
are the mechanism, and all that a new backend writes:

    _publish  _models  _versions  _deploy  _get  _list  _scale  _delete  _logs  _events  _call

and, where a backend can: ``_replace``, ``_canary``, ``_promote``, ``_rollback``,
``_publish_about`` and ``_download``.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from ..errors import InvalidRequest, Unavailable
from ..names import check_name
from ..specs import (
    MAX_REPLICAS,
    Canary,
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Event,
    LogChunk,
    ModelPage,
    ModelVersion,
)
from ..specs.model import ModelFacts
from .admission import Admission, Asker, known_name
from .base import MAX_PAGE
from .calls import Call, Download, NoAnswer, Reply
from .pieces import check_limit, check_piece
from .told import MAX_LOG_BYTES

__all__ = ("Serving",)


class Serving(Admission):
    """Keeps models and serves them. ``owner`` is a person whom the caller has identified.

    A model or deployment of another owner does not exist here: `NotFound`.

    Attributes:
        offered: Whether models are served here at all; where not, every verb says why.
    """

    offered = True

    async def start(self) -> None:
        """Make ready: take over what is served already. Called once before any verb."""

    async def close(self) -> None:
        """Let go of everything except what serves."""

    async def publish(
        self, owner: str, model: str, file: Path, facts: ModelFacts | None = None
    ) -> ModelVersion:
        """Keep a file as the next version of a model; its format is found out by its content.

        Args:
            owner: Person.
            model: Name; a new one makes a new model.
            file: ONNX, torch.export, TorchScript, a SavedModel as a zip or tar archive, or a pickle
                where those are allowed. Is moved or read; the caller removes what is left of it.
            facts: What is said of it, for its record.

        Raises:
            InvalidRequest: the name is none, or the file is not a model that can be served.
            StorageFull: no room; nothing was kept.
            Unavailable: no image that serves its format is built.
        """
        check_name(model, "model")
        if facts is None:
            return await self._publish(owner, model, file)
        return await self._publish_about(owner, model, file, facts)

    async def download(
        self, owner: str, model: str, version: int, *, packed: bool = False
    ) -> Download:
        """The file of a version, piece by piece.

        Args:
            owner: Person.
            model: Name.
            version: Its number.
            packed: As a zip archive with a manifest, for devices; ONNX only.

        Raises:
            NotFound: there is no such model or version.
            Conflict: it is not ONNX and was to be packed.
            Unavailable: it cannot be done here.
        """
        return await self._download(owner, known_name(model, "model"), version, packed)

    async def models(self, owner: str, *, limit: int = 50, after: str | None = None) -> ModelPage:
        """The owner's models by name, each with its versions, newest first."""
        return await self._models(owner, _limit(limit), after)

    async def versions(self, owner: str, model: str) -> tuple[ModelVersion, ...]:
        """Versions of a model, newest first; `NotFound` when there is none."""
        return await self._versions(owner, known_name(model, "model"))

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
        return await self._get(owner, known_name(name))

    async def list(
        self, owner: str, *, limit: int = 50, after: str | None = None
    ) -> DeploymentPage:
        """The owner's deployments by name."""
        return await self._list(owner, _limit(limit), after)

    async def live(self) -> tuple[Deployment, ...]:
        """Everybody's deployments: for the service itself, never for a person."""
        return ()

    async def scale(self, owner: str, name: str, replicas: int) -> Deployment:
        """Have so many replicas; those that are too many answer their last requests first."""
        if not 1 <= replicas <= MAX_REPLICAS:
            raise InvalidRequest(f"must be from 1 to {MAX_REPLICAS}.", field="replicas")
        return await self._scale(owner, known_name(name), replicas)

    async def replace(self, owner: str, name: str, by: str) -> Deployment:
        """Have a new replica in the place of the one that does worst, without a failed request.

        Args:
            owner: Person.
            name: Of the deployment.
            by: Who wants it; in its events.

        Raises:
            Conflict: there is none that could be replaced now.
            Unavailable: it cannot be done here.
        """
        return await self._replace(owner, known_name(name), by)

    async def canary(self, owner: str, name: str, canary: Canary) -> Deployment:
        """Have another version answer a part of the requests; again with another part, or others.

        Raises:
            Conflict: that version serves already, or it is being deleted.
            InvalidRequest: there is no such version.
            Unavailable: it cannot be done here.
        """
        return await self._canary(owner, known_name(name), canary)

    async def promote(self, owner: str, name: str) -> Deployment:
        """Have the canary's version answer everything, without a failed request.

        Raises:
            Conflict: there is no canary.
            Unavailable: it cannot be done here.
        """
        return await self._promote(owner, known_name(name))

    async def rollback(self, owner: str, name: str) -> Deployment:
        """Have the canary answer nothing more; without one, serve what was served before.

        Raises:
            Conflict: there is no canary, and nothing was served before.
            Unavailable: it cannot be done here.
        """
        return await self._rollback(owner, known_name(name))

    async def delete(self, owner: str, name: str) -> None:
        """Serve it no more, once its last requests are answered; the model stays."""
        await self._delete(owner, known_name(name))

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
        return await self._logs(owner, known_name(name), replica, offset, limit)

    async def events(self, owner: str, name: str) -> tuple[Event, ...]:
        """What happened to the deployment, oldest first."""
        return await self._events(owner, known_name(name))

    async def call(self, owner: str, name: str, call: Call, asker: Asker | None = None) -> Reply:
        """Ask the model, through the balancer; what the model server answers is passed on.

        Args:
            owner: Whose the deployment is.
            name: Of the deployment.
            call: The request.
            asker: Who asks; None: the owner.

        Raises:
            NotFound: there is none that this one may ask.
            InvalidRequest: the version that is to answer does not serve here.
            Unavailable: nothing answers: the deployment is starting or failed; the message says.
        """
        if asker is not None:
            await self.admit(owner, name, asker)
        try:
            return await self._call(owner, known_name(name), call)
        except NoAnswer as exc:
            if asker is None or (asker.key is None and asker.person == owner):
                raise
            raise exc.untold() from None

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

    async def _publish_about(
        self, owner: str, model: str, file: Path, facts: ModelFacts
    ) -> ModelVersion:
        # A backend without a place for facts keeps the file alone.
        return await self._publish(owner, model, file)

    async def _download(self, owner: str, model: str, version: int, packed: bool) -> Download:
        raise Unavailable("models cannot be downloaded here.")

    async def _replace(self, owner: str, name: str, by: str) -> Deployment:
        raise Unavailable("replicas are not replaced one by one here.")

    async def _canary(self, owner: str, name: str, canary: Canary) -> Deployment:
        raise Unavailable("a part of the requests cannot go to another version here.")

    async def _promote(self, owner: str, name: str) -> Deployment:
        raise Unavailable("there are no canaries here.")

    async def _rollback(self, owner: str, name: str) -> Deployment:
        raise Unavailable("deployments are not rolled back here.")

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
