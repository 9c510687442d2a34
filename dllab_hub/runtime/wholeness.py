"""Whether one file that a framework wrote is whole, from its first and last bytes.

Nothing is unpickled, decompressed or read as a whole: a file may be of any size, and anybody's.
What is recognised is a file that was cut short, or whose blocks never reached the disk.
"""

from __future__ import annotations

import json
from typing import Protocol

__all__ = ("Bytes", "is_whole")

#: What torch and Keras write: ZIP archives.
_ZIPPED = (".pt", ".pth", ".bin", ".ckpt", ".keras")
_ZIP_END, _ZIP64_END, _ZIP64_AT = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ZIP_ENTRY = b"PK\x01\x02"
#: The end of an archive with the longest comment.
_TAIL = 22 + 65535 + 20
_HDF5 = b"\x89HDF\r\n\x1a\n"
#: TensorFlow's index is a sorted string table; its last bytes are these.
_TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")
#: Largest header of a safetensors file that is read; a model of 100,000 tensors has 10 MB.
_MAX_HEADER = 32 * 1024 * 1024
_MAX_JSON = 1024 * 1024


class Bytes(Protocol):
    """An open file."""

    @property
    def size(self) -> int:
        """Bytes."""

    def read(self, length: int, at: int) -> bytes:
        """At most ``length`` bytes from a place on; fewer at the end."""


def is_whole(name: str, file: Bytes) -> bool:
    """Whether a file is whole as far as its kind can be checked.

    Args:
        name: Its name, which tells the kind; of a kind that is not known here every file is whole.
        file: What is read, a few pieces of it.
    """
    if name.endswith(".safetensors"):
        return file.size == _safetensors_end(file)
    if name.endswith(".h5"):
        return file.size == _hdf5_end(file)
    if name.endswith(".index"):
        return file.size >= 48 and file.read(8, file.size - 8) == _TABLE_END
    if name.endswith(_ZIPPED):
        # Old versions of torch, when asked for it: a bare pickle, which ends with a full stop.
        if file.read(1, 0) == b"\x80":
            return file.read(1, file.size - 1) == b"."
        return _is_whole_zip(file)
    if name.endswith(".distcp"):  # One archive after the other; a rank may have none.
        return not file.size or file.read(22, max(0, file.size - 22)).startswith(_ZIP_END)
    if name.endswith(".json"):
        return _is_json(file)
    return True


def _safetensors_end(file: Bytes) -> int | None:
    """How long the header of a safetensors file says that the file is; None: it has none."""
    length = int.from_bytes(file.read(8, 0), "little")
    if not 2 <= length <= min(file.size - 8, _MAX_HEADER):
        return None
    try:
        header = json.loads(file.read(length, 8))
        ends = [about["data_offsets"][1] for key, about in header.items() if key != "__metadata__"]
        return 8 + length + max((int(end) for end in ends), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None


def _is_whole_zip(file: Bytes) -> bool:
    """Whether its list of entries lies where its end says, and the end at the end."""
    tail = file.read(_TAIL, max(0, file.size - _TAIL))
    at = tail.rfind(_ZIP_END)
    if at < 0 or len(tail) - at < 22:
        return False
    end = tail[at:]
    if len(end) != 22 + int.from_bytes(end[20:22], "little"):
        return False
    place = file.size - len(end)
    length, start = (int.from_bytes(end[n : n + 4], "little") for n in (12, 16))
    if at >= 20 and tail[at - 20 : at - 16] == _ZIP64_AT:
        place = int.from_bytes(tail[at - 12 : at - 4], "little")
        if place >= file.size:
            return False
        large = file.read(56, place)
        if large[:4] != _ZIP64_END:
            return False
        length, start = (int.from_bytes(large[n : n + 8], "little") for n in (40, 48))
    return start + length == place and file.read(4, start) == _ZIP_ENTRY


def _hdf5_end(file: Bytes) -> int | None:
    """How long the superblock of an HDF5 file says that the file is."""
    head = file.read(96, 0)
    if len(head) < 48 or head[:8] != _HDF5:
        return None
    version = head[8]
    width = head[13] if version < 2 else head[9]
    first = {0: 24, 1: 28}.get(version, 12)
    return int.from_bytes(head[first + 2 * width : first + 3 * width], "little")


def _is_json(file: Bytes) -> bool:
    """A long one counts when it begins and ends like an object."""
    if file.size > _MAX_JSON:
        return (file.read(1, 0), file.read(16, file.size - 16).strip()[-1:]) == (b"{", b"}")
    try:
        json.loads(file.read(file.size, 0))
    except (ValueError, RecursionError):
        return False
    return True
