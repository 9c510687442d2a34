"""Models and their versions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from ..errors import InvalidRequest
from ..names import check_name
from .filebody import FileHandler
from .handler import LabHandler, allowed
from .upload import Upload

__all__ = ("ROUTES",)

_PAGE = 50
_FILE = "application/octet-stream"


class Models(LabHandler):
    """``models``."""

    @allowed
    async def get(self) -> None:
        """A page of the person's models, by name."""
        query = self.query("limit", "next")
        limit = query.number("limit")
        self.reply(
            await self.serving.models(
                self.owner, limit=_PAGE if limit is None else limit, after=query.text("next")
            )
        )


class Versions(FileHandler):
    """``models/{name}/versions``.

    A body that calls itself a file is one, and goes to the disk as it comes; any other is JSON.
    """

    @allowed
    async def get(self, name: str) -> None:
        """Versions of a model, newest first."""
        self.query()
        versions = await self.serving.versions(self.owner, name)
        self.reply({"versions": [version.to_wire() for version in versions]})

    @allowed
    async def post(self, name: str) -> None:
        """Keep a file as the next version."""
        self.query()
        upload = self.arrived() or Upload(self.lab.uploads)
        try:
            if not self._is_file:
                await self._copy(name, upload)
            made = await self.serving.publish(self.owner, name, await upload.finish())
        finally:
            await upload.discard()
        self.reply(made, HTTPStatus.CREATED)

    async def _copy(self, name: str, upload: Upload) -> None:
        path = await self.read(_path)
        if self.lab.files is None:
            raise InvalidRequest(
                "there are no files of yours at this address.",
                hint=f"Send the file itself, as {_FILE}.",
                field="path",
            )
        check_name(name, "model")
        await upload.copy(self.lab.files, path)

    async def announced(self, length: int) -> None:
        """Refuse a file that is not wanted before it comes."""
        if self.request.method == "POST" and self._is_file:
            await self._expect(length)
        else:
            await super().announced(length)

    @property
    def _is_file(self) -> bool:
        kind: str = self.request.headers.get("Content-Type", "")
        return kind.partition(";")[0].strip().lower() == _FILE

    @allowed
    async def _expect(self, length: int) -> None:
        self.query()
        check_name(self.path_args[0], "model")
        await self.expect(Upload(self.lab.uploads), length)


def _path(data: dict[str, Any]) -> str:
    path = data.pop("path", None)
    if data:
        raise InvalidRequest("there is no such key.", hint="The one key is path.")
    if not isinstance(path, str) or not path:
        raise InvalidRequest("must be the path of an ONNX file.", field="path")
    return path


ROUTES = (("models", Models), (r"models/([^/]+)/versions", Versions))
