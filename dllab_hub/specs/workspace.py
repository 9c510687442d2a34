"""Files that travel with a job: `Workspace`, named by its content, and what is missing of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from ..errors import InvalidRequest, TooLarge
from .wire import Value

__all__ = (
    "MAX_WORKSPACE_BYTES",
    "MAX_WORKSPACE_FILES",
    "Upload",
    "Workspace",
    "WorkspaceFile",
    "check_size",
)

#: Of one workspace, unless the administrator says otherwise.
MAX_WORKSPACE_BYTES = 512 * 1024 * 1024
MAX_WORKSPACE_FILES = 50_000
#: Characters of a path, and bytes of a name in it: no file system of ours takes more.
_LONGEST = 255
_NO_NAMES = {"", ".", ".."}
#: Largest files that a refusal names.
_SHOWN = 5
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class WorkspaceFile(Value):
    """One file.

    Attributes:
        path: Relative POSIX path in its shortest form: without ``.`` and double slashes.
        sha256: Of its bytes, in hexadecimal digits.
        size: Bytes.
        executable: Whether it may be executed.
    """

    path: str
    sha256: Digest
    size: int = Field(ge=0, le=2**50)
    executable: bool = False

    @model_validator(mode="after")
    def _check(self) -> WorkspaceFile:
        # As `code.check_path`, and stricter: there are many of them, and each names one file.
        path = self.path
        if len(path) > _LONGEST or not path.isprintable():
            raise InvalidRequest(
                f"must have {_LONGEST} printable characters at most.", field="path"
            )
        for name in path.split("/"):
            if name in _NO_NAMES or len(name.encode()) > _LONGEST:
                raise InvalidRequest(
                    "must be a relative path in its shortest form, without '..'.", field="path"
                )
        return self


class Workspace(Value):
    """A snapshot of a directory. Two of the same content have the same `id`."""

    files: tuple[WorkspaceFile, ...] = Field(max_length=MAX_WORKSPACE_FILES)

    @model_validator(mode="after")
    def _check(self) -> Workspace:
        sizes = {file.sha256: file.size for file in self.files}
        if any(sizes[file.sha256] != file.size for file in self.files):
            raise InvalidRequest("one content has two sizes.", field="files")
        paths = {file.path for file in self.files}
        if len(paths) != len(self.files):
            raise InvalidRequest("a path is there twice.", field="files")
        for path in paths:
            at = path
            while "/" in at:
                at = at.rpartition("/")[0]
                if at in paths:
                    raise InvalidRequest("a file is a directory of another.", field="files")
        return self

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def listing(self) -> bytes:
        """The files by path, as JSON: ``[[path, sha256, size, executable], ...]``."""
        lines = sorted((f.path, f.sha256, f.size, f.executable) for f in self.files)
        return json.dumps(lines, separators=(",", ":")).encode()

    @property
    def id(self) -> str:
        """SHA-256 of `listing`, in hexadecimal digits."""
        return hashlib.sha256(self.listing).hexdigest()


class Upload(Value):
    """How far a workspace has come.

    Attributes:
        id: Of the workspace.
        missing: SHA-256 of contents that have to be sent; empty: a job may name it.
    """

    id: str
    missing: tuple[str, ...] = ()


def check_size(sizes: Mapping[str, int], limit: int) -> None:
    """Refuse more than may travel.

    Args:
        sizes: Bytes of each file, by its path.
        limit: Most bytes in all.

    Raises:
        TooLarge: naming the largest files.
    """
    total = sum(sizes.values())
    if total <= limit:
        return
    largest = sorted(sizes, key=lambda path: (-sizes[path], path))[:_SHOWN]
    names = ", ".join(f"{path} ({_megabytes(sizes[path])})" for path in largest)
    raise TooLarge(
        f"the workspace has {_megabytes(total)} and {_megabytes(limit)} may travel; "
        f"the largest files are {names}.",
        hint="Name what is not needed in .dllabignore, or put data on a volume.",
        field="workspace",
    )


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB".replace(".0 MB", " MB")
