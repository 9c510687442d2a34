"""Models and their versions."""

from __future__ import annotations

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any

from ..errors import DLLabError, InvalidRequest
from ..names import check_name
from .handler import LabHandler, allowed
from .upload import MAX_MODEL_BYTES, Upload

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


class Versions(LabHandler):
    """``models/{name}/versions``.

    A body that calls itself a file is one, and goes to the disk as it comes; any other is JSON.
    """

    _upload: Upload | None = None

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
        self.check_body()
        # From here on it is looked after below, also when the sender goes away.
        upload, self._upload = self._upload or Upload(self.lab.uploads), None
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
        # Whatever the server's own limit is.
        self.request.connection.set_max_body_size(MAX_MODEL_BYTES + 1)
        self._upload = Upload(self.lab.uploads)
        await self._upload.expect(length)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A piece of the file, or of the JSON."""
        if self._upload is None or self._refused is not None:
            return super().data_received(chunk)
        return self._keep(self._upload, chunk)

    async def _keep(self, upload: Upload, chunk: bytes) -> None:
        self._arrived += len(chunk)
        try:
            await upload.add(chunk)
        except DLLabError as exc:
            await upload.discard()
            self.refuse(exc)

    def on_finish(self) -> None:
        """Leave nothing behind, however it went."""
        self._clean()
        super().on_finish()

    def on_connection_close(self) -> None:
        """Leave nothing behind when the sender has gone."""
        self._clean()
        super().on_connection_close()

    def _clean(self) -> None:
        if self._upload is not None:
            self._upload.drop()


def _path(data: dict[str, Any]) -> str:
    path = data.pop("path", None)
    if data:
        raise InvalidRequest("there is no such key.", hint="The one key is path.")
    if not isinstance(path, str) or not path:
        raise InvalidRequest("must be the path of an ONNX file.", field="path")
    return path


ROUTES = (("models", Models), (r"models/([^/]+)/versions", Versions))
