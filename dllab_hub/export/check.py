"""`compare`: whether the exported file answers as the module does."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from ..errors import InvalidRequest
from .call import Call, first_line

__all__ = ("check_near", "compare")

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
        check_near(name, answer, wanted.cpu().double().numpy(), "the module")


def check_near(name: str, found: Any, wanted: Any, whose: str) -> None:
    """Refuse an answer that is not what the original gave.

    Args:
        name: Of the output.
        found: Array of the file.
        wanted: Array of the original.
        whose: The original, for people.

    Raises:
        InvalidRequest: with the largest difference.
    """
    import numpy

    want = numpy.asarray(wanted, "float64")
    if found.shape != want.shape:
        raise InvalidRequest(
            f"the exported file answers with shape {found.shape} in {name}, "
            f"{whose} with {want.shape}."
        )
    answer = numpy.asarray(found, "float64")
    if numpy.allclose(answer, want, _NEAR, _NEAR_ZERO, equal_nan=True):
        return
    off = numpy.abs(answer - want)
    share = off / numpy.maximum(numpy.abs(want), _NEAR_ZERO)
    raise InvalidRequest(
        f"the exported file answers differently: by up to {numpy.nanmax(off):.2g} "
        f"({numpy.nanmax(share):.0%}) in {name}.",
        hint="Does it draw random numbers, or change something of its own?",
    )
