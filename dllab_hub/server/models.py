"""Models and their versions."""

from __future__ import annotations

from contextlib import aclosing
from http import HTTPStatus

from tornado.iostream import StreamClosedError

from ..errors import InvalidRequest, NotFound
from ..names import check_name
from ..specs.model import ModelFacts
from .filebody import FileHandler
from .handler import LabHandler, allowed
from .publication import QUERY, Publication, facts_of
from .upload import Upload

__all__ = ("ROUTES",)

_PAGE = 50
_FILE = "application/octet-stream"
_MOST_DIGITS = 9


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

    A body that calls itself a file is one, and goes to the disk as it comes; what is said of it is
    in the query. Any other is JSON.
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
        facts = self._facts()
        upload = self.arrived() or Upload(self.lab.uploads)
        try:
            if not self._is_file:
                if facts is not None:
                    raise InvalidRequest("what is said of the file goes into the JSON.")
                facts = await self._take(name, upload)
            file = await upload.finish()
            made = await self.serving.publish(self.owner, name, file, facts)
        finally:
            await upload.discard()
        self.reply(made, HTTPStatus.CREATED)

    async def _take(self, name: str, upload: Upload) -> ModelFacts:
        wish = await self.read(Publication.from_wire)
        check_name(name, "model")
        await wish.take(self, upload)
        return wish.facts

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
        self._facts()
        check_name(self.path_args[0], "model")
        await self.expect(Upload(self.lab.uploads), length)

    def _facts(self) -> ModelFacts | None:
        return facts_of(self.query(*QUERY))


class File(LabHandler):
    """``models/{name}/versions/{version}/file``."""

    packed = False

    @allowed
    async def get(self, name: str, version: str) -> None:
        """The file of a version, piece by piece."""
        self.query()
        if not version.isascii() or not version.isdigit() or len(version) > _MOST_DIGITS:
            raise NotFound("there is no such version.")
        found = await self.serving.download(self.owner, name, int(version), packed=self.packed)
        kind = "application/zip" if found.name.endswith(".zip") else _FILE
        self.set_header("Content-Type", kind)
        self.set_header("Content-Disposition", f'attachment; filename="{found.name}"')
        if found.size is not None:
            self.set_header("Content-Length", str(found.size))
        async with aclosing(found.pieces) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                self.write(piece)
                try:
                    await self.flush()
                except StreamClosedError:
                    return  # Whoever asked has gone.
        self.finish(set_content_type=kind)


class Export(File):
    """``models/{name}/versions/{version}/export``: for devices, with a manifest."""

    packed = True


ROUTES = (
    ("models", Models),
    (r"models/([^/]+)/versions", Versions),
    (r"models/([^/]+)/versions/([^/]+)/file", File),
    (r"models/([^/]+)/versions/([^/]+)/export", Export),
)
