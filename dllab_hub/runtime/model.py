"""`Model`: a loaded network of whatever format, as the model server asks it.

One module for each format has a class of this kind; none is imported before a file of its format
is to be loaded, and each needs a framework that only the image has that serves the format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy

__all__ = (
    "DATATYPES",
    "MAX_EXAMPLE",
    "NUMPY_TYPES",
    "BadRequest",
    "Model",
    "Tensor",
    "Unservable",
    "sentence",
)

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
#: The other way round, as PyTorch and TensorFlow call them too; text is no NumPy type of theirs.
DATATYPES = {word: datatype for datatype, word in NUMPY_TYPES.items() if datatype != "BYTES"}
#: Bytes of an example that comes with a model.
MAX_EXAMPLE = 65536


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

    @classmethod
    def from_wire(cls, found: Mapping[str, Any]) -> Tensor:
        """As `to_wire` has written it."""
        return cls(str(found["name"]), str(found["datatype"]), tuple(found["shape"]))

    def to_wire(self) -> dict[str, Any]:
        """The tensor as JSON types."""
        return asdict(self)

    @property
    def size(self) -> str:
        """The shape for people: ``[?, 64]``."""
        return f"[{', '.join('?' if axis is None else str(axis) for axis in self.shape)}]"

    def __str__(self) -> str:
        return f"{self.name} {self.datatype} {self.size}"


class Model(Protocol):
    """A loaded model; `run` may be called from one thread at a time.

    Attributes:
        inputs: What it takes.
        outputs: What it gives.
        example: JSON text of a request that came with the model, or empty. Nobody has checked it.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    example: str

    def run(
        self, arrays: Mapping[str, numpy.ndarray], outputs: Sequence[str]
    ) -> dict[str, numpy.ndarray]:
        """Compute the named outputs.

        Raises:
            BadRequest: the values are refused by a part of the model, such as an index that is
                out of range.
        """
        ...


def sentence(message: str) -> str:
    """The first line of what a framework says, at most 300 characters."""
    line = next((each.strip() for each in message.split("\n") if each.strip()), "no more is said")
    return f"{line[:299].rstrip('. ')}."
