"""`write`: ONNX models that take much memory: as much as they are asked for, or as they are loaded.

The PyTorch image writes them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ("write",)


def write(file: Path, at_load: int = 0) -> Path:
    """x INT64 [1] -> y FP32 [1]: the sum of x zeros, which lie in memory until they are added.

    With ``at_load`` x FP32 [1] -> y FP32 [1]: the same number, and so many zeros, which whoever
    loads it adds up once and for all.
    """
    environ = {**os.environ, "PYTHONPATH": ""}
    words = [os.environ["DLLAB_TEST_PYTHON"], __file__, file, str(at_load)]
    subprocess.run(words, env=environ, check=True)
    return file


def main(file: Path, at_load: int) -> None:
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("ConstantOfShape", ["count" if at_load else "x"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "axis"], ["total"]),
        helper.make_node("Add", ["x", "total"], ["y"])
        if at_load
        else helper.make_node("Identity", ["total"], ["y"]),
    ]
    kind = TensorProto.FLOAT if at_load else TensorProto.INT64
    graph = helper.make_graph(
        nodes,
        "hungry",
        [helper.make_tensor_value_info("x", kind, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [
            numpy_helper.from_array(numpy.array([0], "int64"), "axis"),
            numpy_helper.from_array(numpy.array([at_load], "int64"), "count"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
