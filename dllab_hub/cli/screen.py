"""`Screen`: the same picture again and again, in place on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
import unicodedata
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from ..errors import Unavailable
from ..submission import in_words

__all__ = ("Screen", "repeat")

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # A screen of its own, no cursor.
_HOME, _REST_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class Screen:
    """Where pictures are shown one after the other.

    On a terminal each takes the place of the one before, cut to its size, and the last one stays
    behind; elsewhere they are printed below each other with an empty line between them.

    Args:
        out: Where to write.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._tty = out.isatty()
        self._last: str | None = None

    def show(self, text: str) -> None:
        """Show one more."""
        if self._tty:
            width, height = shutil.get_terminal_size()
            lines = [_fit(line, width) + _REST_OF_LINE for line in _top(text, height - 1)]
            self._out.write(_HOME + "\r\n".join(lines) + "\r\n" + _BELOW)
        else:
            self._out.write(("\n" if self._last is not None else "") + text + "\n")
        self._last = text
        self._out.flush()

    def __enter__(self) -> Self:
        if self._tty:
            self._out.write(_ENTER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._tty:
            self._out.write(_LEAVE + (f"{self._last}\n" if self._last is not None else ""))
            self._out.flush()


def repeat(seconds: float, look: Callable[[], str], *, lines: bool = False) -> int:
    """Show what ``look`` says until Ctrl-C; while the lab is away say so and go on.

    Args:
        seconds: Between two looks.
        look: Text of one picture.
        lines: Whether each is one line for a program, printed as it comes; what else is to be said
            goes to the standard error.

    Raises:
        DLLabError: the first look failed, or a later one did for another reason than that nobody
            answers.
        KeyboardInterrupt: at Ctrl-C.
    """
    first = look()
    if lines:
        print(first, flush=True)
        away = ""
        while True:
            time.sleep(seconds)
            try:
                print(look(), flush=True)
                away = ""
            except Unavailable as exc:
                if (said := _away(exc, seconds)) != away:  # Said once, until it answers again.
                    print(said, file=sys.stderr, flush=True)
                away = said
    with Screen(sys.stdout) as screen:
        screen.show(first)
        while True:
            time.sleep(seconds)
            try:
                text = look()
            except Unavailable as exc:
                text = _away(exc, seconds)
            screen.show(text)


def _away(exc: Unavailable, seconds: float) -> str:
    return f"{in_words(exc)} Asked again every {seconds:g} s."


def _top(text: str, most: int) -> list[str]:
    """The first lines; the last of them says how many more there are."""
    lines = text.splitlines()
    if len(lines) <= most:
        return lines
    shown = max(0, most - 1)
    return [*lines[:shown], f"... {len(lines) - shown} more lines"]


def _fit(line: str, width: int) -> str:
    """What fits so many columns of a terminal, in which some characters take two, or none."""
    for at, char in enumerate(line):
        if not unicodedata.combining(char):
            width -= 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if width < 0:
            return line[:at]
    return line
