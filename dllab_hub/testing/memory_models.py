"""`MemoryModels`: the half of `MemoryServing` that keeps models."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from ..backends.calls import Download
from ..backends.serving import Serving
from ..errors import InvalidRequest, NotFound
from ..names import check_name
from ..specs import Model, ModelPage, ModelVersion, Tensor
from ..specs.model import ModelFacts
from .memory_downloads import archive, whole

__all__ = ("MemoryModels", "page")

#: What every ONNX file begins with: the field ``ir_version``.
_ONNX = b"\x08"


class MemoryModels(Serving):
    """Keeps models in memory; every one takes and gives the same.

    Args:
        inputs: Of every model that is published.
        outputs: Of every model that is published.
        example: Of every model that is published without one.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        example: str,
        clock: Callable[[], float],
    ) -> None:
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        self._example = example
        self._clock = clock
        self._files: dict[tuple[str, str, int], bytes] = {}
        self._published: dict[tuple[str, str], list[ModelVersion]] = {}

    async def _publish(self, owner: str, model: str, file: Path) -> ModelVersion:
        return await self._publish_about(owner, model, file, ModelFacts())

    async def _publish_about(
        self, owner: str, model: str, file: Path, facts: ModelFacts
    ) -> ModelVersion:
        data = await asyncio.to_thread(file.read_bytes)
        if not data.startswith(_ONNX):
            raise InvalidRequest("the file is not an ONNX model.", field="model")
        versions = self._published.setdefault((owner, model), [])
        made = ModelVersion(
            model=model,
            version=len(versions) + 1,
            inputs=self._inputs,
            outputs=self._outputs,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            example=facts.example or self._example,
            created=self._clock(),
            publisher=facts.publisher or owner,
            source=facts.source,
            metrics=facts.metrics,
        )
        versions.insert(0, made)
        self._files[owner, model, made.version] = data
        return made

    async def _download(self, owner: str, model: str, version: int, packed: bool) -> Download:
        await self._versions(owner, model)
        data = self._files.get((owner, model, version))
        if data is None:
            raise NotFound("there is no such version.")
        return archive(model, version, data) if packed else whole(model, version, data)

    async def _models(self, owner: str, limit: int, after: str | None) -> ModelPage:
        names, following = page([n for o, n in self._published if o == owner], limit, after)
        models = tuple(
            Model(name=name, owner=owner, versions=tuple(self._published[owner, name]))
            for name in names
        )
        return ModelPage(models=models, next=following)

    async def _versions(self, owner: str, model: str) -> tuple[ModelVersion, ...]:
        versions = self._published.get((owner, model))
        if not versions:
            raise NotFound("there is no such model.")
        return tuple(versions)


def page(names: list[str], limit: int, after: str | None) -> tuple[list[str], str | None]:
    """Some of these names, sorted, and where the next page begins."""
    if after is not None:
        check_name(after, "next")
    found = sorted(name for name in names if after is None or name > after)
    return found[:limit], found[limit - 1] if len(found) > limit else None
