"""`import_for_real`: execute what a program imports at its top, line by line.

A process that does so may be killed for its time or memory at any moment: it says beforehand which
line it is at.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from .findings import Findings
from .reach import SURE, Levels, walk
from .source import Source

__all__ = ("import_for_real",)

#: What a failure is about that has another outcome where there is a GPU.
_GPU = re.compile(r"cuda|gpu|nvidia|driver|device|libnv|rocm", re.IGNORECASE)
_SIMPLE = (ast.Import, ast.ImportFrom, ast.Pass, ast.Raise)
_LIBRARY = re.compile(r"(site|dist)-packages")


def import_for_real(
    source: Source,
    findings: Findings,
    say: Callable[[dict[str, Any]], None],
    *,
    gpus: bool,
    certain: bool,
) -> None:
    """Execute the import statements that are executed whenever the file is.

    Args:
        source: The program.
        findings: Gets what is found.
        say: Is told what is done before it is done.
        gpus: Whether the job will see a GPU; here none is to be seen.
        certain: Whether nothing but the imports decides what can be imported.
    """
    main = ModuleType("__main__")
    main.__dict__.update(__file__=source.path, __package__=source.package or None)
    sys.modules["__main__"] = main
    sys.dont_write_bytecode = True
    for statement in _statements(source):
        _prepare(source, statement)
        if not isinstance(statement, ast.Import | ast.ImportFrom | ast.Try):
            continue
        line = statement.lineno
        say({"at": {"file": findings.shown(source.path), "line": line, "what": _words(statement)}})
        code = compile(ast.Module([statement], []), source.path, "exec", dont_inherit=True)
        try:
            exec(code, main.__dict__)  # noqa: S102 - that is what a deep look is
        except MemoryError:
            findings.add(
                "limits", "there is not enough memory for this import.", file=source.path, line=line
            )
        except BaseException as exc:  # Of any kind: whatever it is would end the job.
            _failed(source, findings, statement, exc, gpus=gpus, certain=certain)


def _statements(source: Source) -> Iterator[ast.stmt]:
    """Statements that are sure to be executed, in order."""
    found: list[ast.stmt] = []

    def see(node: ast.stmt, levels: Levels) -> None:
        if min(levels) == SURE:
            found.append(node)

    kinds = (ast.Import, ast.ImportFrom, ast.Try, ast.Assign, ast.Expr)
    walk(source.tree, dict.fromkeys(kinds, (see,)), main=True)
    inner = {
        id(part)
        for one in found
        if isinstance(one, ast.Try)
        for part in ast.walk(one)
        if part is not one
    }
    for statement in found:
        if id(statement) in inner:
            continue
        if isinstance(statement, ast.Try) and not _only_imports(statement):
            continue
        if not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            yield statement


def _only_imports(statement: ast.Try) -> bool:
    """``try: import apex except ImportError: apex = None`` and its like."""
    blocks = [statement.body, statement.orelse, statement.finalbody]
    blocks += [handler.body for handler in statement.handlers]
    every = [one for block in blocks for one in block]
    return any(isinstance(one, ast.Import | ast.ImportFrom) for one in every) and all(
        isinstance(one, _SIMPLE) or (isinstance(one, ast.Assign) and _plain(one.value))
        for one in every
    )


def _plain(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant)


def _prepare(source: Source, statement: ast.stmt) -> None:
    """Do what the code does to its path and environment before it imports."""
    text = source.literals.text
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
        if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "os.environ":
            key, value = text(target.slice), text(statement.value)
            if key and value is not None and key != "CUDA_VISIBLE_DEVICES":
                os.environ[key] = value
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        name = ast.unparse(call.func)
        if name == "os.environ.setdefault" and len(call.args) == 2:
            key, value = text(call.args[0]), text(call.args[1])
            if key and value is not None:
                os.environ.setdefault(key, value)
        elif name in ("sys.path.insert", "sys.path.append") and call.args:
            folder = text(call.args[-1])
            if folder is not None:
                sys.path.insert(0 if name.endswith("insert") else len(sys.path), folder)


def _failed(
    source: Source,
    findings: Findings,
    statement: ast.stmt,
    exc: BaseException,
    *,
    gpus: bool,
    certain: bool,
) -> None:
    last = "".join(traceback.format_exception_only(exc)).strip().rpartition("\n")[2]
    inner = _innermost(source, findings, exc)
    place = f" in {inner[0]}, line {inner[1]}" if inner else ""
    file, line = (inner[2], inner[1]) if inner else (source.path, statement.lineno)
    known = any(
        findings.has_error("imports", *at) for at in ((source.path, statement.lineno), (file, line))
    )
    if known:
        return
    hint = ""
    unsure = not certain
    if gpus and not isinstance(exc, ModuleNotFoundError) and _GPU.search(last):
        unsure, hint = True, "It was tried without a GPU, and the job will have one."
    findings.add(
        "imports",
        f"{_words(statement)}: {last}{place}.",
        file=source.path,
        line=statement.lineno,
        hint=hint,
        error=not unsure,
    )


def _innermost(
    source: Source, findings: Findings, exc: BaseException
) -> tuple[str, int, str] | None:
    """The last place in the person's other files: shown, line, path."""
    found = None
    for frame in traceback.extract_tb(exc.__traceback__):
        path = frame.filename
        inside = findings.shown(path)
        if (
            path != source.path
            and not os.path.isabs(inside)
            and not _LIBRARY.search(path)
            and os.path.isfile(path)
            and frame.lineno
        ):
            found = (inside, frame.lineno, path)
    return found


def _words(statement: ast.stmt) -> str:
    text = ast.unparse(statement).partition("\n")[0]
    return text if len(text) <= 80 else f"{text[:76]} ..."
