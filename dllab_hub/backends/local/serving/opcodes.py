"""`pickled` and `saved`: what a pickle holds, by the codes of its operations. None of them is run.

A pickle is a program for a small machine, and some of its operations call whatever it names. Here
only their codes and arguments are read, out of a bounded number of bytes that are in memory.
"""

from __future__ import annotations

import bz2
import io
import lzma
import pickletools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ....errors import InvalidRequest
from ....specs import ModelFormat

__all__ = ("MOST", "pickled", "saved")

#: Bytes of a file that are looked at at most, and operations.
MOST, _STEPS = 1024 * 1024, 5000
#: Bytes that are unpacked of what is compressed.
_UNPACKED = 256 * 1024
#: Bytes of memory that a decompressor may take: the strongest preset of xz needs 65 MiB.
_MEMORY = 96 * 1024 * 1024
_CODES = {code.code.encode("latin-1"): code for code in pickletools.opcodes}
#: Two lines of text: the one operation with such an argument that protocols from 2 up still write.
_GLOBAL = b"c"
#: Keep what is there, or tell how much follows: nothing that is built.
_ASIDE = {"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}
#: What joblib has in the place of an array.
_ARRAY = "NumpyArrayWrapper"
#: What ``torch.save`` began its files with before they were zip archives.
_OLD_TORCH = 0x1950A86A20F9469CFC6C
_PACKERS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x78", lambda data: zlib.decompressobj().decompress(data, _UNPACKED)),
    (b"\x1f\x8b", lambda data: zlib.decompressobj(31).decompress(data, _UNPACKED)),
    (b"BZh", lambda data: bz2.BZ2Decompressor().decompress(data, _UNPACKED)),
    (b"\xfd7zXZ\0", lambda data: _unpacked_xz(data)),
    (b"\x5d\0\0", lambda data: _unpacked_xz(data)),
)
_EXPORT = (
    "Load it where it was made and export the module: torch.onnx.export, torch.export.save or "
    "torch.jit.save."
)


@dataclass(frozen=True)
class _Beginning:
    """What a pickle begins with.

    Attributes:
        steps: Names of the operations and their arguments, without those that build nothing.
        longest: The greatest number of bytes that one of its frames claims to have.
        is_cut: Whether the bytes came to an end before it did.
    """

    steps: tuple[tuple[str, Any], ...]
    longest: int
    is_cut: bool

    @property
    def is_old_torch(self) -> bool:
        """Whether ``torch.save`` has written it, as it did for a time."""
        return self.steps[:1] == (("LONG1", _OLD_TORCH),)

    @property
    def is_dict(self) -> bool:
        """Whether all of it is a dict that keeps its order, as the weights of a network are."""
        return self.steps[:1] == (("GLOBAL", "collections OrderedDict"),)

    @property
    def is_object(self) -> bool:
        """Whether all of it is one object of some class, and no list, dict or the like."""
        names = [name for name, _ in self.steps[:5]]
        if names[1:3] == ["SHORT_BINUNICODE", "STACK_GLOBAL"]:
            names = ["GLOBAL", *names[3:]]
        return names[:3] == ["GLOBAL", "EMPTY_TUPLE", "NEWOBJ"]


def pickled(data: bytes, size: int) -> ModelFormat | None:
    """The format of what pickle or joblib has written, compressed or not; None: it is no pickle.

    Args:
        data: The first bytes of a file, `MOST` at least where it has so many.
        size: Bytes of the whole file.

    Raises:
        InvalidRequest: it is one that cannot be served; the message says what it is.
    """
    plain = data.startswith(b"\x80")
    found = _beginning(data if plain else _unpacked(data))
    if found is None:
        return None
    if found.is_old_torch:
        said = "the file is of an old torch.save: a pickle that only PyTorch itself reads."
        raise InvalidRequest(said, hint=_EXPORT, field="model")
    if plain and (found.longest > size or (found.is_cut and len(data) == size)):
        raise InvalidRequest("the pickle is damaged, or cut short.", field="model")
    return "pickle"


def saved(data: bytes) -> ModelFormat:
    """The format of what ``torch.save`` has written.

    Args:
        data: The first bytes of the pickle in it.

    Raises:
        InvalidRequest: it is no whole module; the message says what it is.
    """
    found = _beginning(data)
    if found is not None and found.is_object:
        return "torch-pickle"
    said = "the file is a PyTorch checkpoint (torch.save): a pickle, and not of a whole module."
    if found is not None and found.is_dict:
        said = (
            "the file is a PyTorch checkpoint of weights (a state_dict), without the network they "
            "belong to."
        )
    raise InvalidRequest(said, hint=_EXPORT, field="model")


def _beginning(data: bytes) -> _Beginning | None:
    """What a pickle of protocol 2 or newer begins with; None for anything else."""
    if data[:1] != b"\x80" or data[1:2] not in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return None
    file = io.BytesIO(data)
    steps: list[tuple[str, Any]] = []
    longest = 0
    has_array = False
    for _ in range(_STEPS):
        code = _CODES.get(byte := file.read(1))
        try:
            value = None if code is None else _argument(file, code)
        except ValueError:
            code, byte = None, file.read(1)
        if code is None:  # Nothing is left of the bytes, or it is no pickle.
            return None if byte else _Beginning(tuple(steps), longest, is_cut=True)
        if code.name == "FRAME":
            longest = max(longest, int(value or 0))
        if code.name not in _ASIDE:
            steps.append((code.name, value))
        has_array = has_array or _ARRAY in str(value)
        # What follows are the bytes of an array, which joblib puts in between.
        if code.name == "STOP" or (code.name == "BUILD" and has_array):
            break
    return _Beginning(tuple(steps), longest, is_cut=False)


def _unpacked(data: bytes) -> bytes:
    """The beginning of what joblib has compressed; empty where that is not so, or it is damaged."""
    for magic, unpack in _PACKERS:
        if data.startswith(magic):
            try:
                return unpack(data)
            except (zlib.error, lzma.LZMAError, OSError, EOFError):
                return b""
    return b""


def _argument(file: io.BytesIO, code: pickletools.OpcodeInfo) -> Any:
    """Raises `ValueError` for one that is cut short, or that only old protocols write."""
    if code.code.encode("latin-1") == _GLOBAL:
        # Python's own reader looks for escapes in it, and warns of them.
        lines = file.readline(), file.readline()
        if not lines[1].endswith(b"\n"):
            raise ValueError("cut short")
        return " ".join(line[:-1].decode() for line in lines)
    if code.arg is None:
        return None
    if code.arg.n == pickletools.UP_TO_NEWLINE:
        raise ValueError("text")
    return code.arg.reader(file)


def _unpacked_xz(data: bytes) -> bytes:
    return lzma.LZMADecompressor(memlimit=_MEMORY).decompress(data, _UNPACKED)
