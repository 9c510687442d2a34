"""`VolumeTree`: what can be seen of data volumes through Jupyter Server's contents interface."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import ensure_async
from jupyter_server.services.contents.manager import ContentsManager
from tornado.web import HTTPError

from ..runtime.data import volumes
from .filemodel import content_of, model_of
from .storage import Info, Storage

__all__ = ("VolumeTree",)

_LOG = logging.getLogger(__name__)
#: Most files of one folder that the browser gets; more would be of no use to a person.
MAX_LISTED = 10_000


class VolumeTree(ContentsManager):  # type: ignore[misc]
    """The half of `VolumeContents` that changes nothing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._storages: dict[str, Storage] = {}
        for volume in volumes().values():
            if volume.url:
                # One that a cluster would mount elsewhere is not mounted at all.
                place = f"data/{volume.name}" if volume.place.startswith("/") else volume.place
                self._storages[place.strip("/")] = Storage(volume)
        for place in self._storages:
            try:
                (Path(self.root_dir) / place).parent.mkdir(parents=True, exist_ok=True)
            except OSError as exc:  # They are there all the same, only not listed.
                _LOG.warning("Volumes cannot be listed in %s: %s", self.root_dir, exc)

    def found(self, path: str) -> tuple[Storage, str] | None:
        """The volume that a path lies in, and the path inside it; None when it lies in none.

        Raises:
            HTTPError: 404: the path is not a plain one.
        """
        path = path.strip("/")
        for place, storage in self._storages.items():
            if path == place:
                return storage, ""
            if path.startswith(f"{place}/"):
                inside = path.removeprefix(f"{place}/")
                if "\0" in inside or not {"", ".", ".."}.isdisjoint(inside.split("/")):
                    raise HTTPError(404, "There is no such path in a volume.")
                return storage, inside
        return None

    async def is_hidden(self, path: str) -> bool:
        if found := self.found(path):
            return any(part.startswith(".") for part in found[1].split("/"))
        return bool(await ensure_async(super().is_hidden(path)))

    async def dir_exists(self, path: str) -> bool:
        if found := self.found(path):
            info = await found[0].info(found[1])
            return info is not None and info.is_folder
        return bool(await ensure_async(super().dir_exists(path)))

    async def file_exists(self, path: str) -> bool:
        if found := self.found(path):
            info = await found[0].info(found[1])
            return info is not None and not info.is_folder
        return bool(await ensure_async(super().file_exists(path)))

    async def resolve_path(self, path: str) -> str | None:
        if found := self.found(path):
            return path.strip("/") if await found[0].info(found[1]) else None
        resolved: str | None = await ensure_async(super().resolve_path(path))
        return resolved

    async def get(
        self,
        path: str,
        content: bool = True,
        type: str | None = None,
        format: str | None = None,
        require_hash: bool = False,
    ) -> dict[str, Any]:
        path = path.strip("/")
        found = self.found(path)
        if found is None:
            own: dict[str, Any] = await super().get(path, content, type, format, require_hash)
            if own["type"] == "directory" and content:
                own["content"] = self._with_places(path, own["content"])
            return own
        storage, inside = found
        info = await storage.info(inside)
        if info is None:
            raise HTTPError(404, f"There is no file or folder {path}.")
        if (type == "directory") != info.is_folder and type is not None:
            what = "a folder" if info.is_folder else "no folder"
            raise HTTPError(400, f"{path} is {what}.", reason="bad type")
        model = self._model(path, info, storage)
        if info.is_folder:
            if content:
                model |= {"content": await self._listed(path, inside, storage), "format": "json"}
            return model
        if type == "notebook" or (type is None and path.endswith(".ipynb")):
            model["type"] = "notebook"
        if require_hash:  # Before reading: what changes in between then counts as a change.
            version = await storage.version(inside)
            model |= {"hash": version, "hash_algorithm": "version"}
        if content:
            self._fill(model, await storage.read(inside), format)
        self.emit(data={"action": "get", "path": path})
        return model

    def _model(self, path: str, info: Info, storage: Storage) -> dict[str, Any]:
        return model_of(path, info, writable=not storage.volume.read_only)

    async def _listed(self, path: str, inside: str, storage: Storage) -> list[dict[str, Any]]:
        infos = [
            info
            for info in await storage.entries(inside)
            if self.should_list(info.name) and (self.allow_hidden or info.name[:1] != ".")
        ]
        listed = [self._model(f"{path}/{info.name}", info, storage) for info in infos[:MAX_LISTED]]
        if (more := len(infos) - MAX_LISTED) > 0:
            # Said where the person looks, as a file that cannot be opened.
            note = Info(f"({more} more are not shown)", is_folder=False)
            listed.append(self._model(f"{path}/{note.name}", note, storage))
        return listed

    def _with_places(self, path: str, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        here = {
            place: storage
            for place, storage in self._storages.items()
            if place.rpartition("/")[0] == path
        }
        kept = [model for model in listed if model["path"].strip("/") not in here]
        return kept + [
            self._model(place, Info(place, is_folder=True), storage)
            for place, storage in here.items()
        ]

    def _fill(self, model: dict[str, Any], data: bytes, format: str | None) -> None:
        if model["type"] != "notebook":
            model["content"], model["format"] = content_of(data, format)
            plain = "text/plain" if model["format"] == "text" else "application/octet-stream"
            model["mimetype"] = model["mimetype"] or plain
            return
        wrong: dict[str, Any] = {}
        try:
            notebook = nbformat.reads(data.decode(), 4, capture_validation_error=wrong)
        except Exception as exc:  # nbformat raises whatever the content makes it raise.
            raise HTTPError(
                400, f"{model['path']} is no notebook: {exc}", reason="bad format"
            ) from exc
        self.mark_trusted_cells(notebook, model["path"])
        model |= {"content": notebook, "format": "json", "mimetype": None}
        self.validate_notebook_model(model, wrong)
