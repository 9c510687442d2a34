r"""A text looked for in a log of any size: a piece at a time, for about a second.

A line ends with ``\n`` or ``\r``, so the states of a progress bar are lines of their own. One
without an end is looked through all the same and counts once, however often it holds the text.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...plaintext import stripped
from ...specs import LogMatch, LogMatches
from .logs import Log
from .rundir import RunDir, Unreadable

__all__ = ("search", "search_text")

#: Seconds until it stops at the next piece.
_PATIENCE = 1.0
#: Bytes that are looked at at a time: nobody else of the process gets to work meanwhile.
_PIECE = 256 * 1024
#: Bytes before and behind a match that are shown of a long line.
_AROUND = 300
_LONG = 4 * _AROUND
#: Bytes that begin no character.
_INNER = bytes(range(0x80, 0xC0))
#: Bytes that no escape sequence and no text looked for is longer than: pieces of a line overlap.
_OVERLAP = 4096
_BREAK = re.compile(rb"[\r\n]")
_COLOUR = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
_SHOWN_BREAK = re.compile(r"[\r\n]")


def search(
    run: RunDir, log: Log, text: str, offset: int, limit: int, patience: float = _PATIENCE
) -> LogMatches:
    """Lines that hold the text, whatever its case. Blocks for a little more than ``patience``.

    Args:
        run: Of the job.
        log: Which.
        text: Without a line break.
        offset: A line that begins before it is left out, unless it is very long.
        limit: Most matches.
        patience: Seconds.
    """
    try:
        with run.opened(*log.parts) as (fd, size):
            return _Search(fd, size, text, limit).look(offset, time.monotonic() + patience)
    except Unreadable:
        return LogMatches(matches=(), size=0)  # Not written yet, or not to be trusted.


def search_text(log: str, text: str, offset: int, limit: int) -> LogMatches:
    """The same in the text of a log, which is short."""
    data = log.encode()
    fd = os.memfd_create("dllab-log", os.MFD_CLOEXEC)
    try:
        os.write(fd, data)
        return _Search(fd, len(data), text, limit).look(offset, time.monotonic() + _PATIENCE)
    finally:
        os.close(fd)


@dataclass
class _Search:
    fd: int
    size: int
    text: str
    limit: int
    found: list[LogMatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._needle = re.compile(re.escape(self.text), re.IGNORECASE)
        # Bytes can be compared at once when only ASCII letters have a case.
        plain = all(c.isascii() or c.lower() == c.upper() for c in self.text)
        self._bytes = self.text.encode("utf-8", "replace").lower() if plain else b""

    def look(self, offset: int, deadline: float) -> LogMatches:
        at = begin = first = self._start(offset)
        counted = False  # Whether the line that goes on in this piece holds the text.
        while at < self.size:
            # In a line that is not long it does not stop: it could not go on there.
            late = at > first and time.monotonic() > deadline
            if late and (at == begin or at - begin > _PIECE):
                return self._answer(at)
            data = os.pread(self.fd, min(_PIECE, self.size - at), at)
            if not data:
                break  # It was cut off meanwhile.
            if counted:
                over = _BREAK.search(data)
                at += over.end() if over else len(data)
                begin, counted = (at, False) if over else (begin, True)
                continue
            is_end = at + len(data) >= self.size
            last = len(data) if is_end else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
            before = len(self.found)
            rest = self._piece(data[:last] if last else data, at, begin)
            if rest is not None:
                return self._answer(rest)
            if last:
                at = begin = at + last
            else:  # One long line; a text may lie across two pieces of it.
                counted = len(self.found) > before
                at += len(data) if counted else max(len(data) - _OVERLAP, 1)
        return self._answer(None)

    def _start(self, offset: int) -> int:
        """The first line that begins at the offset or later; the offset itself in a long line."""
        if offset <= 0 or offset >= self.size:
            return max(offset, 0)
        back = os.pread(self.fd, min(_PIECE, offset), offset - min(_PIECE, offset))
        if not _BREAK.search(back) and offset > _PIECE:
            return offset
        if back[-1:] in (b"\n", b"\r"):
            return offset
        data = os.pread(self.fd, min(_PIECE, self.size - offset), offset)
        if end := _BREAK.search(data):
            return offset + end.end()
        # What goes on for longer than a piece is a long line too.
        return self.size if offset + len(data) >= self.size else offset

    def _piece(self, data: bytes, at: int, begin: int) -> int | None:
        """Look through a piece that was read at ``at``; its first line begins at ``begin``.

        Returns:
            The line to go on with when there are as many matches as were asked for; else None.
        """
        if self._has_nothing(data):
            return None
        look = self._fast if self._bytes and b"\x1b" not in data else self._slow
        for start, match in look(data):
            where = begin if start == 0 else at + start
            if len(self.found) == self.limit:
                return where
            self.found.append(match.model_copy(update={"offset": where}))
        return None

    def _has_nothing(self, data: bytes) -> bool:
        """Whether it can be seen at once, before lines are looked at, that it is nowhere here."""
        plain = _COLOUR.sub(b"", data) if b"\x1b" in data else data
        if b"\x1b" in plain:  # More than colours: it may be hidden by it.
            return False
        if self._bytes:
            return self._bytes not in plain.lower()
        return self._needle.search(plain.decode("utf-8", "replace")) is None

    def _fast(self, data: bytes) -> Iterator[tuple[int, LogMatch]]:
        """Lines that hold the text, and where each starts: found by comparing bytes."""
        low = data.lower()
        place = low.find(self._bytes)
        while place >= 0:
            start = max(low.rfind(b"\n", 0, place), low.rfind(b"\r", 0, place)) + 1
            over = _BREAK.search(low, place)
            end = over.start() if over else len(low)
            if match := self._match(data[start:end], place - start):
                yield start, match
            place = low.find(self._bytes, end)

    def _slow(self, data: bytes) -> Iterator[tuple[int, LogMatch]]:
        """The same, line by line: there may be escape sequences within the text."""
        text = stripped(data.decode("utf-8", "replace")).replace("\b", "")
        start = 0
        for line, shown in zip(_BREAK.split(data), _SHOWN_BREAK.split(text), strict=True):
            if self._needle.search(shown) and (match := self._match(line, None)):
                yield start, match
            start += len(line) + 1

    def _match(self, line: bytes, near: int | None) -> LogMatch | None:
        """The line as it is shown, and where the text is in it; its offset is not known here."""
        before = behind = ""
        if near is not None and len(line) > _LONG:
            start, end = max(near - _AROUND, 0), near + len(self._bytes) + _AROUND
            before, behind = "…" if start else "", "…" if end < len(line) else ""
            line = line[start:end]
            if start:
                line = line.lstrip(_INNER)  # It may be cut in the middle of a character.
        text = stripped(line.decode("utf-8", "replace")).replace("\b", "").replace("\r", "")
        seen = self._needle.search(text)
        if seen is None:
            return None
        start, end = seen.span()
        if len(text) > _LONG:
            cut = max(start - _AROUND, 0)
            before, behind = "…" if cut else "", "…" if end + _AROUND < len(text) else behind
            text, start, end = text[cut : end + _AROUND], start - cut, end - cut
        text = f"{before}{text}{behind}"
        return LogMatch(offset=0, text=text, start=start + len(before), end=end + len(before))

    def _answer(self, next_offset: int | None) -> LogMatches:
        return LogMatches(matches=tuple(self.found), next_offset=next_offset, size=self.size)
