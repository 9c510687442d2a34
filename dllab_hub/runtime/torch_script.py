"""`ScriptModel`: a TorchScript archive (``.pt``).

Such a file says nothing of the shapes and types that it takes. They come from an example request:
a file ``dllab.json`` inside the archive, a JSON object with the key ``example``, which is written
by ``torch.jit.save(..., _extra_files={"dllab.json": text})``; or one that is given when the model
is published. The module is asked it once, and once more with all rows twice, to see whether any
number of rows fits.

``torch.jit.load`` runs no Python of the file's; yet its operators may read and write files, so it
is loaded in processes of its owner's account only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .example import example_arrays
from .model import MAX_EXAMPLE, BadRequest, Tensor, Unservable, sentence
from .torch_values import answered, arrays_of, datatype_of, prepare, tensors_of

if TYPE_CHECKING:
    import numpy

__all__ = ("ScriptModel",)

_EXTRA = "dllab.json"


class ScriptModel:
    """A `Model` of a TorchScript module.

    Attributes:
        kind: What the file is, for people.

    Args:
        file: What ``torch.jit.save`` has written.
        threads: That compute one request.
        example: JSON text of a request; comes before the one in the file.
        inputs: What it takes, where that was found out before; nothing is asked then.
        outputs: What it gives, likewise.
        gpus: That it sees.

    Raises:
        Unservable: it cannot be loaded, or nothing says what it takes, or there are GPUs that it
            cannot use.
    """

    kind = "a TorchScript file"

    def __init__(
        self,
        file: Path,
        threads: int = 1,
        example: str = "",
        inputs: tuple[Tensor, ...] = (),
        outputs: tuple[Tensor, ...] = (),
        *,
        gpus: int = 0,
    ) -> None:
        self._device = prepare(threads, gpus)
        self._module, inside = self._load(file)
        self.example = example or inside
        self.inputs, self.outputs = inputs, outputs
        if not self.inputs:
            self.inputs, self.outputs = self._found_out()

    def run(
        self, arrays: Mapping[str, numpy.ndarray], outputs: Sequence[str]
    ) -> dict[str, numpy.ndarray]:
        """As `Model.run`."""
        return arrays_of(self._answer([arrays[tensor.name] for tensor in self.inputs]), outputs)

    def _answer(self, values: Sequence[numpy.ndarray]) -> dict[str, Any]:
        numbered = {str(number): value for number, value in enumerate(values)}
        given = tensors_of(numbered, self._device)
        return answered(lambda: self._module(*given.values()))

    def _load(self, file: Path) -> tuple[Any, str]:
        """The module, and the example in the file or nothing."""
        return _loaded(file, self._device)

    def _arguments(self) -> tuple[list[str], list[str]]:
        """Names of what ``forward`` takes, and of what it needs."""
        return _arguments(self._module)

    def _found_out(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        names, needed = self._arguments()
        if not self.example:
            raise Unservable(
                f"{self.kind} does not say what it takes: publish it with an example, "
                'such as {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], '
                '"data": [1, 2, 3, 4]}]}.'
            )
        try:
            arrays = example_arrays(self.example, names)
            if missing := [name for name in needed if name not in arrays]:
                raise BadRequest(f"input {missing[0]} is missing in it.")
            ordered = {name: arrays[name] for name in names if name in arrays}
            if list(ordered) != names[: len(ordered)]:
                raise BadRequest(f"it must have the first ones of {', '.join(names)}.")
            once = self._answer(list(ordered.values()))
            any_rows, twice = self._twice(ordered)
        except BadRequest as exc:
            raise Unservable(f"the example does not fit the model: {exc}") from exc
        inputs = [
            Tensor(name, _datatype(value), _free(value.shape, is_free=any_rows))
            for name, value in ordered.items()
        ]
        outputs = []
        for name, value in once.items():
            shape = tuple(value.shape)
            grows = any_rows and bool(shape) and twice[name].shape[0] == 2 * shape[0]
            kind = datatype_of(value.dtype, f"output {name}")
            outputs.append(Tensor(name, kind, _free(shape, is_free=grows)))
        return tuple(inputs), tuple(outputs)

    def _twice(self, arrays: Mapping[str, numpy.ndarray]) -> tuple[bool, dict[str, Any]]:
        """Whether it takes another number of rows, and what it answers to all rows twice."""
        import numpy

        if not all(array.ndim for array in arrays.values()):
            return False, {}
        try:
            return True, self._answer([numpy.concatenate([each, each]) for each in arrays.values()])
        except (BadRequest, Unservable):  # That is the answer.
            return False, {}


def _loaded(file: Path, device: str) -> tuple[Any, str]:
    """The module, and the example in the archive or nothing."""
    import torch

    extra = {_EXTRA: ""}
    try:
        module = torch.jit.load(file, map_location=device, _extra_files=extra)
        module.eval()
    except Exception as exc:  # Whatever a damaged archive makes its reader raise.
        if not file.is_file():
            raise Unservable("there is no such file.") from None
        raise Unservable(f"PyTorch cannot load it: {sentence(str(exc))}") from exc
    said: Any = extra[_EXTRA]
    if not said:
        return module, ""
    try:
        example = json.loads(said)["example"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unservable(f"the {_EXTRA} inside must be a JSON object with an example.") from None
    text = example if isinstance(example, str) else json.dumps(example)
    if len(text.encode()) > MAX_EXAMPLE:
        raise Unservable(f"the example inside is larger than {MAX_EXAMPLE} bytes.")
    return module, text


def _arguments(module: Any) -> tuple[list[str], list[str]]:
    """Names of what ``forward`` takes, and of what it needs."""
    try:
        arguments = module.forward.schema.arguments[1:]  # Not itself.
    except (AttributeError, RuntimeError):
        raise Unservable("the module has no forward.") from None
    needed = [each.name for each in arguments if not each.has_default_value()]
    return [each.name for each in arguments], needed


def _datatype(array: numpy.ndarray) -> str:
    import torch

    return datatype_of(torch.from_numpy(array).dtype, "input")


def _free(shape: Sequence[int], *, is_free: bool) -> tuple[int | None, ...]:
    return (None, *shape[1:]) if is_free else tuple(shape)
