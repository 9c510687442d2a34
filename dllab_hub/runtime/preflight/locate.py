"""`Modules`: where a module would come from, found without running anything of it."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from typing import NamedTuple

__all__ = ("Module", "Modules")

_INSTALLED = re.compile(r"(site|dist)-packages")
#: A package with such a word in it may have modules that are no files.
_DYNAMIC = re.compile(
    rb"__path__|sys\.modules|__getattr__|extend_path|[Ll]azy|meta_path|declare_namespace"
)
_READ = 512 * 1024


class Module(NamedTuple):
    """A module that is there.

    Attributes:
        name: Dotted.
        file: Of Python text that belongs to the person's code, else empty.
        origin: Wherever it comes from, or empty.
        folders: Where its submodules lie; empty when it is no package.
        local: Whether it belongs to the person's code.
        standard: Whether it is part of Python.
    """

    name: str
    file: str = ""
    origin: str = ""
    folders: tuple[str, ...] = ()
    local: bool = False
    standard: bool = False


class Modules:
    """Finds modules for code in one directory.

    Args:
        root: The directory that the code runs in.
        first: What its interpreter puts first on ``sys.path``, or empty for nothing.
    """

    def __init__(self, root: str, first: str) -> None:
        self.root = os.path.realpath(root)
        self._found: dict[str, Module | None] = {}
        if first:
            sys.path.insert(0, first)

    def append(self, folder: str) -> None:
        """What the code itself adds to ``sys.path``."""
        sys.path.append(folder)
        self._found = {name: found for name, found in self._found.items() if found is not None}

    def find(self, name: str) -> Module | None:
        """A module by its dotted name, or None when it or a package above it is not there."""
        if name not in self._found:
            parent, _, _ = name.rpartition(".")
            self._found[name] = self._below(parent, name) if parent else self._top(name)
        return self._found[name]

    def may_have_more(self, module: Module) -> bool:
        """Whether it may have submodules that are no files."""
        if module.standard:
            return True
        path = module.origin
        if not path.endswith(".py"):
            return bool(path)
        try:
            with open(path, "rb") as file:
                return _DYNAMIC.search(file.read(_READ)) is not None
        except OSError:
            return True

    def in_workspace(self, name: str) -> str:
        """What to do about a module that lies where it is not looked for, or an empty string."""
        there = os.path.join(self.root, name)
        if not (os.path.isdir(there) or os.path.isfile(f"{there}.py")):
            return ""
        return (
            f"{name} lies at the top of the workspace, and Python looks beside the script: run it "
            "as a module, such as folder.train, or move it there."
        )

    def known(self) -> set[str]:
        """Names of all modules that could be imported without a dot."""
        names = set(sys.stdlib_module_names)
        for folder in dict.fromkeys(sys.path):
            try:
                entries = os.listdir(folder or ".")
            except OSError:
                continue
            for entry in entries:
                stem, dot, suffix = entry.partition(".")
                if stem.isidentifier() and (not dot or suffix.endswith(("py", "so"))):
                    names.add(stem)
        return names

    def siblings(self, module: Module) -> set[str]:
        """Names of the files and folders beside each other in a package."""
        found: set[str] = set()
        for folder in module.folders:
            try:
                found |= {entry.partition(".")[0] for entry in os.listdir(folder)}
            except OSError:
                continue
        return found

    def _top(self, name: str) -> Module | None:
        if name in sys.stdlib_module_names or name in sys.builtin_module_names:
            # Some are missing from some Pythons: tkinter, for example.
            return Module(name, standard=True) if self._spec(name) else None
        spec: ModuleSpec | bool | None = PathFinder.find_spec(name, sys.path)
        if not isinstance(spec, ModuleSpec) or spec.loader is None:
            spec = self._spec(name) or spec  # Editable installations have finders of their own.
        return self._module(name, spec)

    def _spec(self, name: str) -> ModuleSpec | bool | None:
        try:
            return importlib.util.find_spec(name)
        except Exception:  # A finder that somebody has installed failed: then nothing is known.
            return True

    def _below(self, parent: str, name: str) -> Module | None:
        above = self.find(parent)
        if above is None:
            return None
        if above.standard:
            return Module(name, standard=True)
        if not above.folders:
            return None
        try:
            return self._module(name, PathFinder.find_spec(name, list(above.folders)))
        except KeyError:  # A folder without __init__.py is only looked at once its parent is there.
            last = name.rpartition(".")[2]
            folders = [os.path.join(folder, last) for folder in above.folders]
            there = tuple(filter(os.path.isdir, folders))
            return Module(name, folders=there, local=any(map(self._is_local, there)))

    def _module(self, name: str, spec: ModuleSpec | bool | None) -> Module | None:
        if spec is None:
            return None
        if isinstance(spec, bool):
            return Module(name, origin="?")
        origin = spec.origin if spec.has_location and spec.origin else ""
        folders = tuple(_folders(spec))
        local = any(map(self._is_local, (*((origin,) if origin else ()), *folders)))
        file = origin if local and origin.endswith(".py") else ""
        return Module(name, file, origin, folders, local)

    def _is_local(self, path: str) -> bool:
        inside = os.path.relpath(os.path.realpath(path), self.root)
        return not inside.startswith("..") and not _INSTALLED.search(inside)


def _folders(spec: ModuleSpec) -> Iterable[str]:
    where = spec.submodule_search_locations
    if where is None:
        return ()
    try:
        return [str(one) for one in where]
    except KeyError:  # A namespace below one that is not imported: as far as it is known.
        return [str(one) for one in getattr(where, "_path", ())]
