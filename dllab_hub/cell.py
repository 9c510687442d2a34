"""A notebook's cell that is to run as a script: `check_cell`."""

from __future__ import annotations

import warnings

from IPython.core.inputtransformer2 import (
    EscapedCommand,
    HelpEnd,
    MagicAssign,
    SystemAssign,
    make_tokens_by_line,
)

from .errors import InvalidRequest
from .modules import syntax_error

__all__ = ("check_cell",)


def check_cell(cell: str) -> None:
    """Refuse what only a notebook understands, naming the line.

    Raises:
        InvalidRequest: with ``line`` counted from the line after ``%%train``.
    """
    error = syntax_error(cell, "cell")
    if error is None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(cell, "cell", "exec", dont_inherit=True)
        except SyntaxError as exc:  # `return` or `await` outside of a function, for example.
            error = exc
    if error is None:
        return
    line = error.lineno or 1
    lines = cell.splitlines(keepends=True)
    try:
        tokens = make_tokens_by_line(lines)
        starts = [
            found.start_line + 1
            for kind in (MagicAssign, SystemAssign, EscapedCommand, HelpEnd)
            if (found := kind.find(tokens)) is not None
        ]
    except (SyntaxError, LookupError):  # IPython's own reader stumbles over the same mistake.
        starts = []
    first = min(starts, default=None)
    if first is not None and first <= line:
        text = lines[first - 1].strip()
        shown = text if len(text) <= 40 else text[:40] + "..."
        raise InvalidRequest(
            f"line {first}: {shown!r} works in a notebook only; this cell runs as a script.",
            hint="Move it to a cell of its own, or use subprocess. Nothing was started.",
            field="code.source",
            line=first,
        )
    raise InvalidRequest(
        f"line {line}: {error.msg}.", hint="Nothing was started.", field="code.source", line=line
    )
