"""The V1 and V2 protocols: from a request's JSON to checked arrays, and from arrays to an answer.

Everything a caller can get wrong is found here, before anything is computed, so a rejected request
costs little more than its own JSON. A number in an answer that is not finite is ``null``: JSON has
no word for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .arrays import array_of, check_shape, first_shape, plain
from .onnx_model import BadRequest, OnnxModel, Tensor

if TYPE_CHECKING:
    import numpy

__all__ = ("V1", "V2", "Dialect", "Question")


@dataclass(frozen=True)
class Question:
    """A request that fits the model.

    Attributes:
        arrays: One per input.
        outputs: Names of those that are asked for.
        rows: How many instances there were; V1 only.
        id: What the caller calls the request; V2 only.
    """

    arrays: Mapping[str, numpy.ndarray]
    outputs: tuple[str, ...]
    rows: int = 0
    id: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())


class Dialect(Protocol):
    """One protocol, for one model."""

    def read(self, body: bytes | bytearray) -> Question:
        """Raises `BadRequest`."""
        ...

    def write(self, question: Question, found: Mapping[str, numpy.ndarray]) -> bytes:
        """The answer; raises `BadRequest` where the protocol cannot say it."""
        ...


class V1:
    """``{"instances": [...]}`` -> ``{"predictions": [...]}``, one row each."""

    def __init__(self, model: OnnxModel) -> None:
        self._inputs = model.inputs
        self._outputs = tuple(output.name for output in model.outputs)

    def read(self, body: bytes | bytearray) -> Question:
        """Raises `BadRequest`."""
        rows = _object(body).get("instances")
        if not isinstance(rows, list):
            raise BadRequest('send a JSON object {"instances": [...]} with a list of rows.')
        if not rows:
            raise BadRequest("instances: there must be at least one row.")
        only = self._inputs[0]
        if len(self._inputs) == 1 and not isinstance(rows[0], dict):
            columns = {only.name: rows}
        else:
            columns = self._columns(rows)
        arrays = {}
        for tensor in self._inputs:
            values = columns[tensor.name]
            check_shape(tensor, first_shape(values))
            array = array_of(tensor, values)
            check_shape(tensor, array.shape)
            arrays[tensor.name] = array
        return Question(arrays, self._outputs, rows=len(rows))

    def write(self, question: Question, found: Mapping[str, numpy.ndarray]) -> bytes:
        """The answer; raises `BadRequest` for an output that has no rows."""
        for name, array in found.items():
            if array.ndim == 0 or array.shape[0] != question.rows:
                raise BadRequest(
                    f"output {name} has no row for each instance: ask with the V2 protocol."
                )
        if len(found) == 1:
            (array,) = found.values()
            return _dumps({"predictions": plain(array)})
        columns = {name: plain(array) for name, array in found.items()}
        rows = range(question.rows)
        return _dumps({"predictions": [{name: columns[name][i] for name in found} for i in rows]})

    def _columns(self, rows: list[Any]) -> dict[str, list[Any]]:
        """Rows that are objects, as one list per input."""
        names = [tensor.name for tensor in self._inputs]
        wanted = set(names)
        for i, row in enumerate(rows):
            if not isinstance(row, dict):
                raise BadRequest(
                    f"instances[{i}]: must be an object with the inputs {', '.join(names)}."
                )
            if row.keys() != wanted:
                for name in names:
                    if name not in row:
                        raise BadRequest(f"instances[{i}]: input {name} is missing.")
                odd = min(row.keys() - wanted)
                raise BadRequest(f"instances[{i}]: {_no_input(odd, names)}")
        return {name: [row[name] for row in rows] for name in names}


class V2:
    """The Open Inference Protocol with JSON tensors, data flat or nested.

    Args:
        model: What is asked.
        name: As answers call it.
        version: As answers call it.
    """

    def __init__(self, model: OnnxModel, name: str, version: str) -> None:
        self._inputs = {tensor.name: tensor for tensor in model.inputs}
        self._outputs = {tensor.name: tensor for tensor in model.outputs}
        self._head = {"model_name": name, "model_version": version}

    def read(self, body: bytes | bytearray) -> Question:
        """Raises `BadRequest`."""
        request = _object(body)
        inputs = request.get("inputs")
        if not isinstance(inputs, list):
            raise BadRequest('send a JSON object {"inputs": [...]} with a list of tensors.')
        names = list(self._inputs)
        if not inputs:
            raise BadRequest(f"inputs: must have {', '.join(names)}.")
        id = request.get("id")
        if id is not None and not isinstance(id, str):
            raise BadRequest("id: must be a string.")
        arrays: dict[str, numpy.ndarray] = {}
        for i, given in enumerate(inputs):
            name = given.get("name") if isinstance(given, dict) else None
            if not isinstance(name, str):
                raise BadRequest(f"inputs[{i}]: must be an object with a name.")
            if name not in self._inputs:
                raise BadRequest(f"inputs[{i}]: {_no_input(name, names)}")
            if name in arrays:
                raise BadRequest(f"input {name}: is there twice.")
            arrays[name] = _given(self._inputs[name], given)
        for name in names:
            if name not in arrays:
                raise BadRequest(f"input {name}: is missing.")
        return Question(arrays, self._asked(request.get("outputs")), id=id)

    def write(self, question: Question, found: Mapping[str, numpy.ndarray]) -> bytes:
        """The answer."""
        outputs = [
            {
                "name": name,
                "datatype": self._outputs[name].datatype,
                "shape": list(array.shape),
                "data": plain(array.reshape(-1)),
            }
            for name, array in found.items()
        ]
        id = {} if question.id is None else {"id": question.id}
        return _dumps({**self._head, **id, "outputs": outputs})

    def _asked(self, outputs: object) -> tuple[str, ...]:
        """Names of the outputs that are asked for: all when none is."""
        if not outputs:
            return tuple(self._outputs)
        asked: dict[str, None] = {}
        for output in outputs if isinstance(outputs, list) else [outputs]:
            name = output.get("name") if isinstance(output, dict) else None
            if not isinstance(name, str) or name not in self._outputs:
                raise BadRequest(f"outputs: must name some of {', '.join(self._outputs)}.")
            asked[name] = None
        return tuple(asked)


def _object(body: bytes | bytearray) -> dict[str, Any]:
    import orjson

    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        # The words of JavaScript and Python's own json module.
        if body[exc.pos : exc.pos + 3] in (b"NaN", b"Inf", b"-In"):
            raise BadRequest("values must be finite: JSON has no NaN and no Infinity.") from exc
        raise BadRequest(f"the body is not JSON: {exc}.") from exc
    if not isinstance(found, dict):
        raise BadRequest("the body must be a JSON object.")
    return found


def _given(tensor: Tensor, given: dict[str, Any]) -> numpy.ndarray:
    """A tensor of a V2 request."""
    who = f"input {tensor.name}"
    if given.get("datatype") != tensor.datatype:
        raise BadRequest(f"{who}: the datatype must be {tensor.datatype}.")
    shape = given.get("shape")
    if not isinstance(shape, list) or not all(type(axis) is int and axis > 0 for axis in shape):
        raise BadRequest(f"{who}: the shape must be a list of whole numbers from 1.")
    check_shape(tensor, tuple(shape))
    data = given.get("data")
    if not isinstance(data, list):
        raise BadRequest(f"{who}: the data must be a list, as JSON.")
    size, found = math.prod(shape), first_shape(data)
    if len(found) == 1 and len(data) != size:
        raise BadRequest(f"{who}: the shape {shape} has {size} values, the data {len(data)}.")
    if len(found) > 1 and found != tuple(shape):
        raise BadRequest(f"{who}: the shape is {shape}, the data's {list(found)}.")
    array = array_of(tensor, data)
    if array.size != size:
        raise BadRequest(f"{who}: the shape {shape} has {size} values, the data {array.size}.")
    return array.reshape(shape)


def _no_input(name: str, names: list[str]) -> str:
    """The caller's own word is shown short and printable."""
    shown = "".join(c if c.isprintable() else "?" for c in name[:40])
    return f"there is no input {shown!r}; the model takes {', '.join(names)}."


def _dumps(answer: dict[str, Any]) -> bytes:
    import orjson

    text: bytes = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return text
