"""`write`: an ONNX model that takes as much memory as it is asked for, by the PyTorch image."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ("write",)


def write(file: Path) -> Path:
    """x INT64 [1] -> y FP32 [1]: the sum of x zeros, which lie in memory until they are added."""
    environ = {**os.environ, "PYTHONPATH": ""}
    subprocess.run([os.environ["DLLAB_TEST_PYTHON"], __file__, file], env=environ, check=True)
    return file


def main(file: Path) -> None:
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("ConstantOfShape", ["x"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "axis"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "hungry",
        [helper.make_tensor_value_info("x", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(numpy.array([0], "int64"), "axis")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
