"""What runs: a script or a cell, a module, a shell script, a command; as a `Program`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shlex
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..errors import InvalidRequest, TooLarge
from ..modules import local_modules, syntax_error
from ..specs import MAX_CODE_BYTES

__all__ = ("Program", "filename_for", "from_words", "read_script", "several")

Kind = Literal["script", "module", "shell", "command"]

_SCRIPT = re.compile(r"[\w./-]+\.(py|sh)")


@dataclass(frozen=True)
class Program:
    """What runs, before it is known what else travels.

    Attributes:
        kind: As of `Code`.
        name: Of the job, unless another is typed.
        source: Text of a script.
        filename: What the text is called where it runs; with directories when all of the directory
            travels.
        module: Dotted name.
        args: Arguments; with the program first when it is a command.
        path: The file that the text is from, or None.
        parts: Further files of the same program: relative path -> text.
    """

    kind: Kind
    name: str
    source: str = ""
    filename: str = "train.py"
    module: str = ""
    args: tuple[str, ...] = ()
    path: Path | None = None
    parts: Mapping[str, str] = field(default_factory=dict)

    def imports(self, base: Path, known: set[str]) -> dict[str, str]:
        """Files that it imports or names, as far as that can be read from its text.

        Args:
            base: Directory that it would run in; only what lies below it is taken.
            known: Files that travel anyway.

        Returns:
            Path relative to ``base`` -> text.
        """
        found: dict[str, str] = {}
        if self.kind == "script":
            # Python looks for modules where the script lies.
            root = (base / self.filename).parent
            for name, text in {self.filename: self.source, **self.parts}.items():
                found |= local_modules(text, root, filename=name, known=known, base=base)
        elif self.kind == "module":
            found = local_modules(_import_of(self.module, base), base, filename="", known=known)
        else:
            words = self.args if self.kind == "command" else tuple(_words(self.source))
            found = _scripts(words, base, known)
        return {name: text for name, text in found.items() if name not in self.own}

    @property
    def own(self) -> frozenset[str]:
        """Names of the files that it consists of."""
        return frozenset((self.filename, *self.parts) if self.source else self.parts)

    def check(self) -> None:
        """Refuse what cannot even be read.

        Raises:
            InvalidRequest: with ``line``.
        """
        if self.kind not in ("script", "shell"):
            return
        if not self.source.strip():
            raise InvalidRequest("there is no code to run.", field="code.source")
        if self.kind == "script" and (error := syntax_error(self.source, self.filename)):
            raise InvalidRequest(
                f"line {error.lineno}: {error.msg}.",
                hint="Nothing was started.",
                field="code.source",
                line=error.lineno,
            )


def from_words(options: argparse.Namespace, script: str | None, args: tuple[str, ...]) -> Program:
    """What ``dllab submit`` runs: a script, ``--module`` or ``--command``.

    Args:
        options: Of a parser that went through `add_options`.
        script: Path of a file, or None.
        args: Words after ``--``.

    Raises:
        InvalidRequest: nothing runs, or two things would, or the file cannot be read.
    """
    several(options, script)
    if options.module:
        return Program(
            "module", options.module.rpartition(".")[2], module=options.module, args=args
        )
    if options.as_command:
        if not args:
            raise InvalidRequest("the command comes after --.", hint="Such as: -- bash run.sh 3.")
        return Program("command", Path(args[0]).stem, args=args)
    if script is None:
        taken = _taken(options)
        raise InvalidRequest(
            "what runs?",
            hint=f"{taken[1]} was read as a value of {taken[0]}: write it before the options."
            if taken
            else "A SCRIPT, --module pkg.train, or --command -- PROGRAM ARGS.",
        )
    path = Path(script)
    kind: Kind = "shell" if options.as_shell or path.suffix == ".sh" else "script"
    return Program(kind, path.stem, read_script(path), path.name, args=args, path=path)


def _taken(options: argparse.Namespace) -> tuple[str, str] | None:
    """The option that takes many values and took the script as its last, and the script."""
    for option, values in (
        ("--with", options.files),
        ("--workspace", [options.workspace or ""]),
        ("--env", options.env),
        ("--volumes", options.volumes),
    ):
        if values and _SCRIPT.fullmatch(values[-1]):
            return option, values[-1]
    return None


def several(options: argparse.Namespace, script: str | None) -> None:
    """Refuse two things that run.

    Args:
        options: Of a parser that went through `add_options`.
        script: Another thing that runs, such as a cell, or None.
    """
    said = [
        name
        for name, is_there in (
            (script, script),
            ("--module", options.module),
            ("--command", options.as_command),
        )
        if name is not None and is_there
    ]
    if options.as_shell and (options.module or options.as_command):
        said.append("--shell")
    if len(said) > 1:
        raise InvalidRequest(f"{' and '.join(said)}: only one of them can run.")


def read_script(path: Path) -> str:
    """The text of a file.

    Raises:
        InvalidRequest: it is no regular file, or not text.
        TooLarge: it is larger than code may be.
    """
    try:
        seen = path.stat()  # A pipe or a device would be read for ever.
        text = path.read_bytes() if 0 <= _size(seen) <= MAX_CODE_BYTES else b""
    except (OSError, ValueError) as exc:  # Of a NUL in its name.
        why = getattr(exc, "strerror", None) or str(exc)
        raise InvalidRequest(f"{path} cannot be read: {why}.") from None
    if not stat.S_ISREG(seen.st_mode):
        what = "a directory" if stat.S_ISDIR(seen.st_mode) else "no regular file"
        raise InvalidRequest(f"{path} is {what}.")
    if seen.st_size > MAX_CODE_BYTES:
        raise TooLarge(f"{path} is larger than the {MAX_CODE_BYTES // 2**20} MiB of code.")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path} is not UTF-8 text.") from None


def _size(seen: os.stat_result) -> int:
    """Bytes of a regular file; -1 for anything else."""
    return seen.st_size if stat.S_ISREG(seen.st_mode) else -1


def filename_for(name: str) -> str:
    """``<name>.py``, unless that file would stand before a module of the same name.

    The directory of a script comes first on its import path: a job called ``random`` must not
    break everything that imports ``random``. A hyphen cannot be imported.

    >>> filename_for("digits"), filename_for("random")
    ('digits.py', 'random-cell.py')
    """
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        return f"{name}-cell.py"
    return f"{name}.py"


def _import_of(module: str, root: Path) -> str:
    """A statement that loads what ``python -m module`` loads."""
    if not all(part.isidentifier() for part in module.split(".")):
        return ""  # `TrainingSpec` says what a module's name is.
    is_package = root.joinpath(*module.split("."), "__main__.py").is_file()
    return f"import {module}.__main__" if is_package else f"import {module}"


def _words(text: str) -> Iterator[str]:
    """Words of a shell script, as far as they can be told without running it."""
    for line in text.splitlines():
        try:
            yield from shlex.split(line, comments=True)
        except ValueError:  # A quotation over several lines.
            yield from line.split()


def _scripts(words: tuple[str, ...], base: Path, known: set[str]) -> dict[str, str]:
    """Scripts and modules that a command names, with what they import."""
    found: dict[str, str] = {}
    for before, word in zip(("", *words), words, strict=False):
        if before == "-m":
            found |= local_modules(_import_of(word, base), base, filename="", known=known)
        elif _SCRIPT.fullmatch(word) and (path := _inside(base, word)) is not None:
            text, name = read_script(base / path), path.as_posix()
            if name not in known:
                found[name] = text
            if word.endswith(".py") and syntax_error(text, word) is None:
                root = (base / path).parent
                found |= local_modules(text, root, filename=name, known=known, base=base)
    return found


def _inside(root: Path, word: str) -> Path | None:
    """The relative path of a regular file below ``root``."""
    path = Path(word)
    if path.is_absolute() or ".." in path.parts or not (root / path).is_file():
        return None
    return path
