"""`Models`: published models, a directory for each version that never changes again."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import InvalidRequest
from ....names import slug
from ....specs import Model, ModelPage, ModelVersion
from ..account import Account
from ..disk import disk_errors
from ..shimdir import sync_folder, write_file
from .page import page

__all__ = ("Draft", "Models")

_LOG = logging.getLogger(__name__)
_PIECE = 1024 * 1024
#: What the system says to a rename onto a version that was made meanwhile.
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY}
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Of a new name that has the form of none that a person may choose.
_NEW = ".new-"


@dataclass(frozen=True)
class Draft:
    """A file that is about to become a version.

    Attributes:
        folder: Its directory.
        size: Bytes.
        sha256: 64 hexadecimal digits.
    """

    folder: Path
    size: int
    sha256: str

    @property
    def file(self) -> Path:
        """The model itself."""
        return self.folder / "model.onnx"


class Models:
    """Models by owner and name. Everything blocks; any thread may call.

    The directories are the service's own. Others can pass through them and see no names; a model's
    file belongs to its owner's account, which alone can read it.

    Args:
        root: ``<root>/models``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[Path, ModelVersion] = {}  # They never change.

    def open(self) -> None:
        """Clear away what a publication that was cut short has left."""
        for path in self._root.glob(f"*/{_NEW}*"):
            shutil.rmtree(path, ignore_errors=True)

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
        """A version, or the newest.

        Raises:
            InvalidRequest: there is none; the message says what there is.
        """
        there = self.versions(owner, model)
        if not there:
            names = self.names(owner)
            known = f"You have {', '.join(names[:10])}." if names else "Publish one first."
            raise InvalidRequest("there is no such model.", hint=known, field="model")
        for one in there:
            if version in (None, one.version):
                return one
        numbers = ", ".join(str(one.version) for one in there[:10])
        raise InvalidRequest(f"the model has version {numbers}.", field="version")

    def file(self, owner: str, model: str, version: int) -> Path:
        """Where the ONNX file of a version lies."""
        return self._root / slug(owner) / model / str(version) / "model.onnx"

    def draft(self, owner: str, file: Path, account: Account) -> Draft:
        """Move a file here, or copy it from another file system.

        Raises:
            InvalidRequest: it is no regular file.
            StorageFull: there is no room; nothing was left behind.
        """
        with disk_errors():
            home = self._root / slug(owner)
            home.mkdir(mode=0o711, parents=True, exist_ok=True)
            home.chmod(0o711)  # Whatever our umask is.
            folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=home))
            try:
                folder.chmod(0o711)
                _move(file, folder / "model.onnx")
                return Draft(folder, *_own(folder / "model.onnx", account))
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise

    def keep(self, owner: str, model: str, draft: Draft, about: Mapping[str, Any]) -> ModelVersion:
        """Make a draft the next version of a model.

        Args:
            owner: Person.
            model: A valid name.
            draft: Is gone afterwards.
            about: ``inputs``, ``outputs`` and ``example`` of a `ModelVersion`, as JSON.

        Raises:
            StorageFull: there is no room.
        """
        with disk_errors():
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
                        "size": draft.size,
                        "sha256": draft.sha256,
                        "created": time.time(),
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
        shutil.rmtree(draft.folder, ignore_errors=True)

    def _read(self, folder: Path) -> ModelVersion | None:
        if folder not in self._known:
            try:
                data = json.loads((folder / "model.json").read_bytes())
                self._known[folder] = ModelVersion.from_wire(data)
            except (OSError, ValueError, RecursionError) as exc:
                _LOG.error("The model in %s cannot be read: %s", folder, exc)
                return None
        return self._known[folder]


def _move(source: Path, target: Path) -> None:
    try:
        fd = os.open(source, os.O_RDONLY | _FLAGS)
    except OSError as exc:
        raise InvalidRequest(f"the file cannot be read: {exc.strerror}.", field="model") from exc
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InvalidRequest("must be a regular file.", field="model")
        try:
            os.rename(source, target)
        except OSError as exc:
            if exc.errno not in (errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            with target.open("xb") as copy:
                shutil.copyfileobj(file, copy, _PIECE)


def _own(path: Path, account: Account) -> tuple[int, str]:
    """Have it on the disk, read-only, the account's; its size and SHA-256."""
    with open(os.open(path, os.O_RDONLY | _FLAGS), "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fchmod(file.fileno(), 0o400)
        if account.uid != os.geteuid():
            os.fchown(file.fileno(), account.uid, account.gid)
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size, digest
