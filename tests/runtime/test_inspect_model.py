"""What a file says about itself, in the serving image's own Python."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from onnx_files import EXAMPLE

from dllab_hub.specs import Tensor


def inspect(path: Path) -> tuple[int, dict[str, Any]]:
    """Exit code, and what was printed."""
    argv = [os.environ["DLLAB_TEST_SERVER"], "-P", "-m", "dllab_hub.runtime.inspect_model", path]
    done = subprocess.run(argv, capture_output=True, check=False, cwd="/", timeout=60)
    assert done.stderr == b""
    return done.returncode, json.loads(done.stdout)


def test_what_a_model_takes_and_gives(onnx_models: Path) -> None:
    """Inputs and outputs are the specs' own tensors, and the example comes as it was."""
    code, said = inspect(onnx_models / "net.onnx")

    assert (0, EXAMPLE) == (code, said["example"])
    assert [Tensor(name="x", datatype="FP32", shape=(None, 4))] == [
        Tensor.from_wire(tensor) for tensor in said["inputs"]
    ]
    assert [Tensor(name="y", datatype="FP32", shape=(None, 2))] == [
        Tensor.from_wire(tensor) for tensor in said["outputs"]
    ]


def test_nothing_is_reported_to_anybody(
    onnx_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime makes no identifier for the reports on its use: they are switched off."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    inspect(onnx_models / "net.onnx")

    assert [] == list(tmp_path.rglob("*"))


def test_a_small_model_takes_a_moment(onnx_models: Path) -> None:
    """A person who publishes waits for less than 1.5 s of it, Python's start included."""
    inspect(onnx_models / "net.onnx")
    began = time.monotonic()
    inspect(onnx_models / "net.onnx")

    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    ("name", "datatype"),
    [
        *(("DOUBLE", "FP64"), ("FLOAT16", "FP16"), ("BOOL", "BOOL"), ("STRING", "BYTES")),
        *((f"{sign}INT{bits}", f"{sign}INT{bits}") for sign in ("", "U") for bits in (8, 16)),
        *((f"{sign}INT{bits}", f"{sign}INT{bits}") for sign in ("", "U") for bits in (32, 64)),
    ],
)
def test_types_have_the_protocols_names(onnx_models: Path, name: str, datatype: str) -> None:
    """Each type of ONNX that can travel is called as the Open Inference Protocol does."""
    code, said = inspect(onnx_models / f"id_{name}.onnx")

    assert (0, datatype) == (code, said["inputs"][0]["datatype"])


@pytest.mark.parametrize("name", ["misfit", "longexample", "two"])
def test_an_example_that_is_no_use_is_left_out(onnx_models: Path, name: str) -> None:
    """Only an example that fits the model and is not too long is handed on."""
    code, said = inspect(onnx_models / f"{name}.onnx")

    assert (0, "") == (code, said["example"])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "there is no such file."),
        ("empty", "not an ONNX model"),
        ("text", "not an ONNX model"),
        ("cut", "or is cut short"),
        ("outside", "weights are not in the file"),
        ("escape", "weights are not in the file"),
        ("absolute", "weights are not in the file"),
        ("future", "opset 99"),
        ("noinputs", "has no inputs"),
        ("sequence", "output y is of the type seq(tensor(float))"),
        ("id_BFLOAT16", "input x is of the type tensor(bfloat16)"),
    ],
)
def test_what_cannot_be_served_says_why(onnx_models: Path, name: str, reason: str) -> None:
    """One sentence, without a path of this machine."""
    code, said = inspect(onnx_models / f"{name}.onnx")

    assert (1, ["error"]) == (code, list(said))
    assert reason in said["error"]
    assert "\n" not in said["error"]
    assert str(onnx_models) not in said["error"]
