"""What a job runs: `Code`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from .wire import Value

__all__ = ("MAX_CODE_BYTES", "Code")

#: All submitted text together; larger trees travel as a workspace.
MAX_CODE_BYTES = 4 * 1024 * 1024
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Code(Value):
    """What runs: a script or cell, a module, a shell script or a command, and what travels along.

    Attributes:
        kind: ``script``: ``python <filename> <args>``. ``module``: ``python -m <module> <args>``.
            ``shell``: ``bash <filename> <args>``. ``command``: ``args`` as they are, the program
            first; no shell reads them.
        source: Text of the script or cell; empty for ``module`` and ``command``.
        filename: Name it gets in the workspace; shown in tracebacks.
        module: Dotted name of the module.
        args: Arguments, given as they are (no shell reads them).
        files: Local modules: relative POSIX path -> text.
    """

    kind: Literal["script", "module", "shell", "command"] = "script"
    source: str = ""
    filename: str = "train.py"
    module: str = Field(default="", max_length=255)
    args: tuple[str, ...] = Field(default=(), max_length=256)
    files: dict[str, str] = Field(default_factory=dict, max_length=1000)

    @model_validator(mode="after")
    def _check(self) -> Code:
        has_source = self.kind in ("script", "shell")
        if has_source and not self.source:
            raise InvalidRequest("there is no code to run.", field="source")
        if not has_source and self.source:
            raise InvalidRequest(f"a {self.kind} has no source of its own.", field="source")
        if (self.kind == "module") != bool(self.module):
            raise InvalidRequest("belongs to the kind 'module', and only there.", field="module")
        if self.module and not _MODULE.fullmatch(self.module):
            raise InvalidRequest("must be a dotted name such as pkg.train.", field="module")
        if self.kind == "command" and not (self.args and self.args[0]):
            raise InvalidRequest("a command needs a program: its first word.", field="args")
        for field, path in [("filename", self.filename), *(("files", p) for p in self.files)]:
            check_path(path, field)
        if "\0" in self.source or any("\0" in arg for arg in self.args):
            raise InvalidRequest("must not contain a NUL character.", field="source")
        size = len(self.source) + sum(len(text) for text in self.files.values())
        if size > MAX_CODE_BYTES:
            raise InvalidRequest(
                f"the code is larger than {MAX_CODE_BYTES // 1024 // 1024} MiB.", field="files"
            )
        return self

    def program(self, python: str) -> list[str]:
        """The words that every replica runs in the workspace; no shell reads them.

        >>> Code(source="1", args=("--lr", "0.1")).program("/env/bin/python")
        ['/env/bin/python', 'train.py', '--lr', '0.1']
        """
        # A name that begins with a dash would be an option.
        filename = f"./{self.filename}" if self.filename.startswith("-") else self.filename
        start = {
            "script": [python, filename],
            "module": [python, "-m", self.module],
            "shell": ["bash", filename],
            "command": [],
        }[self.kind]
        return [*start, *self.args]


def check_path(path: str, field: str) -> None:
    """Refuse what is no relative POSIX path that stays below where it starts.

    Raises:
        InvalidRequest: naming ``field``.
    """
    parts = PurePosixPath(path).parts
    if (
        not parts
        or len(path) > 255
        or path.startswith("/")
        or ".." in parts
        or any(not c.isprintable() for c in path)
    ):
        raise InvalidRequest("must be a relative path without '..'.", field=field)
