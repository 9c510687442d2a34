"""Small ONNX models for the tests, written by the PyTorch image's Python: it has ``onnx``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ("EXAMPLE", "write_models")

#: The request that comes with ``net.onnx``; it answers [[10, -2], [4, 1]].
EXAMPLE = '{"instances": [[1, 2, 3, 4], [1, 1, 1, 1]]}'

#: Types that have an identity model of their own, as ``id_<type>.onnx``: x [n, 2] -> y [n, 2].
TYPES = (
    *("FLOAT16", "DOUBLE", "INT8", "INT16", "INT32", "INT64"),
    *("UINT8", "UINT16", "UINT32", "UINT64", "BOOL", "STRING", "BFLOAT16"),
)


def write_models(folder: Path) -> None:
    """All models, into this folder; what each is for is said where it is made."""
    environ = {**os.environ, "PYTHONPATH": ""}
    subprocess.run([os.environ["DLLAB_TEST_PYTHON"], __file__, folder], env=environ, check=True)


def main(folder: Path) -> None:
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    value = helper.make_tensor_value_info
    single = TensorProto.FLOAT

    def save(name, nodes, inputs, outputs, weights=(), example="", opset=17):
        graph = helper.make_graph(nodes, name, inputs, outputs, list(weights))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8
        if example:
            model.metadata_props.add(key="dllab.example", value=example)
        onnx.save(model, folder / f"{name}.onnx")

    def constant(name, array):
        return numpy_helper.from_array(numpy.asarray(array), name)

    def x(shape, type=single, name="x"):
        return value(name, type, shape)

    def y(shape, type=single, name="y"):
        return value(name, type, shape)

    # The sum of four numbers, and another one.
    weights = constant("w", numpy.array([[1, 3], [1, -1], [1, -1], [1, 0]], "float32"))
    dot = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    save("net", dot, [x(["n", 4])], [y(["n", 2])], [weights], EXAMPLE)
    # The same with an example that does not fit it, and with one that is too large.
    save("misfit", dot, [x(["n", 4])], [y(["n", 2])], [weights], '{"instances": [[1]]}')
    long = f'{{"instances": [[1, 2, 3, {"4" * 70000}]]}}'
    save("longexample", dot, [x(["n", 4])], [y(["n", 2])], [weights], long)

    # Several inputs and outputs.
    save(
        "two",
        [
            helper.make_node("Add", ["a", "b"], ["sum"]),
            helper.make_node("Mul", ["a", "b"], ["product"]),
        ],
        [x(["n", 2], name="a"), x(["n", 2], name="b")],
        [y(["n", 2], name="sum"), y(["n", 2], name="product")],
    )

    # How many rows are computed together, for each of them.
    save(
        "company",
        [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Gather", ["shape", "first"], ["rows"]),
            helper.make_node("Cast", ["rows"], ["count"], to=TensorProto.DOUBLE),
            helper.make_node("Mul", ["x", "nothing"], ["zeros"]),
            helper.make_node("Add", ["zeros", "count"], ["y"]),
        ],
        [x(["n", 1], TensorProto.DOUBLE)],
        [y(["n", 1], TensorProto.DOUBLE)],
        [
            constant("first", numpy.array(0, "int64")),
            constant("nothing", numpy.array(0, "float64")),
        ],
    )

    same = [helper.make_node("Identity", ["x"], ["y"])]
    for name in TYPES:
        type = TensorProto.DataType.Value(name)
        save(f"id_{name}", same, [x(["n", 2], type)], [y(["n", 2], type)])
    save("scalar", same, [x([])], [y([])])  # No axis.
    save("fixed", same, [x([1, 2])], [y([1, 2])])  # A batch of one only.
    save("future", same, [x(["n", 2])], [y(["n", 2])], opset=99)

    # An output without rows, and one that is no number.
    total = [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)]
    save("total", total, [x(["n", 2])], [y([])])
    save("log", [helper.make_node("Log", ["x"], ["y"])], [x(["n", 2])], [y(["n", 2])])

    # Values that fit the input and are refused inside: an index out of range.
    table = constant("table", numpy.ones((3, 2), "float32"))
    gather = [helper.make_node("Gather", ["table", "x"], ["y"])]
    save("gather", gather, [x(["n"], TensorProto.INT64)], [y(["n", 2])], [table])

    # Takes as long as it is asked to: x rounds of a product.
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("MatMul", ["v", "m"], ["v_next"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            x([64, 64], name="v"),
        ],
        [value("go_on", TensorProto.BOOL, []), y([64, 64], name="v_next")],
    )
    save(
        "rounds",
        [
            helper.make_node("Squeeze", ["x"], ["rounds"]),
            helper.make_node("Loop", ["rounds", "true", "m"], ["v_last"], body=body),
            helper.make_node("ReduceMax", ["v_last"], ["largest"], keepdims=0),
            helper.make_node("Unsqueeze", ["largest", "axis"], ["y"]),
        ],
        [x([1], TensorProto.INT64)],
        [y([1])],
        [
            constant("m", numpy.eye(64, dtype="float32")),
            constant("true", numpy.array(True)),
            constant("axis", numpy.array([0], "int64")),
        ],
    )

    # What cannot be served.
    sequence = helper.make_tensor_sequence_value_info("y", single, None)
    split = [helper.make_node("SplitToSequence", ["x"], ["y"], keepdims=0)]
    save("sequence", split, [x(["n", 2])], [sequence])
    save("noinputs", [helper.make_node("Identity", ["w"], ["y"])], [], [y([4, 2])], [weights])
    for name, place in (("outside", "w.bin"), ("escape", "../w.bin"), ("absolute", "/etc/passwd")):
        far = TensorProto(name="w", data_type=single, dims=[2], data_location=TensorProto.EXTERNAL)
        far.external_data.add(key="location", value=place)
        plus = [helper.make_node("Add", ["x", "w"], ["y"])]
        save(name, plus, [x(["n", 2])], [y(["n", 2])], [far])
    whole = (folder / "net.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.onnx").touch()
    (folder / "text.onnx").write_text("this is no model\n" * 100)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
