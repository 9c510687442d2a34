"""`ExportedModel`: a program of ``torch.export`` (``.pt2``).

``torch.export.load`` of PyTorch 2.13 is not safe against a hostile file: it falls back from
``weights_only`` to all of pickle for sample inputs and old weights, unpickles opaque constants,
opens compiled code, and evaluates the expressions of shapes as Python; ``program.module()`` makes
a function of the guards in the file, which are Python too. The first three are shut off here, a
strange expression is refused and the guards are left out; yet PyTorch itself promises nothing, so
such a file is loaded in processes of its owner's account only, never in the service.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .example import rows_text
from .model import Tensor, Unservable, sentence
from .torch_values import answered, arrays_of, datatype_of, named, prepare, tensors_of

if TYPE_CHECKING:
    import numpy

__all__ = ("ExportedModel",)

#: What PyTorch writes into the size of an axis; any other name that is called is code.
_FUNCTIONS = frozenset(
    {
        *("Abs", "Add", "And", "CeilDiv", "CeilToInt", "CleanDiv", "Equality", "Float", "FloatPow"),
        *("FloatTrueDiv", "FloorDiv", "FloorToInt", "GreaterThan", "Identity", "IntTrueDiv"),
        *("Integer", "LShift", "LessThan", "Max", "Min", "Mod", "ModularIndexing", "Mul", "Not"),
        *("Or", "Piecewise", "Pow", "PowByNatural", "PythonMod", "RShift", "Rational"),
        *("RoundDecimal", "RoundToInt", "StrictGreaterThan", "StrictLessThan", "Symbol", "ToFloat"),
        *("TruncToFloat", "TruncToInt", "Unequality", "Where", "ceiling", "floor"),
    }
)
_QUOTED = re.compile(r"(?<=Symbol\()'\w{1,80}'|(?<=Float\()'[0-9.e+-]{1,80}'", re.ASCII)
_EXPRESSION = re.compile(r"[\w\s+\-*/%(),.<>=&|~]{1,100000}", re.ASCII)


class ExportedModel:
    """A `Model` of an exported program.

    Args:
        file: A ``.pt2`` that ``torch.export.save`` has written.
        threads: That compute one request.
        gpus: That it sees.

    Raises:
        Unservable: it cannot be loaded, or has inputs or outputs that have no JSON, or there are
            GPUs that it cannot use.
    """

    def __init__(self, file: Path, threads: int = 1, *, gpus: int = 0) -> None:
        self._device = prepare(threads, gpus)
        import torch.utils._pytree as pytree

        program = _program(file)
        if self._device != "cpu":
            program = _moved(program, self._device)
        names = list(program.graph_signature.user_inputs)
        nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
        self.inputs = tuple(_tensor(str(name), nodes.get(name), f"input {name}") for name in names)
        if not self.inputs:
            raise Unservable("the model has no inputs: there is nothing to ask it.")
        self._spec, self._unflatten = program.call_spec.in_spec, pytree.tree_unflatten
        answers = next(node for node in program.graph.nodes if node.op == "output").args[0]
        kept = len(answers) - len(program.graph_signature.user_outputs)
        values = [getattr(each, "meta", {}).get("val") for each in answers[kept:]]
        found = named(pytree.tree_unflatten(values, program.call_spec.out_spec))
        self.outputs = tuple(
            Tensor(name, datatype_of(value.dtype, f"output {name}"), _shape(value))
            for name, value in found.items()
        )
        # The guards are code of the file. What comes is held against the shapes by who asks.
        self._module = program.module(check_guards=False)
        self.example = self._example(pytree.tree_leaves(program.example_inputs or ()))

    def run(
        self, arrays: Mapping[str, numpy.ndarray], outputs: Sequence[str]
    ) -> dict[str, numpy.ndarray]:
        """As `Model.run`."""
        tensors = tensors_of(arrays, self._device)
        flat = [tensors[tensor.name] for tensor in self.inputs]
        args, kwargs = self._unflatten(flat, self._spec)
        return arrays_of(answered(lambda: self._module(*args, **kwargs)), outputs)

    def _example(self, values: Sequence[Any]) -> str:
        """A request about what the program was exported with; of one row, where that will do."""
        columns = {}
        for tensor, value in zip(self.inputs, values, strict=False):
            rows = value if tensor.shape and tensor.shape[0] else value[:1]
            columns[tensor.name] = rows.tolist()
        return rows_text(columns) if len(columns) == len(self.inputs) else ""


def _program(file: Path) -> Any:
    import torch
    from torch._export.serde import serialize
    from torch.export.pt2_archive import _package

    _package.pickle = _NoPickle  # type: ignore[attr-defined, unused-ignore]
    _package._load_aoti = _refuse_compiled  # type: ignore[attr-defined, unused-ignore]
    deserializer = serialize.GraphModuleDeserializer
    parse = deserializer._parse_sym_expr

    def checked(self: Any, text: Any, hint: Any = None) -> Any:
        if isinstance(text, str):  # It calls itself with parts that are parsed already.
            _check_expression(text)
        return parse(self, text, hint)

    deserializer._parse_sym_expr = checked  # type: ignore[method-assign, unused-ignore]
    logging.getLogger("torch.export").setLevel(logging.CRITICAL)  # What goes wrong is raised.
    logging.getLogger("torch._export").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.load(file)
    except Unservable:
        raise
    except FileNotFoundError:
        raise Unservable("there is no such file.") from None
    except Exception as exc:  # Whatever a damaged archive makes its reader raise.
        raise Unservable(f"PyTorch cannot load the exported program: {_why(exc)}") from exc
    finally:
        deserializer._parse_sym_expr = parse  # type: ignore[method-assign, unused-ignore]


def _moved(program: Any, device: str) -> Any:
    """The program for another device: it has devices written down beside its weights."""
    from torch.export.passes import move_to_device_pass

    try:
        return move_to_device_pass(program, device)
    except Exception as exc:  # Whatever the parts of a strange program make it raise.
        raise Unservable(f"PyTorch cannot move it to the GPU: {_why(exc)}") from exc


class _NoPickle:
    """In the place of the module ``pickle``, for the one that reads these archives."""

    @staticmethod
    def loads(_: bytes) -> Any:
        raise Unservable(
            "the exported program holds a pickled object, which could run any code: "
            "export a module whose constants are tensors."
        )


def _refuse_compiled(*_: Any, **__: Any) -> Any:
    raise Unservable(
        "the archive holds compiled code (AOTInductor), which is not served: "
        "save the exported program itself with torch.export.save."
    )


def _check_expression(text: str) -> None:
    plain = _QUOTED.sub("0", text)
    called = set(re.findall(r"([A-Za-z_]\w*)\s*\(", plain))
    attribute = re.search(r"__|\.\s*[A-Za-z_]", plain)
    if not _EXPRESSION.fullmatch(plain) or called - _FUNCTIONS or attribute:
        raise Unservable("the size of an axis is no arithmetic: the file is damaged or hostile.")


def _tensor(name: str, node: Any, what: str) -> Tensor:
    value: Any = node.meta.get("val") if node is not None else None
    if not hasattr(value, "dtype"):
        raise Unservable(f"its {what} is no tensor; export a module that takes tensors only.")
    return Tensor(name, datatype_of(value.dtype, what), _shape(value))


def _shape(value: Any) -> tuple[int | None, ...]:
    """None for an axis of any size, which is a symbol."""
    return tuple(axis if type(axis) is int else None for axis in value.shape)


def _why(exc: BaseException) -> str:
    text = str(exc)
    if "weights_only" in text.lower() or "WeightsUnpickler" in text:
        return "it holds a pickled object other than tensors, which could run any code."
    return sentence(text)
