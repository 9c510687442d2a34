"""`Models`: published models, a directory for each version that never changes again."""

from __future__ import annotations

import errno
import json
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import InvalidRequest
from ....names import slug
from ....specs import Model, ModelFormat, ModelPage, ModelVersion
from ....specs.model import ModelFacts
from ..account import Account
from ..disk import disk_errors
from ..shimdir import sync_folder, write_file
from .keeping import clear, move_in, own, own_folder
from .page import page
from .pickles import PICKLES, Pickles, warning_of
from .recognition import recognise
from .unpacking import unpack

__all__ = ("Draft", "Models")

_LOG = logging.getLogger(__name__)
#: What the system says to a rename onto a version that was made meanwhile.
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY}
#: Of a new name that has the form of none that a person may choose.
_NEW = ".new-"
#: What the file or directory of a version is called; the model server goes by it.
_NAMES: Mapping[str, str] = {
    "onnx": "model.onnx",
    "torch-export": "model.pt2",
    "torchscript": "model.pt",
    "savedmodel": "saved_model",
    "pickle": "model.pkl",
    "torch-pickle": "model.pth",
}
#: Formats whose files do not say what they take: the model server finds it in a file beside.
_SILENT = {"torchscript", *PICKLES}


@dataclass(frozen=True)
class Draft:
    """A model that is about to become a version.

    Attributes:
        folder: Its directory.
        format: What it was recognised as.
        size: Bytes.
        sha256: Of a file; of a directory, of the list that ``sha256sum`` makes of its files.
        account: Whose it is.
    """

    folder: Path
    format: ModelFormat
    size: int
    sha256: str
    account: Account

    @property
    def file(self) -> Path:
        """The model itself: a file, or the directory of a SavedModel."""
        return self.folder / _NAMES[self.format]


