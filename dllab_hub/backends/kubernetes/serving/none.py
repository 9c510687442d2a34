"""`NoServing`: models on a cluster, of which every verb says that there are none."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from ...errors import Unavailable
from ...specs import (
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Event,
    LogChunk,
    ModelPage,
    ModelVersion,
)
from ..calls import Call, Reply
from ..serving import Serving

__all__ = ("NoServing",)


class NoServing(Serving):
    """Nothing is kept or served."""

    async def _publish(self, owner: str, model: str, file: Path) -> ModelVersion:
        _refuse()

    async def _models(self, owner: str, limit: int, after: str | None) -> ModelPage:
        _refuse()

    async def _versions(self, owner: str, model: str) -> tuple[ModelVersion, ...]:
        _refuse()

    async def _deploy(self, owner: str, spec: DeploymentSpec) -> Deployment:
        _refuse()

    async def _get(self, owner: str, name: str) -> Deployment:
        _refuse()

    async def _list(self, owner: str, limit: int, after: str | None) -> DeploymentPage:
        _refuse()

    async def _scale(self, owner: str, name: str, replicas: int) -> Deployment:
        _refuse()

    async def _delete(self, owner: str, name: str) -> None:
        _refuse()

    async def _logs(
        self, owner: str, name: str, replica: str | None, offset: int, limit: int
    ) -> LogChunk:
        _refuse()

    async def _events(self, owner: str, name: str) -> tuple[Event, ...]:
        _refuse()

    async def _call(self, owner: str, name: str, call: Call) -> Reply:
        _refuse()


def _refuse() -> NoReturn:
    raise Unavailable(
        "this lab runs on a cluster, where it does not serve models yet.",
        hint="Serve the model with what the cluster has, or with a lab on one machine.",
    )
