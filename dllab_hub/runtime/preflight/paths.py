"""`Paths`: whether files that are read first thing are there."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping
from typing import Any

from .findings import Findings
from .literal import called
from .reach import PATH, SURE, Levels
from .source import Source

__all__ = ("Paths",)

#: Calls whose first argument is a file or folder that must be there.
_READS = {
    *("read_csv", "read_table", "read_json", "read_parquet", "read_pickle", "read_excel"),
    *("read_feather", "read_hdf", "read_orc", "read_image", "imread", "loadtxt", "genfromtxt"),
    *("fromfile", "listdir", "scandir", "ImageFolder", "DatasetFolder", "open_dataset"),
}
#: The same when it is called on one of these.
_LOADS = {"np", "numpy", "torch", "joblib", "Image", "imageio", "h5py", "cv2", "jnp", "sf"}
_METHODS = {"read_text", "read_bytes", "iterdir"}
_PATH_TYPES = {"Path", "PosixPath"}
#: Names that are used with any path.
_HARMLESS = {"Path", "os", "pathlib", "__file__"}


class Paths:
    """Collects what is read, and says at the end what is not there.

    Args:
        findings: Gets what is found.
        volumes: Of the job, by name; ``path`` and ``place`` as in ``DLLAB_VOLUMES``.

    Attributes:
        SEES: Types of nodes that `see` wants.
    """

    SEES = (ast.Call, ast.Name, ast.Constant)

    def __init__(self, findings: Findings, volumes: Mapping[str, Mapping[str, Any]]) -> None:
        self._findings = findings
        self._volumes = volumes
        self._reads: list[tuple[str, Source, int, set[str]]] = []
        self._texts: list[str] = []  # All text that the code has but for what it reads.
        self._read_nodes: set[int] = set()
        self._used: set[tuple[str, str]] = set()  # Names that are more than what is read.
        self._moves = False

    def see(self, source: Source, node: ast.AST, levels: Levels) -> None:
        """A node of a file."""
        if isinstance(node, ast.Call):
            self._moves |= called(node) in ("chdir", "fchdir")
            read = _read(node)
            text = source.literals.text(read) if read is not None else None
            if read is not None and text is not None:
                # Parents are seen before their parts: these do not count as made by the code.
                self._read_nodes.update(id(one) for one in ast.walk(read))
                names = {one.id for one in ast.walk(read) if isinstance(one, ast.Name)}
                if levels[PATH] == SURE:
                    self._reads.append((text, source, node.lineno, names))
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load) and id(node) not in self._read_nodes:
                self._used.add((source.path, node.id))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in self._read_nodes
        ):
            self._texts.append(node.value)

    def report(self) -> None:
        """Say what is not there."""
        if self._moves:
            return
        for text, source, line, names in self._reads:
            # Whoever is handed a name may have made what it names.
            names = names - _HARMLESS
            handed = any((source.path, name) in self._used for name in names)
            if not handed and not re.match(r"[a-z0-9+]+:|~|$", text, re.IGNORECASE):
                self._check(text, source, line, len(names))

    def _check(self, text: str, source: Source, line: int, constants: int) -> None:
        path = os.path.normpath(self._real(text))
        name = os.path.basename(path)
        # Whoever names it elsewhere, but for constants that are used here, may have made it.
        mentions = sum(name in other for other in self._texts)
        if os.path.exists(path) or mentions > constants:
            return
        parts = os.path.normpath(text).split(os.sep)
        if parts[0] == "data" and len(parts) > 1 and not os.path.exists(os.path.join(*parts[:2])):
            volume = parts[1]
            if volume in self._volumes:
                message, hint = f"the volume {volume} has no {os.path.join(*parts[2:])}.", ""
            else:
                message = f"{text} is not there: the job has no volume {volume}."
                hint = (
                    f"Name the volume: --volumes {volume}; files travel with --with FILE or "
                    "--workspace DIR."
                )
        elif os.path.isabs(text):
            message, hint = f"{text} is not there, or closed to you.", ""
        else:
            message = f"{text} is not in the workspace."
            hint = "Files travel with --with FILE or --workspace DIR."
        self._findings.add("paths", message, file=source.path, line=line, hint=hint)

    def _real(self, text: str) -> str:
        """Where it will be: the links to volumes are not there yet."""
        for about in self._volumes.values():
            place = str(about.get("place", ""))
            inside = os.path.relpath(text, place) if place and not os.path.isabs(text) else ".."
            if about.get("path") and not inside.startswith(".."):
                return os.path.join(str(about["path"]), inside)
        return text


def _read(node: ast.Call) -> ast.AST | None:
    """The path of a call that reads a file which must be there, or None."""
    name = called(node)
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    first = node.args[0] if node.args else None
    is_path = isinstance(owner, ast.Call) and called(owner) in _PATH_TYPES
    if name == "open" and is_path:
        return owner if _reads_only(node, 0) else None
    if name in _METHODS and is_path:
        return owner
    if name == "open" and (owner is None or getattr(owner, "id", "") in ("io", "codecs", "gzip")):
        return first if _reads_only(node, 1) else None
    if name in _READS:
        return first
    if name == "load" and getattr(owner, "id", "") in _LOADS:
        return first
    if name in ("open", "File") and getattr(owner, "id", "") in _LOADS:
        return first if _reads_only(node, 1) else None
    return None


def _reads_only(node: ast.Call, position: int) -> bool:
    """Whether a call to open says nothing but ``r``."""
    given = [one.value for one in node.keywords if one.arg == "mode"]
    given += node.args[position : position + 1]
    if not given:
        return True
    mode = given[0]
    if not isinstance(mode, ast.Constant):
        return False
    return not isinstance(mode.value, str) or not set(mode.value) & set("wxa+")
