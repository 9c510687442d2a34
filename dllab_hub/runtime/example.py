"""From an example request to arrays, where no model says yet what fits; and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .arrays import array_of
from .model import MAX_EXAMPLE, NUMPY_TYPES, BadRequest, Tensor

if TYPE_CHECKING:
    import numpy

__all__ = ("example_arrays", "rows_text")


def example_arrays(text: str, names: Sequence[str]) -> dict[str, numpy.ndarray]:
    """What a request of either protocol asks about.

    Numbers of a V1 request are FP32, or INT64 where none of an input's has a fraction or a point;
    a V2 request says the types itself.

    Args:
        text: JSON.
        names: Of the inputs, in order.

    Raises:
        BadRequest: it is no request about these inputs.
    """
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest("it is not JSON.") from None
    if isinstance(request, dict) and isinstance(request.get("inputs"), list):
        return _of_tensors(request["inputs"], names)
    rows = request.get("instances") if isinstance(request, dict) else None
    if not isinstance(rows, list) or not rows:
        raise BadRequest('it must be {"instances": [...]} or {"inputs": [...]} with values.')
    if not isinstance(rows[0], dict):
        return {names[0]: _guessed(names[0], rows)}
    if not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        raise BadRequest("its rows must have the same inputs.")
    _check_names(rows[0], names)
    return {name: _guessed(name, [row[name] for row in rows]) for name in rows[0]}


def rows_text(columns: Mapping[str, Any]) -> str:
    """A V1 request about these rows as JSON; empty when that cannot say it, or it is too long.

    Args:
        columns: For each input a list of as many rows.
    """
    counts = {len(column) if isinstance(column, list) else 0 for column in columns.values()}
    if len(counts) != 1 or 0 in counts:
        return ""
    rows: list[Any] = next(iter(columns.values()))
    if len(columns) > 1:
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    try:
        text = json.dumps({"instances": rows}, allow_nan=False)
    except ValueError:
        return ""
    return text if len(text) <= MAX_EXAMPLE else ""


def _of_tensors(given: list[Any], names: Sequence[str]) -> dict[str, numpy.ndarray]:
    arrays: dict[str, numpy.ndarray] = {}
    for each in given:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise BadRequest("each of its inputs must be an object with a name.")
        name, kind = each["name"], each.get("datatype")
        shape, data = each.get("shape"), each.get("data")
        _check_names([name], names)
        if kind not in NUMPY_TYPES or kind == "BYTES":
            raise BadRequest(f"input {name}: the datatype is none that the model can take.")
        if not isinstance(shape, list) or not all(type(axis) is int and axis > 0 for axis in shape):
            raise BadRequest(f"input {name}: the shape must be a list of whole numbers from 1.")
        if not isinstance(data, list):
            raise BadRequest(f"input {name}: the data must be a list.")
        array = array_of(Tensor(name, kind, tuple(shape)), data)
        if array.size != math.prod(shape):
            raise BadRequest(f"input {name}: the shape {shape} does not have {array.size} values.")
        arrays[name] = array.reshape(shape)
    if not arrays:
        raise BadRequest("it has no inputs.")
    return arrays


def _guessed(name: str, values: list[Any]) -> numpy.ndarray:
    import numpy

    kinds = {type(value) for value in numpy.array(values, dtype=object).flat}
    kind = "BOOL" if kinds == {bool} else "INT64" if kinds == {int} else "FP32"
    return array_of(Tensor(name, kind, ()), values)


def _check_names(given: Any, names: Sequence[str]) -> None:
    for name in given:
        if name not in names:
            raise BadRequest(f"the model takes {', '.join(names)}, and nothing else.")
