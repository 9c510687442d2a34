"""Files as they are, for downloads and pictures; those of `VolumeFiles` come piece by piece."""

from __future__ import annotations

import os
from contextlib import aclosing
from typing import Any

from jupyter_core.paths import is_hidden
from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import AuthenticatedFileHandler
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, StaticFileHandler, authenticated

from ..runtime.data import volumes

__all__ = ("LinkedFiles", "VolumeFiles")


class LinkedFiles(AuthenticatedFileHandler):  # type: ignore[misc]
    """``files/...``, also behind the links to this lab's data volumes; no other leads outside."""

    def initialize(self, path: str, default_filename: str | None = None) -> None:
        """Known to tornado from 6.5.9 on, which before follows all links."""
        super().initialize(path, default_filename)
        volume_paths = (volume.path for volume in volumes().values() if volume.path)
        self.allowed_symlink_directory = [path, *volume_paths]

    def validate_absolute_path(self, root: str, absolute_path: str) -> Any:
        """The file behind a path, unless it lies elsewhere or its path is that of a hidden one."""
        found = StaticFileHandler.validate_absolute_path(self, root, absolute_path)
        # Jupyter Server asks this about the file behind the link, which is in no home.
        if not self.contents_manager.allow_hidden and is_hidden(
            absolute_path, os.path.abspath(root)
        ):
            raise HTTPError(404)
        return found


class VolumeFiles(LinkedFiles):
    """``files/...``: of any size, because nothing is kept of what has been sent."""

    @authenticated  # type: ignore[untyped-decorator]
    @authorized  # type: ignore[untyped-decorator]
    async def get(self, path: str, include_body: bool = True) -> None:
        """Send a file."""
        found = self.contents_manager.found(path)
        if found is None:
            await ensure_async(super().get(path, include_body=include_body))
            return
        self.check_xsrf_cookie()
        storage, inside = found
        info = await storage.info(inside)
        hidden = not self.contents_manager.allow_hidden and any(
            part.startswith(".") for part in inside.split("/")
        )
        if info is None or info.is_folder or hidden:
            raise HTTPError(404)
        if info.name.endswith(".ipynb") or self.get_argument("download", None):
            self.set_attachment_header(info.name)
        self.absolute_path = info.name  # What the type is guessed from.
        self.set_header("Content-Type", self.get_content_type())
        self.set_header("Cache-Control", "no-cache")
        if info.size is not None:
            self.set_header("Content-Length", str(info.size))
        if include_body:
            await self._send(storage.pieces(inside))

    async def _send(self, pieces: Any) -> None:
        async with aclosing(pieces):
            async for piece in pieces:
                self.write(piece)
                try:
                    await self.flush()
                except StreamClosedError:
                    return  # Whoever asked has gone.
