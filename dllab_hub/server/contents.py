"""`VolumeContents`: data volumes behind a URL as folders of JupyterLab's own file browser.

They appear as ``data/<name>`` beside the volumes that are directories, and everything else stays
with the contents manager that the server has anyway. (jupyter-fs and jupyter-fsspec add a browser
of their own each and keep addresses in the person's settings; here the administrator says what
there is, and one browser, the launcher's working directory and drag and drop see all of it.)
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

import nbformat
from jupyter_server.services.contents.filecheckpoints import AsyncGenericFileCheckpoints
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from jupyter_server.services.contents.manager import ContentsManager
from tornado.web import HTTPError
from traitlets import default
from traitlets.config import Config

from ..runtime.data import volumes
from .download import LinkedFiles, VolumeFiles
from .filemodel import bytes_of
from .storage import Info
from .volumetree import VolumeTree

__all__ = ("VolumeContents", "configured", "with_volumes")

_LOG = logging.getLogger(__name__)
#: Below the home: what a file of a volume was when it was last saved by hand.
_CHECKPOINTS = ".ipynb_checkpoints/volumes"


def configured(manager: type[ContentsManager]) -> Config:
    """What a server with this contents manager must be told for the volumes of this lab."""
    contents = with_volumes(manager)
    if contents is not manager:
        # As configuration: another extension that brings one would undo a mere assignment.
        return Config({"ServerApp": {"contents_manager_class": contents}})
    if any(volume.path for volume in volumes().values()):
        return Config({"FileContentsManager": {"files_handler_class": LinkedFiles}})
    return Config()


def with_volumes(manager: type[ContentsManager]) -> type[ContentsManager]:
    """The class of a contents manager, with the volumes of this lab; itself when none has a URL."""
    if not any(volume.url for volume in volumes().values()):
        return manager
    if not issubclass(manager, AsyncFileContentsManager):
        _LOG.warning("Volumes with a URL are not in the file browser: %r has its own.", manager)
        return manager
    return type(f"{manager.__name__}WithVolumes", (VolumeContents, manager), {})


class VolumeContents(VolumeTree):
    """Put before a contents manager of files; see `with_volumes`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # In the home: a bucket is often not one's own.
        self._copies = AsyncGenericFileCheckpoints(
            parent=self, root_dir=str(Path(self.root_dir) / _CHECKPOINTS)
        )

    @default("files_handler_class")  # type: ignore[untyped-decorator]
    def _files_handler_class_default(self) -> Any:
        return VolumeFiles

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        path = path.strip("/")
        found = self.found(path)
        if found is None:
            saved: dict[str, Any] = await super().save(model, path)
            return saved
        storage, inside = found
        chunk = model.get("chunk")
        if chunk in (None, 1):
            self.run_pre_save_hooks(model=model, path=path)
        kind = model.get("type")
        if kind == "directory":
            if inside:
                await storage.make_folder(inside)
        elif not inside or kind not in ("file", "notebook") or "content" not in model:
            raise HTTPError(400, "This cannot be saved as a file of a volume.")
        elif chunk is None:
            await storage.write(inside, self._bytes(model, path))
        elif isinstance(chunk, int):
            await storage.upload(inside, self._bytes(model, path), chunk)
            if chunk != -1:  # The file is not there before the last part of it.
                return self._model(path, Info(path.rpartition("/")[2], is_folder=False), storage)
        else:
            raise HTTPError(400, "The number of the chunk is none.")
        answer = await self.get(path, content=False)
        if "message" in model:
            answer["message"] = model["message"]
        self.emit(data={"action": "save", "path": path})
        return answer

    async def delete(self, path: str) -> None:
        path = path.strip("/")
        self._check_movable(path, "deleted")
        if found := self.found(path):
            await found[0].remove(found[1])
            await self._copies.delete_all_checkpoints(path)
            self.emit(data={"action": "delete", "path": path})
        else:
            await super().delete(path)

    async def rename(self, old_path: str, new_path: str) -> None:
        old_path, new_path = old_path.strip("/"), new_path.strip("/")
        old, new = self.found(old_path), self.found(new_path)
        if old is None and new is None:
            self._check_movable(old_path, "renamed")
            await super().rename(old_path, new_path)
            return
        self._check_movable(old_path, "moved")
        if await self.file_exists(new_path) or await self.dir_exists(new_path):
            raise HTTPError(409, f"There is a file or folder {new_path} already.")
        if old and new and old[0] is new[0]:
            await old[0].move(old[1], new[1])
            await self._copies.rename_all_checkpoints(old_path, new_path)
        else:
            await self._carry(old_path, new_path)
        self.emit(data={"action": "rename", "path": new_path, "source_path": old_path})

    async def copy(self, from_path: str, to_path: str | None = None) -> dict[str, Any]:
        touched = self.found(from_path) or self.found(to_path or "")
        if touched and await self.dir_exists(from_path):
            raise HTTPError(400, "Folders of a volume cannot be copied here; use a notebook.")
        copied: dict[str, Any] = await super().copy(from_path, to_path)
        return copied

    async def increment_filename(self, filename: str, path: str = "", insert: str = "") -> str:
        found = self.found(path)
        if found is None:
            own: str = await super().increment_filename(filename, path, insert)
            return own
        taken = {info.name for info in await found[0].entries(found[1])}
        stem, dot, suffix = (
            filename.rpartition(".") if filename.endswith(".ipynb") else filename.partition(".")
        )
        name, number = filename, 0
        while name in taken:
            number += 1
            name = f"{stem}{insert}{number}{dot}{suffix}"
        return name

    async def create_checkpoint(self, path: str) -> Any:
        if self.found(path):
            return await self._copies.create_checkpoint(self, path)
        return await super().create_checkpoint(path)

    async def restore_checkpoint(self, checkpoint_id: str, path: str) -> None:
        if self.found(path):
            await self._copies.restore_checkpoint(self, checkpoint_id, path)
        else:
            await super().restore_checkpoint(checkpoint_id, path)

    async def list_checkpoints(self, path: str) -> Any:
        if self.found(path):
            return await self._copies.list_checkpoints(path)
        return await super().list_checkpoints(path)

    async def delete_checkpoint(self, checkpoint_id: str, path: str) -> None:
        if self.found(path):
            await self._copies.delete_checkpoint(checkpoint_id, path)
        else:
            await super().delete_checkpoint(checkpoint_id, path)

    def _bytes(self, model: dict[str, Any], path: str) -> bytes:
        if model["type"] != "notebook":
            return bytes_of(model["content"], model.get("format"))
        wrong: dict[str, Any] = {}
        try:
            notebook = nbformat.from_dict(model["content"])
            self.check_and_sign(notebook, path)
            text = nbformat.writes(notebook, 4, capture_validation_error=wrong)
        except Exception as exc:  # As above.
            raise HTTPError(400, f"{path} is no notebook: {exc}") from exc
        self.validate_notebook_model(model, wrong)
        return str(text).encode()

    async def _carry(self, old_path: str, new_path: str) -> None:
        """Move a file between a volume and the home, or between two volumes."""
        if await self.dir_exists(old_path):
            raise HTTPError(400, "Folders are moved within one volume only; use a notebook.")
        old, new = self.found(old_path), self.found(new_path)
        if old:
            old[0].check_writable()
        if old and new:
            data = await old[0].read(old[1])
            await new[0].write(new[1], data)
        elif new:
            await new[0].bring(self._get_os_path(old_path), new[1])
        elif old:
            await old[0].fetch(old[1], self._get_os_path(new_path))
        # Only now: whatever goes wrong before leaves the old one where it is.
        if old:
            await old[0].remove(old[1])
        else:
            await asyncio.to_thread(os.unlink, self._get_os_path(old_path))

    def _check_movable(self, path: str, what: str) -> None:
        for place in self._storages:
            if f"{place}/".startswith(f"{path}/"):
                raise HTTPError(403, f"{place} is a data volume of this lab: it cannot be {what}.")
