"""`recognise`: which format a file is of, by what is in it; its name says nothing.

Nothing is loaded and nothing unpickled, not even to look: the head of the file, the names in a zip,
the fields of a protobuf and the codes of a pickle are read, within bounds. A pickle is called one:
whether it is taken is decided elsewhere (`pickles`).
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from ....errors import InvalidRequest
from ....specs import ModelFormat
from .opcodes import MOST, pickled, saved
from .unpacking import MAX_FILES

__all__ = ("Kind", "OnnxHead", "onnx_head", "recognise")

#: Bytes of the table of contents of a zip that are read; four hundred for each name are plenty.
_MAX_TABLE = 4 * 1024 * 1024
#: Bytes at the end of a zip in which all that closes it lies: its records and a comment.
_TAIL = 66_000
#: What closes a large zip (ZIP64), and what tells where that is.
_WIDE, _LOCATOR = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_ASK = "Export it: ONNX (torch.onnx.export), torch.export.save, torch.jit.save, or model.export()."


@dataclass(frozen=True)
class Kind:
    """What a file is.

    Attributes:
        format: Of the model.
        packed: As what its directory came: ``zip`` or ``tar``; empty for a model that is a file.
    """

    format: ModelFormat
    packed: Literal["", "zip", "tar"] = ""


@dataclass(frozen=True)
class OnnxHead:
    """What the first level of an ONNX file says.

    Attributes:
        opsets: Domain -> version of the operators; the empty domain is ONNX's own.
        has_graph: Whether there is a network in it.
    """

    opsets: dict[str, int]
    has_graph: bool


def recognise(path: Path) -> Kind:
    """The format of a file.

    Args:
        path: A regular file of ours.

    Raises:
        InvalidRequest: it is of none that is served; the message says what it is and what to do.
    """
    with path.open("rb") as file:
        head = file.read(512)
        if head.startswith(b"PK\x03\x04"):
            return _of_zip(file)
        if head[257:262] == b"ustar" or _is_old_tar(head):
            return Kind("savedmodel", "tar")
        size = os.fstat(file.fileno()).st_size
        if (format := pickled(head + file.read(MOST - len(head)), size)) is not None:
            return Kind(format)
        if why := _refused(head):
            raise InvalidRequest(why, hint=_ASK, field="model")
        # A file of ONNX begins with its version; one that is cut short is told by its runtime.
        if head[:1] == b"\x08" or onnx_head(file).has_graph:
            return Kind("onnx")
    raise InvalidRequest(
        "the file is not an ONNX model, nor of another format that is served.",
        hint="Served are ONNX, torch.export (.pt2), TorchScript, and a SavedModel as .zip or .tar.",
        field="model",
    )


def onnx_head(file: IO[bytes]) -> OnnxHead:
    """Look through the fields of a protobuf's first level; what is in them is skipped."""
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    opsets: dict[str, int] = {}
    has_graph = False
    try:
        for _ in range(10_000):
            if file.tell() >= size:
                break
            tag = _varint(file)
            number, kind = tag >> 3, tag & 7
            if kind == 0:
                _varint(file)
            elif kind == 2:
                length = _varint(file)
                end = file.tell() + length
                if end > size or not 0 < number < 64:
                    return OnnxHead({}, has_graph=False)
                if number == 8 and length < 1024:  # OperatorSetIdProto
                    domain, version = _opset(file.read(length))
                    opsets[domain] = version
                has_graph = has_graph or number == 7
                file.seek(end)
            elif kind in (1, 5):
                file.seek(8 if kind == 1 else 4, os.SEEK_CUR)
            else:
                return OnnxHead({}, has_graph=False)
    except (ValueError, UnicodeDecodeError):
        return OnnxHead({}, has_graph=False)
    return OnnxHead(opsets, has_graph)


def _opset(data: bytes) -> tuple[str, int]:
    domain, version, at = "", 0, 0
    while at < len(data):
        tag = data[at]
        value, at = _number(data, at + 1)
        if tag == 0x0A:
            domain, at = data[at : at + value].decode(), at + value
        elif tag == 0x10:
            version = value
    return domain, version


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("no number")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("no number")


