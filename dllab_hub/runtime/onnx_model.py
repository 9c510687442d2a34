"""`OnnxModel`: a network in ONNX Runtime; what it takes and gives, and one run of it.

Needs ``onnxruntime``, which the serving image has; importing this module does not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .model import MAX_EXAMPLE, NUMPY_TYPES, BadRequest, Tensor, Unservable, sentence

if TYPE_CHECKING:
    import numpy

__all__ = ("OnnxModel",)

#: What computes on a GPU.
_CUDA = "CUDAExecutionProvider"
#: ONNX -> Open Inference Protocol, where the words differ.
_ONNX_TYPES = {"double": "FP64", "float": "FP32", "float16": "FP16", "string": "BYTES"}


class OnnxModel:
    """A `Model` in ONNX Runtime.

    Args:
        file: One ``.onnx`` file that has its weights inside.
        threads: That compute one request.
        gpus: That it sees.

    Raises:
        Unservable: it cannot be loaded, or has inputs or outputs that have no JSON, or there are
            GPUs that it cannot use.
    """

    def __init__(self, file: Path, threads: int = 1, *, gpus: int = 0) -> None:
        # Else it reports its use to its maker, under an id that it keeps in the home directory.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)  # What goes wrong is raised as well.
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # The arena keeps the memory of the largest request for good.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        try:
            if not file.is_file():
                raise Unservable("there is no such file.")
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=_providers(gpus)
            )
            # It would compute on the CPU and say so in a log, where CUDA's libraries are missing.
            if gpus and _CUDA not in self._session.get_providers():
                raise Unservable(
                    "ONNX Runtime cannot use the GPU that was asked for: CUDA or cuDNN of its "
                    "version is missing in this image, or newer than the driver."
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
        self.example = example if len(example.encode()) <= MAX_EXAMPLE else ""

    def run(
        self, arrays: Mapping[str, numpy.ndarray], outputs: Sequence[str]
    ) -> dict[str, numpy.ndarray]:
        """As `Model.run`."""
        try:
            found = self._session.run(list(outputs), dict(arrays))
        except Exception as exc:
            if type(exc).__module__.startswith("onnxruntime."):
                raise BadRequest(f"the model cannot compute this: {_sentence(str(exc))}") from exc
            raise
        return dict(zip(outputs, found, strict=True))


def _providers(gpus: int) -> list[str]:
    """What computes: with GPUs those, and the CPU for the operators that they have not."""
    import onnxruntime

    if not gpus:
        return ["CPUExecutionProvider"]
    if _CUDA not in onnxruntime.get_available_providers():
        raise Unservable(
            "this image's ONNX Runtime has no CUDA build, and a GPU was asked for: put "
            "onnxruntime-gpu in the place of onnxruntime into the image's requirements, or deploy "
            "it without GPUs."
        )
    onnxruntime.preload_dlls()  # Of NVIDIA's packages, where those are installed.
    return [_CUDA, "CPUExecutionProvider"]


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
    """The first line without ONNX Runtime's codes and source paths."""
    line = message.strip().split("\n")[0]
    line = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line)
    return sentence(re.sub(r"\S*/\S+\.(cc|h):\d+ ", "", line))