class Models:
    """Models by owner and name. Everything blocks; any thread may call.

    The layout is that of TF Serving and Triton: ``<owner>/<name>/<version>/`` with ``model.onnx``,
    ``saved_model/`` or the like, and ``model.json``, the record. The directories
    are the service's own. Others can pass through them and see no names; a model's files belong to
    its owner's account, which alone can read them.

    Args:
        root: ``<root>/models``.
        pickles: Whether a model may be one; none may by default.
    """

    def __init__(self, root: Path, pickles: Pickles | None = None) -> None:
        self._root = root
        self._pickles = pickles or Pickles()
        self._known: dict[Path, ModelVersion] = {}  # They never change.

    def open(self) -> None:
        """Clear away what a publication that was cut short has left."""
        for path in self._root.glob(f"*/{_NEW}*"):
            clear(path)

    def names(self, owner: str) -> list[str]:
        """Names of the owner's models, sorted."""
        folder = self._root / slug(owner)
        try:
            found = os.listdir(folder)
        except FileNotFoundError:
            return []
        return sorted(name for name in found if not name.startswith("."))

    def versions(self, owner: str, model: str) -> tuple[ModelVersion, ...]:
        """Versions of a model, newest first; none when there is no such model."""
        folder = self._root / slug(owner) / model
        try:
            numbers = sorted((int(n) for n in os.listdir(folder) if n.isdigit()), reverse=True)
        except FileNotFoundError:
            return ()
        found = (self._read(folder / str(number)) for number in numbers)
        return tuple(version for version in found if version is not None)

    def page(self, owner: str, limit: int, after: str | None) -> ModelPage:
        """At most so many of the owner's models by name, those that follow ``after``.

        Raises:
            InvalidRequest: ``after`` is no name.
        """
        names, following = page(self.names(owner), limit, after)
        found = ((name, self.versions(owner, name)) for name in names)
        models = tuple(Model(name=n, owner=owner, versions=v) for n, v in found if v)
        return ModelPage(models=models, next=following)

    def find(self, owner: str, model: str, version: int | None) -> ModelVersion:
        """A version that is to be deployed, or the newest.

        Raises:
            InvalidRequest: there is none, or it may not be; the message says what there is.
        """
        there = self.versions(owner, model)
        if not there:
            names = self.names(owner)
            known = f"You have {', '.join(names[:10])}." if names else "Publish one first."
            raise InvalidRequest("there is no such model.", hint=known, field="model")
        for one in there:
            if version in (None, one.version):
                self._pickles.check(one.format, "version")
                return one
        numbers = ", ".join(str(one.version) for one in there[:10])
        raise InvalidRequest(f"the model has version {numbers}.", field="version")

    def version(self, owner: str, model: str, version: int) -> ModelVersion | None:
        """One version; None where it is not there, or its record is damaged."""
        return self._read(self._root / slug(owner) / model / str(version))

    def file(self, owner: str, model: str, version: int) -> Path:
        """Where the file of a version lies, or the directory of a SavedModel.

        Whatever is damaged, this says where it should be: who opens it finds out.
        """
        folder = self._root / slug(owner) / model / str(version)
        return folder / _NAMES[self.format(owner, model, version)]

    def format(self, owner: str, model: str, version: int) -> ModelFormat:
        """Of a version; ONNX where its record cannot be read."""
        found = self._read(self._root / slug(owner) / model / str(version))
        return found.format if found is not None else "onnx"

    def warning(self, owner: str, model: str, version: int) -> str:
        """What is to be known of a version before it is served; empty where nothing is."""
        found = self._read(self._root / slug(owner) / model / str(version))
        return found.warning if found is not None else ""

    def draft(self, owner: str, file: Path, account: Account) -> Draft:
        """Move a file here, or copy it from another file system; a SavedModel is unpacked.

        Raises:
            InvalidRequest: it is no regular file, or none of a format that is served here.
            StorageFull: there is no room; nothing was left behind.
        """
        with disk_errors():
            home = self._root / slug(owner)
            home.mkdir(mode=0o711, parents=True, exist_ok=True)
            home.chmod(0o711)  # Whatever our umask is.
            folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=home))
            try:
                folder.chmod(0o711)
                came = folder / "came"
                move_in(file, came)
                kind = recognise(came)
                self._pickles.check(kind.format, "model")
                path = folder / _NAMES[kind.format]
                if kind.packed:
                    unpack(came, kind.packed, path)
                    came.unlink()
                    return Draft(folder, kind.format, *own_folder(path, account), account)
                came.rename(path)
                return Draft(folder, kind.format, *own(path, account), account)
            except BaseException:
                clear(folder)
                raise

    def keep(
        self,
        owner: str,
        model: str,
        draft: Draft,
        about: Mapping[str, Any],
        facts: ModelFacts | None = None,
    ) -> ModelVersion:
        """Make a draft the next version of a model.

        Args:
            owner: Person.
            model: A valid name.
            draft: Is gone afterwards.
            about: ``inputs``, ``outputs`` and ``example`` of a `ModelVersion`, as JSON.
            facts: What was said of it.

        Raises:
            StorageFull: there is no room.
        """
        said = (facts or ModelFacts()).to_wire()
        with disk_errors():
            if draft.format in _SILENT:
                _note(draft, about)
            home = self._root / slug(owner) / model
            home.mkdir(mode=0o711, exist_ok=True)
            home.chmod(0o711)
            while True:
                number = max((int(n) for n in os.listdir(home) if n.isdigit()), default=0) + 1
                made = ModelVersion.from_wire(
                    {
                        **{key: about[key] for key in ("inputs", "outputs", "example")},
                        "model": model,
                        "version": number,
                        "format": draft.format,
                        "publisher": said["publisher"] or owner,
                        "source": said["source"],
                        "metrics": said["metrics"],
                        "size": draft.size,
                        "sha256": draft.sha256,
                        "created": time.time(),
                        "warning": warning_of(draft.format),
                    }
                )
                write_file(draft.folder / "model.json", json.dumps(made.to_wire()).encode())
                sync_folder(draft.folder)
                try:
                    draft.folder.rename(home / str(number))
                except OSError as exc:
                    if exc.errno in _TAKEN:
                        continue
                    raise
                sync_folder(home)
                return made

    def discard(self, draft: Draft) -> None:
        """Delete a draft."""
        clear(draft.folder)

    def _read(self, folder: Path) -> ModelVersion | None:
        if folder not in self._known:
            try:
                data = json.loads((folder / "model.json").read_bytes())
                self._known[folder] = ModelVersion.from_wire(data)
            except (OSError, ValueError, RecursionError) as exc:
                _LOG.error("The model in %s cannot be read: %s", folder, exc)
                return None
        return self._known[folder]


def _note(draft: Draft, about: Mapping[str, Any]) -> None:
    """What the model takes and gives, beside it, for its owner's replicas."""
    path = draft.folder / "signature.json"
    path.write_text(json.dumps({key: about[key] for key in ("inputs", "outputs")}))
    own(path, draft.account)
