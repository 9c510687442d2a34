"""From JSON's nested lists to an array that an input takes, and back.

The checks look at lists of pointers: an array of text would have the room of the longest for each,
and NumPy by itself takes ``"1"``, ``null`` and ``true`` for numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .model import NUMPY_TYPES, BadRequest, Tensor

if TYPE_CHECKING:
    import numpy

__all__ = ("array_of", "check_shape", "first_shape", "plain")

_SEVERAL = {
    str: "strings",
    bool: "true or false",
    int: "whole numbers",
    float: "numbers with a fraction",
    dict: "objects",
    type(None): "null",
}
#: More axes than a tensor has had.
_MAX_AXES = 32


def first_shape(values: list[Any]) -> tuple[int, ...]:
    """The shape if all rows are like the first; costs nothing, however many there are."""
    shape: list[int] = []
    found = values
    while isinstance(found, list) and len(shape) <= _MAX_AXES:
        shape.append(len(found))
        if not found:
            break
        found = found[0]
    return tuple(shape)


def array_of(tensor: Tensor, values: list[Any]) -> numpy.ndarray:
    """Nested lists as an array of the input's type; the shape is whatever they have."""
    import numpy

    who = f"input {tensor.name}"
    found = numpy.array(values, dtype=object)
    kinds = set(map(type, found.flat))
    wants = f"{who}: takes {tensor.datatype} {tensor.size}"
    if list in kinds:
        raise BadRequest(f"{wants}; the lists are uneven or too deep.")
    if not found.size:
        raise BadRequest(f"{wants}; there are no values.")
    right: set[type] = {int}
    if tensor.datatype.startswith("FP"):
        right = {int, float}
    elif tensor.datatype in ("BOOL", "BYTES"):
        right = {bool} if tensor.datatype == "BOOL" else {str}
    for kind in kinds - right:
        raise BadRequest(f"{wants}, not {_SEVERAL[kind]}.")
    try:
        with numpy.errstate(over="ignore"):
            array = found.astype(NUMPY_TYPES[tensor.datatype])
    except OverflowError:
        raise BadRequest(f"{who}: a value is out of the range of {tensor.datatype}.") from None
    if tensor.datatype.startswith("FP") and not numpy.isfinite(array).all():
        raise BadRequest(f"{who}: a value is out of the range of {tensor.datatype}.")
    return array


def check_shape(tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse a shape that the input does not take; without an axis the model itself looks."""
    fits = len(shape) == len(tensor.shape) and all(
        want is None or axis == want for axis, want in zip(shape, tensor.shape, strict=True)
    )
    if len(shape) > _MAX_AXES or (tensor.shape and not fits):
        raise BadRequest(
            f"input {tensor.name}: takes the shape {tensor.size}, not {list(shape[:_MAX_AXES])}."
        )


def plain(array: numpy.ndarray) -> Any:
    """What the JSON writer takes: numbers as they lie in memory, text as a list."""
    import numpy

    return array.tolist() if array.dtype == object else numpy.ascontiguousarray(array)
