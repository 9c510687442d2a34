"""`signature`: which pairs and triples of bytes the words of a text have, in 512 bytes.

A search among ten thousand jobs reads these first, and only the texts of those that may have its
words: a text whose signature lacks a bit of a word's cannot have the word in it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise

__all__ = ("lacks_none", "signature")


def signature(text: bytes) -> bytes:
    """The signature of a text."""
    bits = 0
    # No word goes over the end of a line, and most lines are those of the job before.
    for line in text.split(b"\n"):
        bits |= _bits(line)
    return bits.to_bytes(512, "little")


def lacks_none(words: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Tells from a signature whether its text may have all these words in it.

    Args:
        words: Without white space.
    """
    wanted = 0
    for word in words:
        wanted |= _bits(word)
    return lambda found: wanted & ~int.from_bytes(found, "little") == 0


@functools.lru_cache(maxsize=4096)
def _bits(line: bytes) -> int:
    bits = bytearray(512)
    places = [(a * 251 + b) * 8191 for a, b in set(pairwise(line))]
    triples = set(zip(line, line[1:], line[2:], strict=False))
    places += [((a * 251 + b) * 251 + c) * 8191 + 7 for a, b, c in triples]
    for place in places:  # Any fixed rule will do that spreads neighbours.
        bits[place >> 3 & 511] |= 1 << (place >> 12 & 7)
    return int.from_bytes(bits, "little")
