"""`Lines`: the JSON objects of a file that grows, one a line, a piece at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

__all__ = ("Lines",)

_PIECE = 64 * 1024
#: A line with more bytes is no line of ours.
_LONGEST = 64 * 1024


class Lines:
    """Reads one file.

    Attributes:
        at: Bytes that have been read.
        wrong: Lines that were no JSON object.
    """

    __slots__ = ("_file", "_rest", "_skip", "at", "wrong")

    def __init__(self) -> None:
        self.at = 0
        self.wrong = 0
        self._rest = b""
        self._skip = False
        self._file: tuple[int, int] | None = None

    def read(self, fd: int) -> Iterator[list[dict[str, Any]]]:
        """The objects that are new, piece by piece. Whoever reads may stop after any piece.

        A file that was replaced or cut off is read from its start.

        Args:
            fd: Of the file.
        """
        about = os.fstat(fd)
        if (about.st_dev, about.st_ino) != self._file or about.st_size < self.at:
            self._file = (about.st_dev, about.st_ino)
            self.at, self._rest, self._skip = 0, b"", False
        while self.at < about.st_size and (data := os.pread(fd, _PIECE, self.at)):
            self.at += len(data)
            *lines, rest = (self._rest + data).split(b"\n")
            if self._skip and lines:
                lines, self._skip = lines[1:], False
            if len(rest) > _LONGEST:
                rest, self._skip = b"", True
                self.wrong += 1
            self._rest = b"" if self._skip else rest
            yield [found for line in lines if (found := self._object(line))]

    def _object(self, line: bytes) -> dict[str, Any] | None:
        try:
            found = json.loads(line) if len(line) <= _LONGEST else None
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
        self.wrong += bool(line.strip())
        return None
