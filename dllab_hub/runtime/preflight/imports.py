"""`Imports`: whether what is imported is there, through all local modules that the code reaches."""

from __future__ import annotations

import ast
import heapq
import os
import re
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple

from .findings import Findings
from .literal import called
from .locate import Module, Modules
from .names import defined
from .packages import close_to, hint_for
from .reach import IMPORT, NEVER, SURE, Levels
from .source import Source, TooLarge, read

__all__ = ("Imports",)

#: Whoever uses one of them may import what cannot be seen here,
_HOOKS = {
    *("meta_path", "path_hooks", "addsitedir", "spec_from_file_location", "pyximport", "jpype"),
    *("cppimport", "import_hook", "install_import_hook", "load_inline", "pip"),
}
#: and so may who runs a program that installs or builds something.
_RUNS = {"run", "call", "check_call", "check_output", "Popen", "system", "getoutput", "spawnv"}
_INSTALLS = re.compile(r"^(make|ninja)\b|\b(pip3?|uv|conda|mamba|setup\.py|build_ext)\b")
_TRAVELS = "It travels with --with FILE or --workspace DIR, or with the code that imports it."


class _Name(NamedTuple):
    """``from target import name``."""

    target: Module
    name: str
    source: Source
    line: int
    level: int


class Imports:
    """Follows imports from one program.

    Attributes:
        SEES: Types of nodes that `see` wants.

    Args:
        modules: Where they come from.
        findings: Gets what is found.
        visit: Is called with each file of the code and its level, the surest first.
        deadline: Of `time.monotonic`: what is not read by then is not looked at.
    """

    SEES = (ast.Import, ast.ImportFrom, ast.Attribute, ast.Name, ast.Constant, ast.Call)

    def __init__(
        self,
        modules: Modules,
        findings: Findings,
        visit: Callable[[Source, int], None],
        deadline: float,
    ) -> None:
        self._modules = modules
        self._findings = findings
        self._visit = visit
        self._deadline = deadline
        self._programs: frozenset[str] = frozenset()
        self._waiting: list[tuple[int, int, str, str]] = []  # -level, order, file, package
        self._order = count()
        self._sources: dict[str, Source | None] = {}
        self._missing: list[tuple[Source, int, int, str, Module | None]] = []
        self._names: list[_Name] = []
        self._given: set[str] = set()
        self._defined: dict[str, set[str] | None] = {}
        self._words: set[str] = set()
        self._alone: set[str] = set()  # Files with a relative import and no package.
        self._installs = False
        #: Top-level names of what is imported and not the person's own.
        self.foreign: set[str] = set()

    @property
    def hooked(self) -> bool:
        """Whether the code itself has a hand in what can be imported."""
        runs = self._installs and not self._words.isdisjoint(_RUNS)
        return runs or not self._words.isdisjoint(_HOOKS)

    def follow(self, paths: Sequence[str], package: str) -> None:
        """Look at a program, which may be several files, and all that it imports."""
        self._programs = frozenset(paths)
        for path in paths:
            self._enter(path, package, SURE)
        while self._waiting:
            level, _, file, of = heapq.heappop(self._waiting)
            if file in self._sources:
                continue
            if time.monotonic() > self._deadline:
                self._findings.add(
                    "limits",
                    f"the code is large: {len(self._sources)} of its files were looked at.",
                )
                break
            self._read(file, of, -level)
        self._report()

    def see(self, source: Source, node: ast.AST, levels: Levels) -> None:
        """A node of a file that `follow` reached."""
        level = levels[IMPORT]
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._import(source, alias.name, node.lineno, level)
        elif isinstance(node, ast.ImportFrom):
            self._from(source, node, level)
        elif isinstance(node, ast.Attribute | ast.Name):
            word = node.attr if isinstance(node, ast.Attribute) else node.id
            self._words.add(word)
            if isinstance(node.ctx, ast.Store) and isinstance(node, ast.Attribute):
                self._given.add(word)  # ``config.debug = True``
            elif word in ("path", "modules") and getattr(_owner(node), "id", "") == "sys":
                self._words.add("import_hook")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            self._installs |= _INSTALLS.search(node.value) is not None
        elif isinstance(node, ast.Call) and called(node) in ("append", "insert", "extend"):
            self._path(source, node)

    def _enter(self, path: str, package: str, level: int) -> None:
        if path not in self._sources:
            heapq.heappush(self._waiting, (-level, next(self._order), path, package))

    def _read(self, path: str, package: str, level: int) -> None:
        self._sources[path] = None
        try:
            source = read(path, package, whole=path in self._programs)
        except SyntaxError as exc:
            self._findings.add(
                "syntax",
                f"syntax error: {exc.msg}.",
                file=path,
                line=exc.lineno or 1,
                error=level == SURE,
            )
            return
        except (TooLarge, OSError):
            return
        self._sources[path] = source
        self._visit(source, level)

    # What is imported.

    def _import(self, source: Source, name: str, line: int, level: int) -> None:
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            if not self._reached(source, ".".join(parts[:end]), line, level):
                return

    def _from(self, source: Source, node: ast.ImportFrom, level: int) -> None:
        base = node.module or ""
        if node.level:
            package = source.package.split(".") if source.package else []
            keep = len(package) - node.level + 1
            if keep <= 0:
                if level > NEVER and source.path not in self._alone:
                    self._alone.add(source.path)
                    self._findings.add(
                        "imports",
                        "a relative import, and this file is run as a script: it has no package.",
                        file=source.path,
                        line=node.lineno,
                        hint="Run it as a module, such as pkg.train, or import without the dot.",
                        error=level == SURE,
                    )
                return
            base = ".".join([*package[:keep], *([base] if base else [])])
        elif base == "__future__":
            return
        if base == "sys" and any(one.name in ("path", "modules") for one in node.names):
            self._words.add("import_hook")
        parts = base.split(".")
        for end in range(1, len(parts) + 1):
            if not self._reached(source, ".".join(parts[:end]), node.lineno, level):
                return
        target = self._modules.find(base)
        if target is None or not target.local:
            return
        for alias in node.names:
            if alias.name == "*":
                continue
            inner = self._modules.find(f"{base}.{alias.name}") if target.folders else None
            if inner is not None:
                self._reached(source, inner.name, node.lineno, level)
            else:
                self._names.append(_Name(target, alias.name, source, node.lineno, level))

    def _reached(self, source: Source, name: str, line: int, level: int) -> bool:
        """Whether the module is there; its file is looked at later when it is the code's own."""
        parent, _, _ = name.rpartition(".")
        above = self._modules.find(parent) if parent else None
        module = self._modules.find(name)
        if module is None:
            self._missing.append((source, line, level, name, above))
            return False
        if not module.local:
            self.foreign.add(name.partition(".")[0])
        if module.file and level > NEVER:
            self._enter(module.file, name if module.folders else parent, level)
        return True

    def _path(self, source: Source, node: ast.Call) -> None:
        """``sys.path.append("lib")``."""
        owner = _owner(node.func)
        if not isinstance(owner, ast.Attribute) or owner.attr != "path" or not node.args:
            return
        if getattr(owner.value, "id", "") == "sys":
            folder = source.literals.text(node.args[-1])
            if folder is not None:
                self._modules.append(folder)

    # What to say of it, once everything is known.

    def _report(self) -> None:
        said: set[str] = set()
        # Each once, where it is surest: the package is as missing everywhere else.
        for source, line, level, name, above in sorted(self._missing, key=lambda one: -one[2]):
            # The code may have added to the path after it was looked for.
            if level > NEVER and name not in said and self._modules.find(name) is None:
                said.add(name)
                self._say_missing(source, line, level, name, above)
        for one in self._names:
            if one.level > NEVER:
                self._check_name(one)

    def _say_missing(
        self, source: Source, line: int, level: int, name: str, above: Module | None
    ) -> None:
        parent, _, last = name.rpartition(".")
        sure = level == SURE and not self.hooked
        if above is None:
            message = f"there is no module {name}."
            beside = self._modules.in_workspace(name)
            own = os.path.basename(source.path).removesuffix(".py")
            hint = beside or hint_for(name, self._modules.known() - {own})
        elif not above.folders and above.local:
            message = f"{parent} has no module {last}: it is a file, not a package."
            hint = ""
        elif self._modules.may_have_more(above):
            return
        else:
            message = f"the package {parent} has no module {last}."
            meant = close_to(last, self._modules.siblings(above))
            hint = f"Did you mean {parent}.{meant}?" if meant else _TRAVELS if above.local else ""
            sure = sure and above.local
        self._findings.add("imports", message, file=source.path, line=line, hint=hint, error=sure)

    def _check_name(self, one: _Name) -> None:
        file = one.target.file
        names: set[str] | None
        if not file:
            # A folder without __init__.py has its modules and nothing else; a file that is not
            # Python text may have anything.
            names = set() if one.target.folders and not one.target.origin else None
        else:
            source = self._sources.get(file)
            if file not in self._defined:
                self._defined[file] = defined(source) if source else None
            names = self._defined[file]
        if names is None or one.name in names | self._given:
            return
        known = {name for name in names if not name.startswith("__")}
        meant = close_to(one.name, known | self._modules.siblings(one.target))
        self._findings.add(
            "imports",
            f"{self._findings.shown(file) or one.target.name} has no {one.name}.",
            file=one.source.path,
            line=one.line,
            hint=f"Did you mean {meant}?" if meant else _TRAVELS if not file else "",
            error=one.level == SURE and not self.hooked,
        )

    def source(self, path: str) -> Source | None:
        """A file that was read, or None."""
        return self._sources.get(path)


def _owner(node: ast.AST) -> ast.AST | None:
    """``a.b`` of ``a.b.c``."""
    return node.value if isinstance(node, ast.Attribute) else None
