"""From words to a `TrainingSpec`: the options that ``%%train`` and ``dllab submit`` share."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from .errors import DLLabError, InvalidRequest
from .modules import extra_files, local_modules, syntax_error
from .names import NAME_RULE, check_name
from .runtime.data import VolumeError, volumes
from .specs import MAX_GPUS, Code, Role, TrainingSpec

__all__ = (
    "Words",
    "add_options",
    "filename_for",
    "in_words",
    "name_for",
    "split_args",
    "to_spec",
    "valid_name",
    "whole",
)

#: Field of the spec -> the option that sets it.
_OPTIONS = {
    "name": "--name",
    "image": "--image",
    "strategy": "--strategy",
    "roles.0.replicas": "--workers",
    "roles.0.gpus": "--gpus",
    "max_restarts": "--max-restarts",
    "checkpoint_every": "--checkpoint-every",
    "env": "--env",
    "volumes": "--volumes",
    "code.args": "arguments after --",
    "gpus": "--gpus",
    "replicas": "--replicas",
    "example": "--example",
}


class Words(argparse.ArgumentParser):
    """An argument parser that raises `InvalidRequest` with one helpful sentence."""

    def error(self, message: str) -> NoReturn:
        """What argparse found, in our words."""
        raise InvalidRequest(message.removeprefix("argument ").rstrip(".") + ".", hint=self._hint())

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse; an unknown option is named together with the one that was meant.

        Raises:
            InvalidRequest: for anything that is not understood.
        """
        options, rest = self.parse_known_args(list(words))
        if rest:
            # With subcommands the chosen one knows its options.
            parser: Words = getattr(options, "reader", self)
            known = [name for action in parser._actions for name in action.option_strings]
            word = rest[0].partition("=")[0]
            if not word.startswith("-"):
                raise InvalidRequest(
                    f"{word} is one word too many.",
                    hint="Arguments for the code itself come after --."
                    if parser.takes_args
                    else "",
                )
            close = difflib.get_close_matches(word, known, 1, 0.7)
            raise InvalidRequest(
                f"there is no option {word}.",
                hint=f"Did you mean {close[0]}?" if close else f"Options: {', '.join(known)}.",
            )
        return options

    #: Whether words after ``--`` have a meaning.
    takes_args = False

    def _hint(self) -> str:
        return f"Usage: {' '.join(self.format_usage().split()[1:])}" if not self.takes_args else ""


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Reads a whole number in a range; argparse puts the option's name before the message."""
    limits = f"from {low} to {high}" if high is not None else f"from {low} up"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low or (high is not None and number > high):
            shown = text if len(text) <= 20 else text[:20] + "..."
            raise argparse.ArgumentTypeError(f"must be a whole number {limits}, not {shown!r}")
        return number

    return read


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that describe a training."""
    add = parser.add_argument
    add("--name", type=valid_name, metavar="N", help="name of the job; its id starts with it")
    add("--image", metavar="I", help="framework image; see the list in `dllab env list`")
    add("--workers", type=whole(1, 1024), default=1, metavar="N", help="processes (default 1)")
    add("--gpus", type=whole(0, MAX_GPUS), default=0, metavar="N", help="GPUs for each worker")
    add(
        "--strategy",
        choices=("allreduce",),
        default="allreduce",
        help="allreduce: equal workers with torchrun's environment",
    )
    add(
        "--checkpoint-every",
        type=whole(1, 10**9),
        default=100,
        metavar="N",
        help="steps between checkpoints of code that uses Checkpointer (default 100)",
    )
    add(
        "--max-restarts",
        type=whole(0, 100),
        default=3,
        metavar="N",
        help="how often a failed job is started again (default 3)",
    )
    add(
        "--env", nargs="+", action="extend", default=[], metavar="K=V", help="environment variables"
    )
    add(
        "--volumes",
        nargs="*",
        metavar="V",
        help="data volumes by name (default: those of the lab); none without a name",
    )
    add(
        "--with",
        dest="files",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="text files or patterns that travel along, besides imported modules",
    )


def split_args(words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """What comes before and after the first ``--``."""
    words = list(words)
    if "--" not in words:
        return words, ()
    at = words.index("--")
    return words[:at], tuple(words[at + 1 :])


def to_spec(
    options: argparse.Namespace,
    source: str,
    *,
    name: str,
    filename: str,
    root: Path,
    args: tuple[str, ...],
    default_image: Callable[[], str],
) -> TrainingSpec:
    """The wish.

    Args:
        options: Of a parser that went through `add_options`.
        source: What runs.
        name: Used when ``--name`` is not given.
        filename: What the source is called in the workspace.
        root: Where imported modules and ``--with`` files are looked for.
        args: For the code's ``sys.argv``.
        default_image: Asked only when ``--image`` is not given and ``DLLAB_IMAGE`` is not set.

    Raises:
        InvalidRequest: something is wrong; syntax errors carry ``line``.
        TooLarge: too much would travel.
    """
    if not source.strip():
        raise InvalidRequest("there is no code to run.", field="code.source")
    if error := syntax_error(source, filename):
        raise InvalidRequest(
            f"line {error.lineno}: {error.msg}.",
            hint="Nothing was started.",
            field="code.source",
            line=error.lineno,
        )
    env = {}
    for pair in options.env:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidRequest(f"{pair!r} is not of the form NAME=VALUE.", field="env")
        env[key] = value
    files = local_modules(source, root, filename=filename) | extra_files(options.files, root)
    files.pop(filename, None)
    return TrainingSpec(
        name=options.name or name,
        image=options.image or os.environ.get("DLLAB_IMAGE") or default_image(),
        strategy=options.strategy,
        code=Code(source=source, filename=filename, args=args, files=files),
        roles=(Role(replicas=options.workers, gpus=options.gpus),),
        max_restarts=options.max_restarts,
        checkpoint_every=options.checkpoint_every,
        env=env,
        volumes=_lab_volumes() if options.volumes is None else tuple(options.volumes),
    )


def _lab_volumes() -> tuple[str, ...]:
    try:
        return tuple(volumes())
    except VolumeError as exc:
        raise InvalidRequest(
            str(exc), hint="Name the volumes, or none: --volumes", field="volumes"
        ) from exc


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


def in_words(error: DLLabError) -> str:
    """One line for people, with the option to change in place of the field's path."""
    field = error.field
    option = _OPTIONS.get(field.removesuffix(".0")) or ("--env" if field.startswith("env.") else "")
    if option and field.startswith("env."):
        option = f"--env {field.removeprefix('env.')}"
    where = f"{option}: " if option else ""
    return " ".join(f"{where}{error.message} {error.hint}".split())


def valid_name(text: str) -> str:
    """Reads a name; argparse puts the option's name before the rule."""
    try:
        return check_name(text)
    except InvalidRequest:
        raise argparse.ArgumentTypeError(NAME_RULE.rstrip(".")) from None


def name_for(text: str, default: str) -> str:
    """A name that looks like the text.

    >>> name_for("My_Train.v2", "train"), name_for("__", "train")
    ('my-train-v2', 'train')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or default
