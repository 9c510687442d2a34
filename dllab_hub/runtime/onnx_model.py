"""`OnnxModel`: a network in ONNX Runtime; what it takes and gives, and one run of it.

Needs ``onnxruntime``, which the serving image has; importing this module does not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

__all__ = ("NUMPY_TYPES", "BadRequest", "OnnxModel", "Tensor", "Unservable")

#: Open Inference Protocol -> NumPy.
NUMPY_TYPES = {
    "FP64": "float64",
    "FP32": "float32",
    "FP16": "float16",
    "INT64": "int64",
    "INT32": "int32",
    "INT16": "int16",
    "INT8": "int8",
    "UINT64": "uint64",
    "UINT32": "uint32",
    "UINT16": "uint16",
    "UINT8": "uint8",
    "BOOL": "bool",
    "BYTES": "object",  # Of str.
}
#: ONNX -> Open Inference Protocol, where the words differ.
_ONNX_TYPES = {"double": "FP64", "float": "FP32", "float16": "FP16", "string": "BYTES"}
#: Bytes of an example that comes with a model.
_MAX_EXAMPLE = 65536


class Unservable(ValueError):
    """A file cannot be served; the text is one sentence without a path."""


class BadRequest(ValueError):
    """A request is the caller's mistake; the text is one sentence for the caller."""


@dataclass(frozen=True)
class Tensor:
    """One input or output, on the wire as `dllab_hub.specs.Tensor`.

    Attributes:
        name: As in the model.
        datatype: Of the Open Inference Protocol.
        shape: Size of each axis, None where any fits. Without an axis: a single value, or any
            shape at all; ONNX Runtime does not tell these two apart before it runs.
    """

    name: str
    datatype: str
    shape: tuple[int | None, ...]

    def to_wire(self) -> dict[str, Any]:
        """The tensor as JSON types."""
        return asdict(self)

    @property
    def size(self) -> str:
        """The shape for people: ``[?, 64]``."""
        return f"[{', '.join('?' if axis is None else str(axis) for axis in self.shape)}]"

    def __str__(self) -> str:
        return f"{self.name} {self.datatype} {self.size}"


class OnnxModel:
    """A loaded model; `run` may be called from one thread at a time.

    One thread computes it: a replica is one core's worth, and more replicas are more cores.

    Args:
        file: One ``.onnx`` file that has its weights inside.

    Raises:
        Unservable: it cannot be loaded, or has inputs or outputs that have no JSON.
    """

    def __init__(self, file: Path) -> None:
        # Else it reports its use to its maker, under an id that it keeps in the home directory.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)  # What goes wrong is raised as well.
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # The arena keeps the memory of the largest request for good.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        try:
            if not file.is_file():
                raise Unservable("there is no such file.")
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except OSError as exc:
            raise Unservable(f"the file cannot be read: {exc.strerror}.") from exc
        except Unservable:
            raise
        except Exception as exc:  # ONNX Runtime's own have no common class.
            raise Unservable(_why(str(exc), file)) from exc
        self.inputs = tuple(_tensor(node, "input") for node in self._session.get_inputs())
        self.outputs = tuple(_tensor(node, "output") for node in self._session.get_outputs())
        if not self.inputs:
            raise Unservable("the model has no inputs: there is nothing to ask it.")
        metadata = self._session.get_modelmeta().custom_metadata_map
        example = str(metadata.get("dllab.example", ""))
        #: JSON text of a V1 request that came with the model, or empty. Nobody has checked it.
        self.example = example if len(example.encode()) <= _MAX_EXAMPLE else ""

    def run(
        self, arrays: Mapping[str, numpy.ndarray], outputs: Sequence[str]
    ) -> dict[str, numpy.ndarray]:
        """Compute the named outputs.

        Raises:
            BadRequest: the values are refused by a part of the model, such as an index that is
                out of range.
        """
        try:
            found = self._session.run(list(outputs), dict(arrays))
        except Exception as exc:
            if type(exc).__module__.startswith("onnxruntime."):
                raise BadRequest(f"the model cannot compute this: {_sentence(str(exc))}") from exc
            raise
        return dict(zip(outputs, found, strict=True))


def _tensor(node: Any, what: str) -> Tensor:
    """An input or output as ONNX Runtime describes it, such as ``tensor(float)``."""
    match = re.fullmatch(r"tensor\((\w+)\)", node.type)
    word = match[1] if match else ""
    datatype = _ONNX_TYPES.get(word, word.upper())
    if datatype not in NUMPY_TYPES:
        raise Unservable(
            f"its {what} {node.name} is of the type {node.type}, which cannot travel as JSON."
        )
    shape = (axis if isinstance(axis, int) and axis > 0 else None for axis in node.shape)
    return Tensor(node.name, datatype, tuple(shape))


def _why(message: str, file: Path) -> str:
    """The reason for people, from ONNX Runtime's message."""
    if "External data" in message:
        return (
            "the model's weights are not in the file: export it as one file "
            "(torch.onnx.export(..., external_data=False))."
        )
    if re.search("INVALID_PROTOBUF|No graph was found", message):
        return "the file is not an ONNX model, or is cut short."
    if match := re.search(r"Opset (\d+) is under development", message):
        return f"the model uses ONNX opset {match[1]}, which is newer than this server knows."
    return f"ONNX Runtime cannot load it: {_sentence(message.replace(str(file), 'the model'))}"


def _sentence(message: str) -> str:
    """The first line without ONNX Runtime's codes and source paths, at most 300 characters."""
    line = message.strip().split("\n")[0]
    line = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line)
    line = re.sub(r"\S*/\S+\.(cc|h):\d+ ", "", line)
    return f"{line[:299].rstrip('. ')}."
