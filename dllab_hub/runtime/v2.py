"""`V2`: the Open Inference Protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import binary
from .arrays import array_of, check_shape, first_shape, plain
from .model import BadRequest, Model, Tensor
from .question import Question, dumps, no_input, object_of

if TYPE_CHECKING:
    import numpy

__all__ = ("V2",)


class V2:
    """The Open Inference Protocol: tensors in JSON, flat or nested, or as bytes behind it.

    Args:
        model: What is asked.
        name: As answers call it.
        version: As answers call it.
    """

    def __init__(self, model: Model, name: str, version: str) -> None:
        self._inputs = {tensor.name: tensor for tensor in model.inputs}
        self._outputs = {tensor.name: tensor for tensor in model.outputs}
        self._head = {"model_name": name, "model_version": version}

    def read(self, body: bytes | bytearray, head: str | None = None) -> Question:
        """Raises `BadRequest`."""
        text, rest = binary.split(body, head)
        request = object_of(text)
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
                raise BadRequest(f"inputs[{i}]: {no_input(name, names)}")
            if name in arrays:
                raise BadRequest(f"input {name}: is there twice.")
            arrays[name] = _given(self._inputs[name], given, rest)
        rest.end()
        for name in names:
            if name not in arrays:
                raise BadRequest(f"input {name}: is missing.")
        outputs = request.get("outputs")
        asked = self._asked(outputs)
        return Question(arrays, asked, id=id, binary=_as_bytes(request, outputs, asked))

    def write(
        self, question: Question, found: Mapping[str, numpy.ndarray]
    ) -> tuple[bytes, int | None]:
        """The answer."""
        outputs, pieces = [], []
        for name, array in found.items():
            output: dict[str, Any] = {
                "name": name,
                "datatype": self._outputs[name].datatype,
                "shape": list(array.shape),
            }
            if name in question.binary:
                pieces.append(binary.bytes_of(array))
                output["parameters"] = {"binary_data_size": len(pieces[-1])}
            else:
                output["data"] = plain(array.reshape(-1))
            outputs.append(output)
        id = {} if question.id is None else {"id": question.id}
        text = dumps({**self._head, **id, "outputs": outputs})
        return (b"".join((text, *pieces)), len(text)) if pieces else (text, None)

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


def _as_bytes(request: dict[str, Any], outputs: object, asked: tuple[str, ...]) -> frozenset[str]:
    """Outputs that are wanted as bytes: those that say so, and with one word all others."""
    given = request.get("parameters")
    usual = isinstance(given, dict) and given.get("binary_data_output") is True
    wanted = dict.fromkeys(asked, usual)
    for output in outputs if isinstance(outputs, list) else [outputs]:
        if not isinstance(output, dict):
            continue
        own = output.get("parameters")
        if isinstance(own, dict) and "binary_data" in own:
            wanted[output["name"]] = own["binary_data"] is True
    return frozenset(name for name, as_bytes in wanted.items() if as_bytes)


def _given(tensor: Tensor, given: dict[str, Any], rest: binary.Rest) -> numpy.ndarray:
    """A tensor of a V2 request."""
    who = f"input {tensor.name}"
    if given.get("datatype") != tensor.datatype:
        raise BadRequest(f"{who}: the datatype must be {tensor.datatype}.")
    shape = given.get("shape")
    if not isinstance(shape, list) or not all(type(axis) is int and axis > 0 for axis in shape):
        raise BadRequest(f"{who}: the shape must be a list of whole numbers from 1.")
    check_shape(tensor, tuple(shape))
    size = binary.size_of(given.get("parameters"), who)
    if size is not None:
        if "data" in given:
            raise BadRequest(f"{who}: the data is there twice, as JSON and as bytes.")
        return binary.array_of(tensor, rest.take(who, size), shape)
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
