"""Tensors as bytes behind the JSON of a V2 request or answer: the protocol's binary extension.

The header `HEADER` says how many bytes the JSON has; ``binary_data_size`` in a tensor's parameters
how many of the rest are its own. Numbers are little-endian; text is its length in four bytes and
UTF-8, one after the other.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from .model import NUMPY_TYPES, BadRequest, Tensor

if TYPE_CHECKING:
    import numpy

__all__ = ("HEADER", "Rest", "array_of", "bytes_of", "size_of", "split")

HEADER = "inference-header-content-length"
_LENGTH = struct.Struct("<I")


class Rest:
    """What comes after the JSON, taken piece by piece.

    Args:
        data: All of it.
    """

    def __init__(self, data: bytes | bytearray | memoryview = b"") -> None:
        self._data = memoryview(data)
        self._at = 0

    def take(self, who: str, size: int) -> memoryview:
        """The next bytes; raises `BadRequest` when there are fewer."""
        left = len(self._data) - self._at
        if size > left:
            raise BadRequest(f"{who}: binary_data_size is {size}, the body has {left} bytes more.")
        self._at += size
        return self._data[self._at - size : self._at]

    def end(self) -> None:
        """Raises `BadRequest` when something is left."""
        if left := len(self._data) - self._at:
            raise BadRequest(f"the body has {left} bytes that belong to no input.")


def split(body: bytes | bytearray, head: str | None) -> tuple[memoryview, Rest]:
    """The JSON of a body, and the rest of it.

    Args:
        body: All of it.
        head: What `HEADER` says, or None: all of it is JSON.

    Raises:
        BadRequest: the header is no number of bytes, or there are fewer.
    """
    data = memoryview(body)
    if head is None:
        return data, Rest()
    if not (head.isascii() and head.isdigit() and len(head) < 16) or int(head) > len(data):
        raise BadRequest(f"{HEADER}: must be how many bytes of the body are JSON.")
    return data[: int(head)], Rest(data[int(head) :])


def size_of(parameters: object, who: str) -> int | None:
    """How many bytes a tensor has behind the JSON; None: its data is in the JSON."""
    if not isinstance(parameters, dict) or "binary_data_size" not in parameters:
        return None
    size = parameters["binary_data_size"]
    if type(size) is not int or size < 0:
        raise BadRequest(f"{who}: binary_data_size must be a number of bytes.")
    return size


def array_of(tensor: Tensor, data: memoryview, shape: list[int]) -> numpy.ndarray:
    """An input's array from its bytes; raises `BadRequest`."""
    import numpy

    who = f"input {tensor.name}"
    count = math.prod(shape)
    if tensor.datatype == "BYTES":
        values = _texts(who, data, count)
        found = numpy.empty(count, dtype=object)
        found[:] = values
        return found.reshape(shape)
    dtype = numpy.dtype(NUMPY_TYPES[tensor.datatype]).newbyteorder("<")
    if len(data) != count * dtype.itemsize:
        raise BadRequest(
            f"{who}: the shape {shape} has {count * dtype.itemsize} bytes as {tensor.datatype}, "
            f"the data {len(data)}."
        )
    if tensor.datatype == "BOOL" and count and numpy.frombuffer(data, "uint8").max() > 1:
        raise BadRequest(f"{who}: a byte of a BOOL is 0 or 1.")
    # A copy: the request's body is let go of, and its bytes may lie anywhere.
    array = numpy.frombuffer(data, dtype).astype(NUMPY_TYPES[tensor.datatype]).reshape(shape)
    if tensor.datatype.startswith("FP") and not numpy.isfinite(array).all():
        raise BadRequest(f"{who}: values must be finite.")
    return array


def bytes_of(array: numpy.ndarray) -> bytes:
    """An output's bytes."""
    import numpy

    if array.dtype == object:
        texts = [str(value).encode() for value in array.reshape(-1)]
        return b"".join(piece for text in texts for piece in (_LENGTH.pack(len(text)), text))
    return numpy.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _texts(who: str, data: memoryview, count: int) -> list[Any]:
    values: list[Any] = []
    at = 0
    while at < len(data):
        if len(values) == count:
            raise BadRequest(f"{who}: the shape has {count} values, the data more.")
        if at + _LENGTH.size > len(data):
            raise BadRequest(f"{who}: a text's length is cut short.")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            raise BadRequest(f"{who}: a text is cut short.")
        try:
            values.append(str(data[at : at + length], "utf-8"))
        except UnicodeDecodeError:
            raise BadRequest(f"{who}: a text is not UTF-8.") from None
        at += length
    if len(values) != count:
        raise BadRequest(f"{who}: the shape has {count} values, the data {len(values)}.")
    return values
