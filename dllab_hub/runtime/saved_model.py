"""`SavedModel`: a TensorFlow SavedModel, a directory, through its signature ``serving_default``.

Loading one runs no Python of the file's; yet the operators of its graph may read and write files,
so it is loaded in processes of its owner's account only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .model import DATATYPES, BadRequest, Tensor, Unservable, sentence

if TYPE_CHECKING:
    import numpy

__all__ = ("SavedModel",)

_SIGNATURE = "serving_default"
#: TensorFlow -> Open Inference Protocol.
_TYPES = {**DATATYPES, "string": "BYTES"}


class SavedModel:
    """A `Model` of a SavedModel.

    Args:
        folder: With ``saved_model.pb``.
        threads: That compute one request.
        gpus: That it sees.

    Raises:
        Unservable: it cannot be loaded, or has inputs or outputs that have no JSON, or there are
            GPUs that it cannot use.
    """

    def __init__(self, folder: Path, threads: int = 1, *, gpus: int = 0) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # What goes wrong is raised as well.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # Else it says so on every start.
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        if gpus:
            _use_gpus(tf)
        try:
            self._loaded = tf.saved_model.load(str(folder))  # It goes when nobody holds it.
            signatures = self._loaded.signatures
        except Exception as exc:  # Whatever a damaged directory makes TensorFlow raise.
            why = sentence(str(exc).replace(str(folder), "the model"))
            raise Unservable(f"TensorFlow cannot load it: {why}") from exc
        if _SIGNATURE not in signatures:
            known = ", ".join(sorted(signatures)) or "none"
            raise Unservable(
                f"the SavedModel has no signature {_SIGNATURE} (it has: {known}): "
                "write it with model.export(folder)."
            )
        self._ask = signatures[_SIGNATURE]
        specs = self._ask.structured_input_signature[1]
        if not specs:
            raise Unservable("the model has no inputs: there is nothing to ask it.")
        self._dtypes = {name: spec.dtype for name, spec in specs.items()}
        self.inputs = tuple(_tensor(name, spec, "input") for name, spec in specs.items())
        answers = self._ask.structured_outputs
        self.outputs = tuple(_tensor(name, spec, "output") for name, spec in answers.items())
        self.example = ""

    def run(
        self, arrays: Mapping[str, numpy.ndarray], outputs: Sequence[str]
    ) -> dict[str, numpy.ndarray]:
        """As `Model.run`."""
        import tensorflow as tf

        try:
            found = self._ask(
                **{name: tf.constant(a, self._dtypes[name]) for name, a in arrays.items()}
            )
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, ValueError) as exc:
            said = getattr(exc, "message", "") or str(exc)
            raise BadRequest(f"the model cannot compute this: {_reason(said)}") from exc
        return {name: _array(found[name].numpy()) for name in outputs}


def _use_gpus(tf: Any) -> None:
    """Have the GPUs compute, and take of their memory what that needs."""
    found = tf.config.list_physical_devices("GPU")
    if not found and not tf.test.is_built_with_cuda():
        raise Unservable(
            f"this image's TensorFlow {tf.__version__} has no CUDA build, and a GPU was asked for: "
            "put tensorflow[and-cuda] in the place of tensorflow-cpu into the image's "
            "requirements, or deploy it without GPUs."
        )
    if not found:
        raise Unservable(
            f"TensorFlow {tf.__version__} finds no GPU that it can use, and one was asked for: "
            "CUDA or cuDNN of its version is missing in this image, or newer than the driver."
        )
    for gpu in found:
        tf.config.experimental.set_memory_growth(gpu, True)


def _tensor(name: str, spec: Any, what: str) -> Tensor:
    dtype = getattr(getattr(spec, "dtype", None), "name", type(spec).__name__)
    if dtype not in _TYPES:
        raise Unservable(f"its {what} {name} is of the type {dtype}, which cannot travel as JSON.")
    axes = spec.shape.as_list() if spec.shape.rank is not None else []
    return Tensor(str(name), _TYPES[dtype], tuple(axes))


def _array(found: Any) -> numpy.ndarray:
    """Text comes as bytes; answers are JSON."""
    import numpy

    array = numpy.asarray(found)
    if array.dtype != object:
        return array
    decoded = numpy.empty(array.shape, dtype=object)
    for at, each in enumerate(array.flat):
        decoded.flat[at] = each.decode("utf-8", "replace") if isinstance(each, bytes) else each
    return decoded


def _reason(said: str) -> str:
    """TensorFlow begins with where in the graph it was, and ends with a whole traceback."""
    lines = [line.strip() for line in said.split("\n") if line.strip()]
    kept = [line for line in lines if not line.startswith(("Graph execution error", "Detected at"))]
    kept = [line for line in kept if not line.startswith("File ")] or lines
    return sentence(kept[-1].partition("[[")[0] if len(kept) > 1 else kept[0].partition("[[")[0])
