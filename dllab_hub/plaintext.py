"""Text of somebody's program, made fit for a terminal: it can colour nothing, move nothing, and set
no title. What a program prints is data; where it is shown, it must not give orders.
"""

from __future__ import annotations

import re

__all__ = ("Inert", "inert", "stripped")

#: Characters of an order that may be cut in two between pieces. A longer one is no order.
_LONGEST = 4096
#: Characters of a line that are waited for.
_LONGEST_LINE = 65536
#: What begins a line of the merged view: whose it is stays when the rest is written over.
_WHO = re.compile(r"\[[a-z0-9.-]+\] ")
_CSI = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
#: Titles, links, device strings: with their end, on one line; without one only the start goes.
_STRING = (
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f\n\r]{0,4096}(?:\x07|\x1b\\|\x9c)"
)
_SHORT = r"\x1b[ -/]*[0-~]"
_ORDER = re.compile(f"{_CSI}|{_STRING}|{_SHORT}")
#: An order whose end is not there yet.
_BEGUN = re.compile(
    r"(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f\n\r]*\x1b?"
    r"|\x1b[ -/]*)\Z"
)
#: Control characters but tab, newline, return and backspace; and those that turn text around.
_LEFT = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def stripped(text: str) -> str:
    r"""The text without orders to a terminal and without control characters; ``\n``, ``\r``,
    ``\t`` and backspaces stay.
    """
    return _LEFT.sub("", _ORDER.sub("", text))


def inert(text: str) -> str:
    r"""The text as a terminal would show it in the end: no orders, no colours, and of a line that
    was written over again and again, as progress bars are, only what was last.

    Args:
        text: Anything. Of the control characters only ``\n`` and ``\t`` are left.
    """
    text = stripped(text)
    if "\r" not in text and "\b" not in text:
        return text
    return "\n".join(map(_last, text.split("\n")))


class Inert:
    """The same, of a text that comes piece by piece.

    What may still be written over, or is half of an order, waits for the piece that decides. What
    was shown already and is written over stays, on a line of its own.
    """

    def __init__(self) -> None:
        self._held = ""
        self._open = False  # Whether the start of the current line has been shown.

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        text = self._held + piece
        begun = _BEGUN.search(text, max(len(text) - _LONGEST, 0))
        end = begun.start() if begun else len(text)
        start = text.rfind("\n", 0, end) + 1
        shown = self._whole(text[:start])
        line, self._held = text[start:end], text[end:]
        if ("\r" in line or "\b" in line) and len(line) < _LONGEST_LINE:
            # Of what is written over nothing need be kept.
            over = max(line.rstrip("\r").rfind("\r"), 0)
            who = _WHO.match(line[:over]) if not self._open else None
            self._held = (who[0] if who else "") + line[over:] + self._held
        elif line:
            shown += self._part(line)
            self._open = True
        return shown

    def end(self) -> str:
        """What is left when nothing more comes."""
        text, self._held = self._held, ""
        return self._part(text)

    def _whole(self, lines: str) -> str:
        if not lines:
            return ""
        first, newline, more = lines.partition("\n")
        shown = self._part(first) + newline + inert(more)
        self._open = False
        return shown

    def _part(self, line: str) -> str:
        over = self._open and "\r" in line.rstrip("\r")
        return ("\n" if over else "") + inert(line)


def _last(line: str) -> str:
    """What a terminal shows of a line with returns and backspaces in it."""
    begin, _, line = line.rstrip("\r").rpartition("\r")
    who = _WHO.match(begin)
    if who is not None and not line.startswith(who[0]):
        line = who[0] + line
    if "\b" not in line:
        return line
    shown: list[str] = []
    for character in line:
        if character != "\b":
            shown.append(character)
        elif shown:
            shown.pop()
    return "".join(shown)
