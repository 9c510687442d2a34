"""`small_part`: what a large event says beside its pictures, without reading these.

TensorFlow 1 writes all summaries of a step as one event, scalars and pictures together. The wire
format of protobuf lets us pass over what is large:
https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

__all__ = ("small_part",)

#: Fields with more bytes are passed over.
_LARGEST = 1024
#: Fields of one event that are looked at.
_MOST = 1000
_WINDOW = 4096
_SUMMARY = 5  # Of an event: all its values.
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def small_part(fd: int, start: int, length: int) -> bytes:
    """The small fields of a large event, as an event; nothing when it is not to be understood.

    Args:
        fd: Of the file.
        start: Where the event begins, in bytes.
        length: Bytes that it has.
    """
    try:
        return b"".join(_fields(_Cursor(fd, start, start + length), inside=False))
    except (IndexError, ValueError):
        return b""


class _Cursor:
    """A place in a message.

    Attributes:
        at: Where it is, in bytes from the start of the file.
        end: Where the message ends.
        left: Fields that may still be looked at.
    """

    def __init__(self, fd: int, at: int, end: int) -> None:
        self.at, self.end, self.left = at, end, _MOST
        self._fd = fd
        self._start, self._data = at, b""

    def take(self, count: int) -> bytes:
        """The next bytes, as many as asked for."""
        if self.at + count > self.end:
            raise ValueError("a field ends beyond its message")
        offset = self.at - self._start
        if not 0 <= offset <= len(self._data) - count:
            self._start, self._data = self.at, os.pread(self._fd, _WINDOW, self.at)
            offset = 0
        self.at += count
        found = self._data[offset : offset + count]
        if len(found) < count:
            raise IndexError("the file was cut off")
        return found

    def varint(self) -> tuple[int, bytes]:
        """A number, and the bytes it was written in."""
        raw, number = b"", 0
        while len(raw) < 10:
            byte = self.take(1)
            number |= (byte[0] & 0x7F) << 7 * len(raw)
            raw += byte
            if byte[0] < 0x80:
                return number, raw
        raise ValueError("a number has no end")


def _fields(cursor: _Cursor, *, inside: bool) -> Iterator[bytes]:
    """The small fields of a message; of an event those of its summary too."""
    while cursor.at < cursor.end and cursor.left:
        cursor.left -= 1
        key, raw = cursor.varint()
        kind = key & 7
        if kind == _VARINT:
            yield raw + cursor.varint()[1]
        elif kind in (_EIGHT, _FOUR):
            yield raw + cursor.take(8 if kind == _EIGHT else 4)
        elif kind == _BYTES:
            length, size = cursor.varint()
            if not inside and key >> 3 == _SUMMARY:
                end, cursor.end = cursor.end, min(cursor.at + length, cursor.end)
                small = b"".join(_fields(cursor, inside=True))
                yield raw + _as_varint(len(small)) + small
                cursor.end = end
            elif length <= _LARGEST:
                yield raw + size + cursor.take(length)
            else:
                cursor.at += length
        else:
            raise ValueError("a field of no known kind")


def _as_varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
