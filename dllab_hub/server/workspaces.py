"""Files that travel with jobs."""

from __future__ import annotations

import re

from ..errors import InvalidRequest, NotFound
from ..specs import MAX_WORKSPACE_FILES, Workspace
from .filebody import FileHandler
from .handler import LabHandler, allowed
from .upload import Upload

__all__ = ("ROUTES",)

#: A list of so many files, each with a long path.
_MAX_LIST = 32 * 1024 * 1024
#: What an archive has beside the contents: a header and padding for each, and its end.
_BESIDE = MAX_WORKSPACE_FILES * 1024 + 10_240
_TAR = "application/x-tar"
_ID = re.compile(r"[0-9a-f]{64}")


class Workspaces(LabHandler):
    """``workspaces``."""

    max_body = _MAX_LIST

    @allowed
    async def post(self) -> None:
        """Keep a list of files, and say which contents are missing."""
        self.query()
        workspace = await self.read(Workspace.from_wire)
        self.reply(await self.backend.workspaces.announce(self.owner, workspace))


class Blobs(FileHandler):
    """``workspaces/{id}/blobs``."""

    @allowed
    async def put(self, id: str) -> None:
        """Take contents that were missing."""
        self.query()
        upload = self.arrived()
        if upload is None:
            raise InvalidRequest("the body must be a tar file.", hint=f"Send it as {_TAR}.")
        try:
            filled = await self.backend.workspaces.fill(self.owner, id, await upload.finish())
        finally:
            await upload.discard()
        self.reply(filled)

    async def announced(self, length: int) -> None:
        """Refuse a file that is not wanted before it comes."""
        kind: str = self.request.headers.get("Content-Type", "")
        if self.request.method == "PUT" and kind.partition(";")[0].strip().lower() == _TAR:
            await self._expect(length)
        else:
            await super().announced(length)

    @allowed
    async def _expect(self, length: int) -> None:
        self.query()
        if not _ID.fullmatch(self.path_args[0]):
            raise NotFound("there is no such workspace.")
        catalog = await self.backend.catalog()
        limit = (catalog.max_workspace_mb << 20) + _BESIDE
        await self.expect(Upload(self.lab.uploads, limit, "archive"), length)


ROUTES = (("workspaces", Workspaces), (r"workspaces/([^/]+)/blobs", Blobs))
