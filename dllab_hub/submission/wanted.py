"""Which jobs are meant: the options that ``%jobs``, ``dllab jobs`` and ``dllab export`` share."""

from __future__ import annotations

import argparse
import datetime
import time
from typing import Any

from ..specs import JobState
from .words import seconds, valid_name

__all__ = ("add_filter", "filter_of", "moment", "state")

_FIELDS = ("name", "image", "tag", "text", "since", "until", "favourite")


def add_filter(parser: argparse.ArgumentParser) -> None:
    """The options."""
    add = parser.add_argument
    add("--state", type=state, action="append", metavar="S", help="such as failed; once for each")
    add("--name", type=valid_name, metavar="N", help="name they were submitted under")
    add("--image", type=valid_name, metavar="I", help="image they ran in")
    add("--tag", metavar="T", help="one that they have")
    add("--text", metavar="WORDS", help="words in their id, tags, notes, reason, arguments or code")
    add("--since", type=moment, metavar="2d", help="submitted then or later: 2d ago, or 2026-01-31")
    add("--until", type=moment, metavar="1d", help="submitted before")
    add("--favourite", action="store_true", help="only favourites")


def filter_of(options: argparse.Namespace) -> dict[str, Any]:
    """Fields of a `JobFilter` that were said."""
    said = {name: getattr(options, name) for name in _FIELDS if getattr(options, name)}
    return {**said, **({"states": tuple(options.state)} if options.state else {})}


def state(text: str) -> JobState:
    """Reads a state, in any case."""
    try:
        return JobState(text.upper())
    except ValueError:
        words = ", ".join(each.value.lower() for each in JobState)
        raise argparse.ArgumentTypeError(f"must be one of {words}") from None


def moment(text: str) -> float:
    """Reads a moment: so long ago, or a day or time of here; seconds since the epoch."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    try:
        ago = seconds(text)
    except argparse.ArgumentTypeError:
        ago = 0
    if not ago:
        raise argparse.ArgumentTypeError(
            "must be how long ago, such as 12h or 2d, or a day such as 2026-01-31"
        )
    return max(time.time() - ago, 0.0)
