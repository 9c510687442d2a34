"""`V1`: the protocol of TensorFlow Serving and KServe that speaks of rows, or of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .arrays import array_of, check_shape, first_shape, plain
from .model import BadRequest, Model
from .question import Question, dumps, no_input, object_of

if TYPE_CHECKING:
    import numpy

__all__ = ("V1",)


class V1:
    """``{"instances": [...]}`` -> ``{"predictions": [...]}``, one row each; and by columns,
    ``{"inputs": ...}`` -> ``{"outputs": ...}``, as TensorFlow Serving has both.
    """

    def __init__(self, model: Model) -> None:
        self._inputs = model.inputs
        self._outputs = tuple(output.name for output in model.outputs)

    def read(self, body: bytes | bytearray, head: str | None = None) -> Question:
        """Raises `BadRequest`."""
        request = object_of(body)
        if "inputs" in request and "instances" not in request:
            return Question(
                self._arrays(self._named(request["inputs"])), self._outputs, columns=True
            )
        rows = request.get("instances")
        if not isinstance(rows, list):
            raise BadRequest('send a JSON object {"instances": [...]} with a list of rows.')
        if not rows:
            raise BadRequest("instances: there must be at least one row.")
        only = self._inputs[0]
        if len(self._inputs) == 1 and not isinstance(rows[0], dict):
            columns = {only.name: rows}
        else:
            columns = self._columns(rows)
        return Question(self._arrays(columns), self._outputs, rows=len(rows))

    def write(
        self, question: Question, found: Mapping[str, numpy.ndarray]
    ) -> tuple[bytes, int | None]:
        """The answer; raises `BadRequest` for an output that has no rows."""
        if question.columns:
            outputs = {name: plain(array) for name, array in found.items()}
            only = next(iter(outputs.values())) if len(outputs) == 1 else outputs
            return dumps({"outputs": only}), None
        for name, array in found.items():
            if array.ndim == 0 or array.shape[0] != question.rows:
                raise BadRequest(
                    f"output {name} has no row for each instance: ask with the V2 protocol."
                )
        if len(found) == 1:
            (array,) = found.values()
            return dumps({"predictions": plain(array)}), None
        columns = {name: plain(array) for name, array in found.items()}
        rows = [{name: columns[name][i] for name in found} for i in range(question.rows)]
        return dumps({"predictions": rows}), None

    def _arrays(self, columns: Mapping[str, Any]) -> dict[str, numpy.ndarray]:
        """An array for each input."""
        arrays = {}
        for tensor in self._inputs:
            values = columns[tensor.name]
            check_shape(tensor, first_shape(values))
            array = array_of(tensor, values)
            check_shape(tensor, array.shape)
            arrays[tensor.name] = array
        return arrays

    def _named(self, inputs: object) -> dict[str, Any]:
        """What ``inputs`` has for each input; for a single one it may stand without its name."""
        names = [tensor.name for tensor in self._inputs]
        if not isinstance(inputs, dict):
            if len(names) > 1:
                raise BadRequest(f"inputs: must be an object with the inputs {', '.join(names)}.")
            inputs = {names[0]: inputs}
        for name in names:
            if name not in inputs:
                raise BadRequest(f"inputs: input {name} is missing.")
            if not isinstance(inputs[name], list) and self._rank(name) != 0:
                raise BadRequest(f"input {name}: the data must be a list.")
        if odd := inputs.keys() - set(names):
            raise BadRequest(f"inputs: {no_input(min(odd), names)}")
        return inputs

    def _rank(self, name: str) -> int:
        return next(len(tensor.shape) for tensor in self._inputs if tensor.name == name)

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
                raise BadRequest(f"instances[{i}]: {no_input(odd, names)}")
        return {name: [row[name] for row in rows] for name in names}
