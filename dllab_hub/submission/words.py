"""How words become values: `Words`, and the readers of numbers, amounts and times."""

from __future__ import annotations

import argparse
import difflib
import math
import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from ..errors import InvalidRequest
from ..names import NAME_PATTERN, NAME_RULE, check_name

__all__ = (
    "Words",
    "amount",
    "job_id",
    "memory",
    "name_for",
    "seconds",
    "split_args",
    "valid_name",
    "whole",
)

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_TIME = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+|\d+")
_JOB_ID = re.compile(rf"{NAME_PATTERN}-[a-z0-9]{{7}}")
_BYTES = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


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
            raise _wrong(f"must be a whole number {limits}", text)
        return number

    return read


def amount(text: str) -> float:
    """Reads a number above 0, such as ``0.5``."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < math.inf:
        raise _wrong("must be a number above 0", text)
    return number


def memory(text: str) -> int:
    """Reads an amount of memory as bytes; K, M, G and T are powers of 1024.

    >>> memory("512M"), memory("1.5GiB"), memory("1048576")
    (536870912, 1610612736, 1048576)
    """
    found = _MEMORY.fullmatch(text)
    number = int(float(found[1]) * 1024 ** _BYTES[found[2].upper()]) if found else 0
    if number < 1024 * 1024:
        raise _wrong("must be an amount such as 512M or 4G, at least 1M", text)
    return number


def seconds(text: str) -> int:
    """Reads a time as seconds; ``none`` is 0.

    >>> seconds("90"), seconds("90m"), seconds("1h30m"), seconds("3d")
    (90, 5400, 5400, 259200)
    """
    if text == "none":
        return 0
    number = 0.0
    if _TIME.fullmatch(text):
        parts = re.findall(r"(\d+(?:\.\d+)?)([dhms]?)", text)
        number = sum(float(value) * _SECONDS[unit or "s"] for value, unit in parts)
    if number < 1:
        raise _wrong("must be a time such as 90m, 2h, 1h30m or 3d, or none", text)
    return int(number)


def valid_name(text: str) -> str:
    """Reads a name; argparse puts the option's name before the rule."""
    try:
        return check_name(text)
    except InvalidRequest:
        raise argparse.ArgumentTypeError(NAME_RULE.rstrip(".")) from None


def job_id(text: str) -> str:
    """Reads the whole id of a job."""
    if not _JOB_ID.fullmatch(text):
        raise _wrong("must be the whole id of a job, as the list of jobs shows it", text)
    return text


def name_for(text: str, default: str) -> str:
    """A name that looks like the text.

    >>> name_for("My_Train.v2", "train"), name_for("__", "train")
    ('my-train-v2', 'train')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or default


def split_args(words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """What comes before and after the first ``--``."""
    words = list(words)
    if "--" not in words:
        return words, ()
    at = words.index("--")
    return words[:at], tuple(words[at + 1 :])


def _wrong(rule: str, text: str) -> argparse.ArgumentTypeError:
    shown = text if len(text) <= 20 else text[:20] + "..."
    return argparse.ArgumentTypeError(f"{rule}, not {shown!r}")
