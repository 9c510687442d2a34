"""`main`: read what is asked, look, and write what was found."""

from __future__ import annotations

import ast
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from .findings import Findings
from .imports import Imports
from .locate import Modules
from .paths import Paths
from .programs import Program, check_shell, find_module, parts_of, program_of
from .reach import Levels, walk
from .source import Source
from .variables import Variables

__all__ = ("look", "main")

#: Expressions are nested deeper than functions usually are.
_DEPTH = 20_000
Say = Callable[[dict[str, Any]], None]


def main(fd: int) -> int:
    """Do what a request on standard input asks, in the current directory.

    The request: ``programs`` (each a list of words), ``strategy``, ``volumes``, ``gpus`` (whether
    the job will see one), ``deep``, ``seconds`` for files to be read, and the limits ``alarm`` and
    ``cpu`` in seconds and ``memory`` in bytes.

    Args:
        fd: Where to write to; the code that is looked at does not get it.
    """
    os.set_inheritable(fd, False)

    def say(line: dict[str, Any]) -> None:
        os.write(fd, json.dumps(line).encode() + b"\n")

    request = json.load(sys.stdin)
    _silence()
    sys.setrecursionlimit(_DEPTH)
    try:
        _limit(request)
        findings = Findings(os.path.realpath("."))
        for program in request["programs"]:
            path = sys.path[:]
            look(program, request, findings, say)
            sys.path[:] = path
        say({"found": findings.listed()})
    except Exception:  # A mistake of ours: it must be seen, and keeps no job from running.
        import traceback

        say({"crash": traceback.format_exc()[-4000:]})
    else:
        say({"done": True})
    # Whatever was imported may have threads, and things to do at the end.
    os._exit(0)


def look(words: list[str], request: dict[str, Any], findings: Findings, say: Say) -> None:
    """Look at one program.

    Args:
        words: The program first.
        request: As `main` gets it.
        findings: Gets what is found.
        say: Is told what is done before it is done, when it may not end well.
    """
    volumes = request["volumes"]
    program = program_of(words, findings, volumes)
    if program.shell:
        check_shell(program.shell, findings)
    path, package, modules = _start(program, findings)
    if not path or modules is None:
        return
    parts = parts_of(path)
    variables = Variables(findings, request["strategy"])
    paths = Paths(findings, volumes)

    def visit(source: Source, level: int) -> None:
        seen: dict[type[ast.AST], list[Callable[[Any, Levels], None]]] = {}
        for check in (imports, variables, paths):
            for kind in check.SEES:
                seen.setdefault(kind, []).append(partial(check.see, source))
        try:
            walk(source.tree, seen, level, main=source.path in parts)
        except RecursionError:  # Nested so deeply that nobody wrote it: nothing to say of it.
            return

    deadline = time.monotonic() + request["seconds"]
    imports = Imports(modules, findings, visit, deadline)
    imports.follow(parts, package)
    variables.report(imports.foreign)
    paths.report()
    if request["deep"]:
        from .deep import import_for_real

        say({"found": findings.listed()})  # In case that the imports end this process.
        for source in filter(None, map(imports.source, parts)):
            import_for_real(source, findings, say, gpus=request["gpus"], certain=not imports.hooked)


def _start(program: Program, findings: Findings) -> tuple[str, str, Modules | None]:
    """The file that runs first, its package, and where its modules come from."""
    if program.script:
        path = os.path.realpath(program.script)
        modules = Modules(findings.root, "" if program.safe else os.path.dirname(path))
        return path, "", modules
    if program.module:
        modules = Modules(findings.root, "" if program.safe else findings.root)
        found = find_module(program.module, modules, findings)
        if found is None or not found.file:
            return "", "", None
        return found.file, found.name.rpartition(".")[0], modules
    return "", "", None


def _silence() -> None:
    """What the code prints goes nowhere; it reads nothing."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def _limit(request: dict[str, Any]) -> None:
    signal.alarm(int(request["alarm"]))  # For the case that whoever asks is killed meanwhile.
    wanted = {
        resource.RLIMIT_CPU: int(request["cpu"]),
        # Not the address space: libraries map far more of it than they use.
        resource.RLIMIT_DATA: int(request["memory"]),
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in wanted.items():
        _, hard = resource.getrlimit(limit)
        if hard == resource.RLIM_INFINITY or value < hard:
            resource.setrlimit(limit, (value, value))
