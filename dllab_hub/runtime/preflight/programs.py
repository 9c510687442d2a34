"""What a job's words run: `Program`."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .findings import Findings
from .locate import Module, Modules
from .packages import hint_for
from .source import TooLarge, read

__all__ = ("Program", "check_shell", "find_module", "parts_of", "program_of")

#: Options of python with an argument of their own.
_WITH_ARGUMENT = {"-X", "-W", "--check-hash-based-pycs"}
_PYTHON = re.compile(r"python(3(\.\d+)?)?")
_SHELL_SECONDS = 5
_LAUNCHER = "-with-shared.py"
_SYNTAX = re.compile(r"line (\d+): (.*)")


class Program(NamedTuple):
    """What is run.

    Attributes:
        script: A Python file, or empty.
        module: A dotted name that follows ``-m``, or empty.
        shell: A shell script, or empty.
        safe: Whether Python was told not to look for modules beside the script.
    """

    script: str = ""
    module: str = ""
    shell: str = ""
    safe: bool = False


def program_of(
    words: Sequence[str], findings: Findings, volumes: Mapping[str, Mapping[str, Any]]
) -> Program:
    """Look for the program; what can be looked into is among the result.

    Args:
        words: The program first.
        findings: Gets what is found.
        volumes: Of the job; what lies on one of them is not looked at.
    """
    from shutil import which  # Only here: each import is time that every submit takes.

    first = words[0]
    if _on_volume(first, volumes):
        return Program()
    found = os.path.abspath(first) if os.sep in first else which(first)
    if not found or not os.path.isfile(found):
        where = "in the workspace" if os.sep in first else "on the PATH of the job"
        findings.add(
            "paths",
            f"there is no program {first} {where}.",
            hint="Name another, or choose an image that has it.",
            error=True,
        )
        return Program()
    if not os.access(found, os.X_OK):
        findings.add(
            "paths",
            f"{first} may not be executed.",
            file=found,
            hint=f"Run it with its interpreter, such as: bash {first}",
            error=True,
        )
        return Program()
    name = os.path.basename(first)
    if name in ("bash", "sh"):
        script = next((word for word in words[1:] if not word.startswith("-")), "")
        inline = any(word.startswith("-") and "c" in word for word in words[1:2])
        return Program() if inline else _existing(script, findings, volumes, bash=True)
    if _PYTHON.fullmatch(name) and _same_python(found):
        return _python(words[1:], findings, volumes)
    return Program()


def find_module(name: str, modules: Modules, findings: Findings) -> Module | None:
    """What ``python -m`` would run; None when it is not there, or not the person's own."""
    found = modules.find(name)
    parent, _, last = name.rpartition(".")
    above = modules.find(parent) if parent else None
    if found is None and above is not None and modules.may_have_more(above):
        return None
    if found is None:
        what = f"the package {parent} has no module {last}" if above else f"no module {name}"
        findings.add(
            "imports",
            f"python -m {name}: {what if above else f'there is {what}'}.",
            hint="" if above else hint_for(name.partition(".")[0], modules.known()),
            error=above is None or above.local,
        )
        return None
    if not found.local:
        return None
    if found.folders:
        inner = modules.find(f"{name}.__main__")
        if inner is None:
            findings.add(
                "imports",
                f"python -m {name}: {name} is a package and has no __main__.py.",
                hint=f"Name a module of it, such as {name}.train.",
                error=not modules.may_have_more(found),
            )
        return inner
    return found


def parts_of(path: str) -> list[str]:
    """The files that run as one program: the cells of a notebook below their launcher, or one.

    See ``submission.shared``: a launcher has their names in a loop and nothing of its own.
    """
    if not path.endswith(_LAUNCHER):
        return [path]
    try:
        statements = read(path).tree.body
    except (SyntaxError, TooLarge, OSError):
        return [path]
    for statement in statements:
        if isinstance(statement, ast.For) and isinstance(statement.iter, ast.Tuple):
            names = [getattr(one, "value", None) for one in statement.iter.elts]
            beside = [os.path.join(os.path.dirname(path), str(name)) for name in names]
            if beside and all(map(os.path.isfile, beside)):
                return beside
    return [path]


def check_shell(script: str, findings: Findings) -> None:
    """What ``bash -n`` says of a script."""
    import subprocess

    path = os.path.abspath(script)
    try:
        done = subprocess.run(
            ["bash", "-n", path],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_SHELL_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        findings.add("limits", f"bash could not look at {script}: {exc}.")
        return
    found = _SYNTAX.search(done.stderr.decode(errors="replace"))
    if done.returncode == 0 or found is None:
        return
    line = int(found[1])
    with open(path, encoding="utf-8", errors="replace") as file:
        before = "".join(file.readlines()[: line - 1])
    findings.add(
        "syntax",
        f"syntax error: {found[2].removeprefix('syntax error: ')}.",
        file=path,
        line=line,
        # Bash reads a script while it runs: what comes after an exit may be anything.
        error=re.search(r"\b(exit|exec)\b", before) is None,
    )


def _python(
    words: Sequence[str], findings: Findings, volumes: Mapping[str, Mapping[str, Any]]
) -> Program:
    safe = bool(os.environ.get("PYTHONSAFEPATH"))
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word in _WITH_ARGUMENT:
            waiting[:1] = []
        elif word == "-m":
            return Program(module=waiting[0] if waiting else "", safe=safe)
        elif word == "-" or re.match(r"-[a-zA-Z]*[cm]", word):
            return Program()
        elif word.startswith("-"):
            # -I and -P leave out the script's directory; -E, -S and the like are rare enough.
            safe |= not word.startswith("--") and bool(set(word) & set("IP"))
        else:
            return _existing(word, findings, volumes, safe=safe)
    return Program()


def _existing(
    script: str,
    findings: Findings,
    volumes: Mapping[str, Mapping[str, Any]],
    *,
    bash: bool = False,
    safe: bool = False,
) -> Program:
    if not script or _on_volume(script, volumes):
        return Program()
    if not os.path.exists(script):
        findings.add(
            "paths",
            f"there is no file {script} to run in the workspace.",
            hint="Files travel with --with FILE or --workspace DIR.",
            error=True,
        )
        return Program()
    if bash:
        return Program(shell=script)
    return Program(script=script, safe=safe) if os.path.isfile(script) else Program()


def _on_volume(path: str, volumes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a path lies on a volume: its link is not there yet."""
    places = [str(about.get("place", "")) for about in volumes.values()]
    path = os.path.normpath(path)
    return any(place and path.startswith(f"{os.path.normpath(place)}/") for place in places)


def _same_python(path: str) -> bool:
    """Whether it has the modules that this one has."""
    own = {os.path.dirname(sys.executable), os.path.join(sys.prefix, "bin")}
    return os.path.dirname(path) in own