def _is_old_tar(head: bytes) -> bool:
    """Before POSIX: no magic, but a checksum of the header."""
    if len(head) < 512 or not head[0]:
        return False
    try:
        said = int(head[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return said == sum(head[:148]) + sum(head[156:]) + 8 * 32


def _refused(head: bytes) -> str:
    """Why a file that begins so is not taken; empty for one that says nothing."""
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "the file begins as a pickle does, and goes on as none can: it is damaged."
    if head.startswith(b"\x89HDF\r\n"):
        return "the file is HDF5 (Keras' .h5): it may hold Python code, and is not served."
    if head[:4] == b"\x04\x22\x4d\x18":
        return "the file is compressed with LZ4: have joblib use zlib, as in compress=3."
    if head[:2] == b"\x1f\x8b" or head[:3] == b"BZh" or head[:6] == b"\xfd7zXZ\0":
        return "the file is compressed: send the model itself, or a SavedModel as .zip or .tar."
    if head[:1] == b"\x78" and head[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda"):
        return "the file is compressed, as joblib does it, and what is in it is no pickle."
    if head[8:9] == b"{" and b'"dtype"' in head and int.from_bytes(head[:8], "little") < 1 << 27:
        return "the file holds weights only (safetensors), without the network they belong to."
    if head.startswith(b"\x93NUMPY"):
        return "the file is an array of NumPy, not a model."
    return ""


def _of_zip(file: IO[bytes]) -> Kind:
    _check_table(file)
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            found = _of_names(names)
            if isinstance(found, Kind):
                return found
            with archive.open(found) as member:
                return Kind(saved(member.read(MOST)))
    except InvalidRequest:
        raise
    except (
        *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
        *(ValueError, NotImplementedError, RuntimeError),  # Encrypted, or packed in a rare way.
    ) as exc:
        raise InvalidRequest("the zip archive is damaged.", field="model") from exc


def _of_names(names: list[str]) -> Kind | str:
    """What an archive is by the names in it; or the name of PyTorch's pickle, which tells more."""
    if len(names) > MAX_FILES:
        raise InvalidRequest(f"the archive has more than {MAX_FILES} files.", field="model")
    last = {name.rpartition("/")[2] for name in names}
    below = {name.partition("/")[2] for name in names}  # PyTorch puts all into one directory.
    both = {*names, *below}
    if "saved_model.pb" in last:
        return Kind("savedmodel", "zip")
    if "archive_format" in both or "serialized_exported_program.json" in both:
        return Kind("torch-export")
    if "constants.pkl" in both and any(name.startswith("code/") for name in both):
        return Kind("torchscript")
    for name in names:
        if "data.pkl" in (name, name.partition("/")[2]):
            return name
    if "model.weights.h5" in both:
        raise InvalidRequest(
            "the file is Keras' own (.keras), which may hold Python code.",
            hint="Write a SavedModel with model.export(folder), and send it as .zip or .tar.",
            field="model",
        )
    if names and all(name.endswith(".npy") for name in names):
        raise InvalidRequest("the file holds arrays of NumPy, not a model.", field="model")
    raise InvalidRequest(
        "the archive holds no model: no SavedModel, TorchScript or exported program.",
        hint=_ASK,
        field="model",
    )


def _check_table(file: IO[bytes]) -> None:
    """Refuse a zip whose table of contents would take much memory: Python reads all of it."""
    at, length, count = _end(file)
    if length > _MAX_TABLE:
        raise InvalidRequest("the zip archive has too long a table of contents.", field="model")
    if length > at:
        raise InvalidRequest("the zip archive is damaged.", field="model")
    file.seek(at - length)
    # Python goes by the table, whatever number of entries is said at its end.
    if count > MAX_FILES or _entries(file.read(length)) > MAX_FILES:
        raise InvalidRequest(f"the archive has more than {MAX_FILES} files.", field="model")
    file.seek(0)


def _end(file: IO[bytes]) -> tuple[int, int, int]:
    """Where the table of a zip ends; its length, and how many entries it is said to have."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _TAIL)
    file.seek(start)
    tail = file.read(_TAIL)
    at = tail.rfind(b"PK\x05\x06", 0, max(0, len(tail) - 18))
    if at < 0:
        raise InvalidRequest("the zip archive is damaged.", field="model")
    count, length = struct.unpack_from("<HL", tail, at + 10)
    # Python believes the wide record wherever its locator stands, whatever the short one says.
    locator = at - _LOCATOR.size
    if locator < 0 or not tail.startswith(b"PK\x06\x07", locator):
        return start + at, length, count
    wide = locator - _WIDE.size
    _, _, place, _ = _LOCATOR.unpack_from(tail, locator)
    # All its versions agree about this place only.
    if wide < 0 or place != start + wide or not tail.startswith(b"PK\x06\x06", wide):
        raise InvalidRequest("the zip archive is damaged.", field="model")
    *_, count, length, _ = _WIDE.unpack_from(tail, wide)
    return start + wide, length, count


def _entries(table: bytes) -> int:
    """How many there are, as Python will read them; it says itself what is wrong with one."""
    count = at = 0
    while at + 46 <= len(table) and table.startswith(b"PK\x01\x02", at):
        count, at = count + 1, at + 46 + sum(struct.unpack_from("<3H", table, at + 28))
    return count
