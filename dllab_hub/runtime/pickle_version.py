"""`version_in`: the version of scikit-learn that an estimator was pickled with. Nothing is loaded.

Each estimator notes it beside its parameters. It is looked for in the bytes: what a file says by
being loaded can no longer be helped.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ("version_in",)

_PIECE = 256 * 1024
#: Bytes that what is looked for has at most.
_LONGEST = 100
#: The name, perhaps a note to keep it, and a text: with its length in one byte or in four.
_NOTED = re.compile(
    rb"_sklearn_version(?:\x94|q.|r....)?(?:\x8c(.)|X(.)\0\0\0)([0-9][0-9A-Za-z.+]*)", re.DOTALL
)
_PACKERS: tuple[tuple[bytes, Any], ...] = (
    (b"\x78", zlib.decompressobj),
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", lzma.LZMADecompressor),
    (b"\x5d\0\0", lzma.LZMADecompressor),
)


def version_in(file: Path) -> str:
    """Such as ``1.9.1``; empty where the file names none, or cannot be read to there.

    Args:
        file: As pickle or joblib have written it, compressed or not.
    """
    before = b""
    for piece in _pieces(file):
        found = _NOTED.search(before + piece)
        if found and len(found[3]) >= (length := ord(found[1] or found[2])):
            return found[3][:length].decode()
        before = (before + piece)[-_LONGEST:]
    return ""


def _pieces(file: Path) -> Iterator[bytes]:
    """Its content, unpacked."""
    with file.open("rb") as opened:
        head = opened.read(6)
        opened.seek(0)
        unpacker = next((make() for magic, make in _PACKERS if head.startswith(magic)), None)
        while piece := opened.read(_PIECE):
            if unpacker is None:
                yield piece
                continue
            try:
                yield unpacker.decompress(piece)
            except (zlib.error, lzma.LZMAError, OSError, EOFError):
                return  # Whoever loads it says what is wrong with it.
