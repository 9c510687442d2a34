"""A network in a notebook becomes a file that can be served and that answers as the network does.

`export` makes ONNX of a PyTorch module; `export_model` takes whatever `kind_of` knows: a module,
a Keras model or a scikit-learn estimator.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from ..errors import InvalidRequest, TooLarge, Unavailable
from .call import Call, asked, call_of, example_text, first_line, named
from .check import compare
from .estimator import export_estimator
from .keras import export_keras
from .quiet import quiet

__all__ = ("Exported", "export", "export_model", "kind_of")

#: Bytes; a file of this format cannot be larger.
_MOST = 2**31 - 2**20
_NEEDS = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Exported:
    """A file that is ready to be published.

    Attributes:
        file: ONNX, or a SavedModel as a tar archive.
        example: JSON text of a request that has to be sent beside it; empty where the file itself
            carries it, or there is none.
    """

    file: Path
    example: str = ""


def kind_of(value: object) -> Literal["module", "keras", "estimator"] | None:
    """What somebody's object is; None for what cannot be exported. Imports nothing."""
    known: tuple[tuple[Literal["module", "keras", "estimator"], str, str], ...] = (
        ("module", "torch", "nn.Module"),
        ("keras", "keras", "Model"),
        ("estimator", "sklearn.base", "BaseEstimator"),
    )
    for kind, package, name in known:
        found: Any = sys.modules.get(package)
        for part in name.split("."):
            found = getattr(found, part, None)
        if isinstance(found, type) and isinstance(value, found):
            return kind
    return None


def export_model(value: Any, example: Any, folder: Path, *, name: str) -> Exported:
    """Write a network of any kind to a file that can be served, and compare what the two answer.

    Args:
        value: One that `kind_of` knows.
        example: What it is called with, a batch of at least one row. None will do for a Keras
            model that is built: nothing is compared then.
        folder: Where the file goes.
        name: Of the model.

    Raises:
        InvalidRequest: it is none, the example is missing or does not fit, it cannot be exported,
            or the file answers differently; the message is one sentence.
        TooLarge: it does not fit into one file.
        Unavailable: a package that exporting needs is missing.
    """
    kind = kind_of(value)
    if kind == "keras":
        file = folder / "saved_model.tar"
        return Exported(file, export_keras(value, example, file))
    if kind is None:
        raise InvalidRequest(
            f"{type(value).__name__} cannot be served.",
            hint="Give a torch.nn.Module, a keras.Model or a fitted scikit-learn estimator.",
        )
    if example is None:
        raise InvalidRequest(
            "exporting it needs an example.", hint="Such as x[:1].", field="example"
        )
    file = folder / "model.onnx"
    (export if kind == "module" else export_estimator)(value, example, file, name=name)
    return Exported(file)


def export(module: Any, example: Any, path: Path, *, name: str) -> None:
    """Write a module as one ONNX file, and compare what the two answer to the example.

    The batch, the first axis, may have any size; where the module does not work so, a sentence
    says that it takes exactly as many rows as the example has. The first row of the example
    travels in the file. The module is as before, its mode and that of its parts included.

    Args:
        module: A ``torch.nn.Module``, on any device.
        example: What it is called with, a batch of at least one row: a tensor or an array; a tuple
            or a dict of them for several inputs. Arrays of floats get the module's own type.
        path: Where the file goes.
        name: Of the model.

    Raises:
        InvalidRequest: the example does not fit, the module cannot be exported, or the file
            answers differently; the message is one sentence with figures.
        TooLarge: it does not fit into one file.
        Unavailable: a package that exporting needs is missing.
    """
    import torch

    module = getattr(module, "_orig_mod", module)  # Of torch.compile.
    if any(map(torch.nn.parameter.is_lazy, [*module.parameters(), *module.buffers()])):
        raise InvalidRequest(
            "the module has layers of no size yet.", hint="Call it once: net(x) gives them one."
        )
    weight = sum(p.numel() * p.element_size() for p in module.parameters())
    if weight > _MOST:
        raise TooLarge("the module's parameters take more than 2 GiB, and one ONNX file cannot.")
    with _evaluating(module), torch.no_grad():
        call = call_of(module, example)
        outputs = named(asked(module, call), call)
        _require()  # Not before: what does not fit is said without the seconds that imports take.
        proto, any_batch = _converted(module, call, list(outputs))
        proto.graph.name = name
        for node in proto.graph.node:
            del node.metadata_props[:]  # Where in whose source it comes from.
        if text := example_text(call.first(1) if any_batch else call):
            proto.metadata_props.add(key="dllab.example", value=text)
        data = proto.SerializeToString()
        compare(data, call, outputs)
        if any_batch:
            # An exporter that took the example's size for a law would be found out here.
            twice = call.twice()
            compare(data, twice, named(asked(module, twice), twice))
    path.write_bytes(data)
    if not any_batch:
        print(
            f"{name} takes exactly {call.rows} row{'' if call.rows == 1 else 's'} at a time: "
            "its module does not work, or cannot be exported, for batches of any size."
        )


def _require() -> None:
    for package in _NEEDS:
        try:
            import_module(package)
        except ModuleNotFoundError as exc:
            raise Unavailable(
                f"exporting a module needs {exc.name}, which is not installed.",
                hint=f"Run: %pip install {' '.join(_NEEDS)}",
            ) from None


@contextlib.contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """Dropout off, running statistics on; afterwards each part is in the mode it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _converted(module: Any, call: Call, outputs: list[str]) -> tuple[Any, bool]:
    """The file's content, and whether the batch may have any size."""
    try:
        proto = _onnx(module, call, outputs, any_batch=True)
    except InvalidRequest:
        proto = _onnx(module, call, outputs, any_batch=False)
    # The exporter may fix an axis that was to be free, without a word.
    axes = [each.type.tensor_type.shape.dim[0] for each in proto.graph.input]
    return proto, all(axis.dim_param for axis in axes)


def _onnx(module: Any, call: Call, outputs: list[str], *, any_batch: bool) -> Any:
    import torch

    args = () if call.by_name else tuple(call.tensors.values())
    kwargs = dict(call.tensors) if call.by_name else {}
    shapes = torch.export.ShapesCollection()
    for each in call.tensors.values():
        shapes[each] = {0: torch.export.Dim("batch")}
    try:
        with quiet():
            program = torch.onnx.export(
                module,
                args,
                kwargs=kwargs,
                input_names=list(call.tensors),
                output_names=outputs,
                dynamic_shapes=shapes.dynamic_shapes(module, args, kwargs) if any_batch else None,
                dynamo=True,
                verbose=False,
            )
            return program.model_proto
    except Exception as exc:  # The exporter's own errors have no common base, and no promise.
        raise InvalidRequest(f"the module cannot be exported: {_cause(exc)}") from None


def _cause(exc: BaseException) -> str:
    """What the exporter found, without its advice to its own authors, and where."""
    text = str(exc)
    first: BaseException = exc
    while first.__cause__ is not None:
        first = first.__cause__
    said = first_line(first).rstrip(".")
    if "data-dependent" in text:
        said = "its forward goes by values of the data, where torch.where would do"
    where = re.search(r'File "[^"]*", line (\d+), in forward\n\s*(.+)', text)
    return f"{said}." if where is None else f"{said} (line {where[1]}: {where[2].strip()})."
