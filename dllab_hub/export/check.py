"""`compare`: whether the exported file answers as the module does."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from ..errors import InvalidRequest
from .call import Call, first_line

__all__ = ("compare",)

#: How far the file's answers may be from the module's: relative, and absolute for those near zero.
_NEAR, _NEAR_ZERO = 1e-3, 1e-4


def compare(data: bytes, call: Call, outputs: dict[str, Any]) -> None:
    """Refuse a file that answers otherwise than the module did.

    Args:
        data: The ONNX file.
        call: What both are asked.
        outputs: What the module answered, by name.

    Raises:
        InvalidRequest: with the largest difference.
    """
    import numpy

    # Else it reports its use to its maker, under an id that it keeps in the home directory. Where
    # the notebook has imported it before, that is decided already.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        answers = session.run(
            list(outputs), {name: tensor.cpu().numpy() for name, tensor in call.tensors.items()}
        )
    except Exception as exc:  # Its exceptions come from C++, one class for each status.
        raise InvalidRequest(
            f"the exported file does not run: {first_line(exc)}",
            hint="The module does something that ONNX cannot; look at its forward.",
        ) from None
    for (name, wanted), answer in zip(outputs.items(), answers, strict=True):
        want = wanted.cpu().double().numpy()
        if answer.shape != want.shape:
            raise InvalidRequest(
                f"the exported file answers with shape {answer.shape} in {name}, "
                f"the module with {want.shape}."
            )
        answer = numpy.asarray(answer, "float64")
        if numpy.allclose(answer, want, _NEAR, _NEAR_ZERO, equal_nan=True):
            continue
        off = numpy.abs(answer - want)
        share = off / numpy.maximum(numpy.abs(want), _NEAR_ZERO)
        raise InvalidRequest(
            f"the exported file answers differently: by up to {numpy.nanmax(off):.2g} "
            f"({numpy.nanmax(share):.0%}) in {name}.",
            hint="Does forward draw random numbers, or change something of its own?",
        )
