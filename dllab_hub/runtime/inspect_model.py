"""Look into an ONNX file: ``python -m dllab_hub.runtime.inspect_model FILE``.

Prints one JSON object: what the model takes and gives and the example that came with it, or why it
cannot be served. A program of its own: a file that crashes ONNX Runtime crashes nobody else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from .onnx_model import BadRequest, OnnxModel, Unservable
from .protocols import V1

__all__ = ("main",)


def main(argv: Sequence[str]) -> int:
    """0 for a model that can be served, 1 for any other file, 2 for a wrong call."""
    if len(argv) != 1:
        print("usage: python -m dllab_hub.runtime.inspect_model FILE", file=sys.stderr)
        return 2
    try:
        model = OnnxModel(Path(argv[0]))
    except Unservable as exc:
        print(json.dumps({"error": str(exc)}))
        return 1
    answer = {
        "inputs": [tensor.to_wire() for tensor in model.inputs],
        "outputs": [tensor.to_wire() for tensor in model.outputs],
        "example": _example(model),
    }
    print(json.dumps(answer))
    return 0


def _example(model: OnnxModel) -> str:
    """The example that came with the model, when it is a request that fits it."""
    try:
        V1(model).read(model.example.encode())
    except BadRequest:
        return ""
    return model.example


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
