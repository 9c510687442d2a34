"""`NoServing`: models on a cluster where nothing is set up for them, as every verb says."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from ....errors import Unavailable
from ....specs import (
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Event,
    LogChunk,
    ModelPage,
    ModelVersion,
)
from ...calls import Call, Reply
from ...serving import Serving

__all__ = ("NoServing",)


class NoServing(Serving):
    """Nothing is kept or served."""

    offered = False

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
        "this lab serves no models: its administrator has not said where on the cluster.",
        hint="The administrator sets serving.cluster: see 'Serving models' in config/README.md.",
    )
