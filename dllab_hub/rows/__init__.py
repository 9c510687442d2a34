"""Rows for a model and rows from it: between what a notebook holds and what JSON holds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ..errors import InvalidRequest, TooLarge
from .images import Input, has_images, with_pixels

__all__ = ("Input", "from_rows", "has_images", "to_body")

_FIELD = "instances"
_FRAME = '{"instances":[%s]}'
#: Numbers of an array that become Python's own at a time: each takes 32 bytes then.
_AT_A_TIME = 65536
_JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def to_body(instances: Any, most: int, inputs: Sequence[Input] = ()) -> bytes:
    """The V1 request that asks about these rows.

    One PIL image is one row, a list of them a row each. A row has the image's pixels as whole
    numbers from 0 to 255, never scaled, and the model server makes of them what the model's input
    is made of: a network that wants 0 to 1 is asked with ``numpy.asarray(image) / 255``. The axes
    are height, width, channels, unless the shape of the model's input says otherwise: channels
    first, no channels (an image of mode ``L``), or one axis (the same, line by line). An image is
    not made to fit: another size or number of channels than the model's is refused.

    Args:
        instances: A list, an array, a tensor, a table of rows, or images; or, for a model with
            several inputs, a dict that has rows for each of them.
        most: Bytes that a request may have.
        inputs: Of the model; only looked at for images. See `has_images`.

    Raises:
        InvalidRequest: there is no row, or something that JSON and a model cannot take, such as a
            NaN; the message says where.
        TooLarge: these are too many rows; found out without looking at all of them.
    """
    if has_images(instances):
        instances = with_pixels(instances, most, inputs)
    found = _turned(instances) if isinstance(instances, Mapping) else _counted(instances)
    if found is None:
        raise InvalidRequest(
            f"must be rows, not one {type(instances).__name__}.",
            hint="One row is [row], or X[:1] of an array.",
            field=_FIELD,
        )
    count, rows = found
    if not count:
        raise InvalidRequest("there is no row to ask about.", field=_FIELD)
    texts: list[str] = []
    length = len(_FRAME % "") - 1  # No comma stands before the first.
    for number, row in enumerate(rows):
        texts.append(_text(number, row))
        length += len(texts[-1]) + 1
        if length > most:
            raise TooLarge(
                f"a request of at most {most} bytes holds {number} of these {count} rows.",
                hint="Ask about fewer rows at a time.",
            )
    return (_FRAME % ",".join(texts)).encode()


def _text(number: int, row: Any) -> str:
    try:
        return _JSON.encode(row)
    except ValueError as exc:
        bad = _not_finite(row)
        said = (
            f"row {number} cannot be sent: {exc}."
            if bad is None
            else f"row {number} holds {bad}, which no model is asked about."
        )
        raise InvalidRequest(said, field=_FIELD) from None
    except TypeError as exc:
        raise InvalidRequest(f"a model takes numbers and strings: {exc}.", field=_FIELD) from None
    except RecursionError:
        raise InvalidRequest("lists lie in each other without end.", field=_FIELD) from None


def from_rows(predictions: list[Any]) -> Any:
    """Answers as numpy arrays, where numpy is there and they are regular; else as they are.

    What is no finite number arrives as null, and is NaN in an array. Of a model with several
    outputs it is a dict that has an array for each.
    """
    if find_spec("numpy") is None:
        return predictions
    if predictions and all(isinstance(row, dict) for row in predictions):
        names = predictions[0].keys()
        if all(row.keys() == names for row in predictions):
            return {name: _array([row[name] for row in predictions]) for name in names}
        return predictions
    return _array(predictions)


def _array(rows: list[Any]) -> Any:
    import numpy

    try:
        made = numpy.array(rows)
    except ValueError:  # Rows of different lengths.
        return rows
    if made.dtype == object and all(v is None or type(v) in (int, float) for v in made.flat):
        return made.astype(float)
    return made


def _counted(value: Any) -> tuple[int, Iterator[Any]] | None:
    """How many rows a value has, and these as lists and scalars; None when it is not rows."""
    value = _eager(value)
    if _is_table(value) and not hasattr(value, "iloc"):
        value = value.values
    shape = getattr(value, "shape", None)
    if shape and (hasattr(value, "tolist") or hasattr(value, "iloc")):
        return int(shape[0]), _of_array(value)
    if not isinstance(value, list | tuple | range):
        value = _plain(value)
    return (len(value), map(_plain, value)) if isinstance(value, list | tuple | range) else None


def _of_array(value: Any) -> Iterator[Any]:
    """The rows of an array or a table, which may be much larger than a request."""
    step = max(1, _AT_A_TIME // max(1, math.prod(value.shape[1:])))
    rows = getattr(value, "iloc", value)  # A table's own index may count in another way.
    for start in range(0, int(value.shape[0]), step):
        with _readable(value):
            piece = rows[start : start + step]
        yield from _plain(piece)


def _plain(value: Any) -> Any:
    """Lists, dicts and scalars in place of arrays, tensors, tables and columns."""
    value = _eager(value)
    if _is_table(value):
        value = value.values
    if hasattr(value, "detach"):
        value = value.detach()
    if hasattr(value, "tolist"):
        with _readable(value):
            return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        try:
            return [_plain(item) for item in value]
        except RecursionError:
            raise InvalidRequest("lists lie in each other without end.", field=_FIELD) from None
    return value


def _eager(value: Any) -> Any:
    """TensorFlow's tensors show their numbers only as an array."""
    return value.numpy() if hasattr(value, "numpy") and not hasattr(value, "tolist") else value


def _is_table(value: Any) -> bool:
    # A tensor's `values` is a method, of sparse ones only; a table's is an array.
    return hasattr(value, "columns") and hasattr(value, "values")


@contextmanager
def _readable(value: Any) -> Iterator[None]:
    """Some tensors, such as sparse ones, have no numbers that can be listed."""
    try:
        yield
    except (RuntimeError, TypeError) as exc:
        raise InvalidRequest(
            f"this {type(value).__name__} cannot be read: {str(exc).partition(chr(10))[0]}.",
            hint="Give a dense one.",
            field=_FIELD,
        ) from None


def _turned(columns: Mapping[Any, Any]) -> tuple[int, Iterator[dict[str, Any]]]:
    """Rows that have a value for each input, from inputs that have a value for each row."""
    counts: dict[str, int] = {}
    inputs: list[Iterator[Any]] = []
    for name, column in columns.items():
        found = _counted(column)
        if found is None:
            raise InvalidRequest(f"{name} must be rows, not one value.", field=_FIELD)
        counts[str(name)] = found[0]
        inputs.append(found[1])
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise InvalidRequest(f"every input needs as many rows: there are {said}.", field=_FIELD)
    rows = (dict(zip(counts, row, strict=True)) for row in zip(*inputs, strict=True))
    return next(iter(counts.values()), 0), rows


def _not_finite(value: Any) -> float | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((bad for item in inner if (bad := _not_finite(item)) is not None), None)
