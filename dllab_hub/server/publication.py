"""`Publication`: a wish to publish a file that lies somewhere already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from ..errors import InvalidRequest, Unavailable
from ..runtime.data import Volume as DataVolume
from ..runtime.data import VolumeError, volumes
from ..specs import Value
from ..specs.model import ModelFacts, ModelSource
from .handler import LabHandler
from .query import Query
from .upload import Upload

__all__ = ("QUERY", "Publication", "facts_of")

#: What may be said of a file that comes as the body itself.
QUERY = ("metrics", "example", "source")
_KINDS = ("file", "volume", "job", "notebook")
#: Directories of a training, as the list of its files names them.
_PLACES = ("workspace", "checkpoints")


class Publication(Value):
    """A file or a SavedModel's directory, of the lab, of a volume or of a training.

    Attributes:
        path: From the root of the lab's files or of the volume; of a training as the list of its
            files has it, with ``workspace/`` or ``checkpoints/`` before it, or from its workspace.
        volume: Name of a volume that the person may use.
        job: Id of a training.
        step: Of the checkpoint, to be noted.
        metrics: What was measured of it, by name.
        example: A request that it answers: JSON, or its text.
    """

    path: str = Field(min_length=1, max_length=1000)
    volume: str = Field(default="", max_length=100)
    job: str = Field(default="", max_length=100)
    step: int | None = Field(default=None, ge=0)
    metrics: dict[str, float] = Field(default_factory=dict)
    example: str = ""

    @field_validator("example", mode="before")
    @classmethod
    def _as_text(cls, example: Any) -> Any:
        return json.dumps(example) if isinstance(example, dict) else example

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.volume and self.job:
            raise InvalidRequest("the file lies on a volume or with a job.", field="volume")
        if not {"..", "."}.isdisjoint(self.path.split("/")) and (self.volume or self.job):
            raise InvalidRequest("must be a plain path.", field="path")
        if self.volume and not self.path.strip("/"):
            raise InvalidRequest(
                "is all of the volume.", hint="Name the file or the directory.", field="path"
            )
        return self

    @property
    def facts(self) -> ModelFacts:
        """What is noted of it."""
        kind = "volume" if self.volume else "job" if self.job else "file"
        source = ModelSource.from_wire(
            {
                "kind": kind,
                "path": self.path,
                "volume": self.volume,
                "job": self.job,
                "step": self.step,
            }
        )
        return ModelFacts.from_wire(
            {"source": source.to_wire(), "metrics": self.metrics, "example": self.example}
        )

    async def take(self, asked: LabHandler, upload: Upload) -> None:
        """Copy it into an upload, as the person of the request may.

        Raises:
            InvalidRequest: it is not there, or cannot be read.
            NotFound: there is no such training.
            Unavailable: it is not to be reached from here.
        """
        if self.volume:
            await self._of_volume(asked, upload)
        elif self.job:
            await self._of_job(asked, upload)
        elif asked.lab.files is None:
            raise InvalidRequest(
                "there are no files of yours at this address.",
                hint="Send the file itself, as application/octet-stream.",
                field="path",
            )
        else:
            await upload.copy(asked.lab.files, self.path)

    async def _of_volume(self, asked: LabHandler, upload: Upload) -> None:
        volume = await self._volume(asked)
        if volume.url:
            await upload.fetch(volume, self.path.strip("/"))
        else:
            await upload.copy(Path(volume.path), self.path)

    async def _volume(self, asked: LabHandler) -> DataVolume:
        """As this lab has it, or as the catalog has it for this person."""
        try:
            there = volumes()
        except VolumeError as exc:
            raise Unavailable(str(exc), hint="Restart the lab.") from exc
        if self.volume in there:
            return there[self.volume]
        offered = (await asked.backend.catalog()).for_person(asked.owner, asked.groups)
        found = offered.volume(self.volume)
        if found.kind == "url":
            return DataVolume(name=found.name, url=found.url, options=found.options)
        if found.kind != "path":
            raise Unavailable(
                f"the volume {found.name} is not to be reached from here.",
                hint="Publish the file from a lab that has the volume.",
            )
        if asked.lab.files is None and asked.lab.mode != "single-user":
            # This process may read what the person may not.
            raise Unavailable(
                f"the volume {found.name} is read as you in your own lab only.",
                hint="Publish the file from a lab that has the volume.",
            )
        return DataVolume(name=found.name, path=found.path)

    async def _of_job(self, asked: LabHandler, upload: Upload) -> None:
        job = await asked.backend.get(asked.owner, self.job)
        if not job.workspace:
            raise Unavailable(
                "the files of this training are not on this machine.",
                hint="Have it write the model to a volume, and publish it from there.",
            )
        first, _, rest = self.path.partition("/")
        inside = self.path if first in _PLACES and rest else f"workspace/{self.path}"
        await upload.copy(Path(job.workspace).parent, inside, follow=False)


def facts_of(query: Query) -> ModelFacts | None:
    """What the query says of a file that is the body; None when it says nothing.

    Raises:
        InvalidRequest: a part of it is wrong.
    """
    given: dict[str, Any] = {}
    if (source := query.text("source")) is not None:
        given["source"] = {"kind": source} if source in _KINDS else _json(source, "source")
    if (metrics := query.text("metrics")) is not None:
        given["metrics"] = _json(metrics, "metrics")
    if (example := query.text("example")) is not None:
        given["example"] = example
    return ModelFacts.from_wire(given) if given else None


def _json(text: str, field: str) -> Any:
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise InvalidRequest("must be JSON, with finite numbers.", field=field) from None
    if not isinstance(found, dict):
        raise InvalidRequest("must be a JSON object.", field=field)
    return found


def _no_number(word: str) -> Any:
    raise ValueError(word)
