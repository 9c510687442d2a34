"""`Records`: the records of a TFRecord file that grows, framing by framing.

Each record is ``length (8 bytes), masked CRC-32C of it (4), data, masked CRC-32C of that (4)``:
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from functools import lru_cache

from .wide import small_part

__all__ = ("HEADER", "MAX_RECORD", "Records", "masked_crc")

#: Records with more bytes hold pictures, sounds and graphs, which are passed over unread.
MAX_RECORD = 128 * 1024
HEADER = struct.Struct("<QI")
_FOOTER = 4
_LEAST, _MOST = 8 * 1024, 256 * 1024
_BLANK = bytes(HEADER.size)


class Records:
    """Reads one file a piece at a time.

    Attributes:
        at: Where the next record begins, in bytes.
        torn: Whether what follows is not whole yet.
        damage: Sentence: why nothing after `at` can be read; empty while it can.
    """

    __slots__ = ("_window", "at", "damage", "torn")

    def __init__(self) -> None:
        self.at = 0
        self.torn = False
        self.damage = ""
        self._window = _LEAST

    def read(self, fd: int, size: int) -> Iterator[tuple[bytes, int | None]]:
        """Whole records from `at` on, each with its masked CRC as written.

        Of a large one comes what is small in it, maybe nothing, and None: its CRC is of the whole.

        Stops at the end, before a record that is not whole yet, and at damage. Whoever reads may
        stop at any time, and go on with another call.

        Args:
            fd: Of the file.
            size: Bytes that it has.
        """
        self.torn = False
        start, data = self.at, b""
        while not self.damage and self.at < size:
            offset = self.at - start
            if offset + HEADER.size > len(data):
                start, data, offset = self.at, self._more(fd), 0
            if len(data) - offset < HEADER.size:
                self.torn = True
                return
            length, crc = HEADER.unpack_from(data, offset)
            if crc != _crc_of_length(data[offset : offset + 8]):
                # A file whose end is blank is being written, or was when the machine went down.
                self.torn = data[offset : offset + HEADER.size] == _BLANK
                self.damage = "" if self.torn else f"is damaged at byte {self.at}"
                return
            whole = HEADER.size + length + _FOOTER
            if self.at + whole > size:
                self.torn = True
                return
            if length > MAX_RECORD:
                small = small_part(fd, self.at + HEADER.size, length)
                self.at += whole
                self._window = _LEAST
                yield small, None
                continue
            if offset + whole > len(data):
                self._window = max(self._window, whole)
                start, data, offset = self.at, self._more(fd), 0
                if len(data) < whole:  # It was cut off meanwhile.
                    self.torn = True
                    return
            body = data[offset + HEADER.size : offset + HEADER.size + length]
            (crc,) = struct.unpack_from("<I", data, offset + whole - _FOOTER)
            self.at += whole
            yield body, crc

    def _more(self, fd: int) -> bytes:
        data = os.pread(fd, self._window, self.at)
        self._window = min(2 * self._window, _MOST)
        return data


def masked_crc(data: bytes) -> int:
    """CRC-32C as TFRecord files have it.

    >>> hex(masked_crc(b"123456789"))
    '0xc78ab0e5'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@lru_cache(4096)
def _crc_of_length(length: bytes) -> int:
    """Records of scalars have but a few lengths, and Python needs 2 microseconds for one."""
    return masked_crc(length)


def _table() -> tuple[int, ...]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return tuple(table)


_TABLE = _table()
