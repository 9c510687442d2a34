"""Exporting real modules, in the Python that has PyTorch. One process does all: torch is slow."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import dllab_hub

#: Runs there. Each case is one export; the answer is what a person would have seen.
_SCRIPT = r"""
import contextlib, io, json, logging, sys, warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from dllab_hub.errors import DLLabError
from dllab_hub.export import export

torch.manual_seed(0)
seen = {}


def case(label, module, example, name="digits"):
    path = Path(sys.argv[1]) / "net.onnx"
    path.unlink(missing_ok=True)
    modes = [part.training for part in module.modules()]
    out, err = io.StringIO(), io.StringIO()
    case = seen[label] = {}
    log = logging.StreamHandler(err)
    logging.getLogger("torch").addHandler(log)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                export(module, example, path, name=name)
            except DLLabError as exc:
                case["error"] = [type(exc).__name__, exc.field, str(exc)]
    logging.getLogger("torch").removeHandler(log)
    case["restored"] = modes == [part.training for part in module.modules()]
    case["out"], case["err"], case["file"] = out.getvalue(), err.getvalue(), path.exists()
    if path.exists():
        model = onnx.load(path)
        case["inputs"] = [
            [i.name, [a.dim_param or a.dim_value for a in i.type.tensor_type.shape.dim]]
            for i in model.graph.input
        ]
        case["outputs"] = [o.name for o in model.graph.output]
        case["name"] = model.graph.name
        case["example"] = {p.key: p.value for p in model.metadata_props}.get("dllab.example")
        case["sources"] = b".py" in path.read_bytes()
        return onnxruntime.InferenceSession(path)


net = nn.Sequential(
    nn.Linear(64, 32), nn.BatchNorm1d(32), nn.Dropout(), nn.ReLU(), nn.Linear(32, 10)
)
net(torch.randn(100, 64))  # Running statistics that are worth something.
net[1].eval()  # A part that is frozen while the rest trains.
x = torch.randn(4, 64)
session = case("train mode", net, x)
net.eval()
more = torch.randn(7, 64)
answer = session.run(None, {"input": more.numpy()})[0]
seen["train mode"]["close"] = bool(np.allclose(answer, net(more).detach(), atol=1e-4))
net.train()

case("float64 array", net, np.random.default_rng(0).random((2, 64)))
case("nested list", net, [[0.5] * 64])
case("too narrow", net, x[:, :63])
case("one row alone", net, x[0])
case("no row", net, x[:0])
case("a word", net, "x")
case("nothing", net, {})
case("sparse", net, x.to_sparse())
case("no size yet", nn.LazyLinear(2), x)
case("nan", net, torch.full((2, 64), float("nan")))
case("large", nn.Flatten(), torch.randn(2, 3, 100, 100))
case("half", nn.Linear(4, 2).half(), torch.randn(2, 4).half())
case("bfloat16", nn.Linear(4, 2).bfloat16(), torch.randn(2, 4).bfloat16())
case("compiled", torch.compile(nn.Linear(4, 2)), torch.randn(2, 4))


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(5, 2)

    def forward(self, left, right):
        return {"sum": self.a(left) + self.b(right), "left": self.a(left) - self.b(right)}


case("two by position", Two(), (torch.randn(4, 3), torch.randn(4, 5)))
case("two by name", Two(), {"right": torch.randn(4, 5), "left": torch.randn(4, 3)})
case("one of two", Two(), torch.randn(4, 3))
case("uneven", Two(), (torch.randn(4, 3), torch.randn(3, 5)))


class Star(nn.Module):
    def forward(self, *rows):
        return rows[0] + rows[1], rows[0]


case("any number", Star(), (torch.randn(4, 3), torch.randn(4, 3)))


class Branch(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x * 2
        return x


case("control flow", Branch(), x)


class Fixed(nn.Module):
    def forward(self, x):
        return x.reshape(4, 8, 8).sum(1)


case("a fixed batch", Fixed(), x, name="fixed")


class Random(nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


case("random", Random(), x)


class Odd(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)


case("a number beside", Odd(lambda x: (x, 3)), x)
case("a word back", Odd(lambda x: "x"), x)
case("complex", Odd(lambda x: torch.fft.fft(x)), x)
case("no such operator", Odd(lambda x: torch.linalg.svd(x)[1]), x)


def fail(x):
    raise KeyError("boo\nmore")


case("an error of its own", Odd(fail), x)
import dllab_hub.export as ours
ours._MOST = 100
case("too large", nn.Linear(64, 2), x)
ours._MOST, ours._NEEDS = 2**31, ("onnx", "no_such_package")
case("too narrow, and a package is missing", net, x[:, :63])
case("a package is missing", nn.Linear(64, 2), x)
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each case."""
    python = os.environ.get("DLLAB_TEST_PYTHON")
    if not python:
        pytest.fail("DLLAB_TEST_PYTHON must name a Python that has torch; `make test` sets it.")
    folder = tmp_path_factory.mktemp("export")
    script = folder / "cases.py"
    script.write_text(_SCRIPT)
    done = subprocess.run(
        [python, script, folder],
        env={**os.environ, "PYTHONPATH": str(Path(dllab_hub.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_it_is_quiet_and_leaves_the_module_alone(seen: dict[str, Any]) -> None:
    """The exporter's chatter reaches nobody, and each part's mode is what it was."""
    for label, case in seen.items():
        assert "" == case["err"], label
        assert case["restored"], label
        assert case["file"] is ("error" not in case), label


def test_a_network_in_training_mode(seen: dict[str, Any]) -> None:
    """It answers as in evaluation mode, for batches of any size; one row is the example."""
    case = seen["train mode"]

    assert [["input", ["batch", 64]]] == case["inputs"]
    assert (["output"], "digits") == (case["outputs"], case["name"])
    (row,) = json.loads(case["example"])["instances"]
    assert 64 == len(row)
    assert case["close"]
    assert not case["sources"]  # No path of the author's machine travels.
    assert "" == case["out"]


@pytest.mark.parametrize("label", ["float64 array", "nested list", "half", "compiled"])
def test_examples_that_are_no_float_tensors(seen: dict[str, Any], label: str) -> None:
    """Arrays, lists and other types and wrappers do as well."""
    assert "error" not in seen[label]
    assert "batch" == seen[label]["inputs"][0][1][0]


@pytest.mark.parametrize(
    ("label", "inputs"),
    [
        ("two by position", [["left", ["batch", 3]], ["right", ["batch", 5]]]),
        ("two by name", [["right", ["batch", 5]], ["left", ["batch", 3]]]),
        ("any number", [["input_0", ["batch", 3]], ["input_1", ["batch", 3]]]),
    ],
)
def test_several_inputs(seen: dict[str, Any], label: str, inputs: list[Any]) -> None:
    """A tuple or a dict is several inputs; outputs are called as the module calls them."""
    case = seen[label]

    assert inputs == case["inputs"]
    named = ["output_0", "output_1"] if label == "any number" else ["sum", "left_out"]
    assert named == case["outputs"]
    (row,) = json.loads(case["example"])["instances"]
    assert {name: axes[1] for name, axes in inputs} == {n: len(v) for n, v in row.items()}


def test_a_fixed_batch_is_said(seen: dict[str, Any]) -> None:
    """A module for batches of one size says so once, and its example has all rows."""
    case = seen["a fixed batch"]

    assert [["x", [4, 64]]] == case["inputs"]
    assert case["out"].startswith("fixed takes exactly 4 rows at a time")
    assert 1 == len(case["out"].splitlines())
    assert 4 == len(json.loads(case["example"])["instances"])


@pytest.mark.parametrize("label", ["nan", "large"])
def test_examples_that_stay_here(seen: dict[str, Any], label: str) -> None:
    """What JSON cannot hold, or a page does not want, is left out of the file."""
    assert "error" not in seen[label]
    assert seen[label]["example"] is None


@pytest.mark.parametrize(
    ("label", "kind", "field", "words"),
    [
        ("too narrow", "InvalidRequest", "example", "(4x63 and 64x32)"),
        ("one row alone", "InvalidRequest", "example", "does not take it: expected 2D"),
        ("no row", "InvalidRequest", "example", "input must be a batch of at least one row"),
        ("a word", "InvalidRequest", "example", "input is a str, not a tensor"),
        ("nothing", "InvalidRequest", "example", "no input"),
        ("sparse", "InvalidRequest", "example", "input is not a dense tensor. Use x.to_dense()."),
        ("too narrow, and a package is missing", "InvalidRequest", "example", "(4x63 and 64x32)"),
        ("no size yet", "InvalidRequest", "", "Call it once"),
        ("complex", "InvalidRequest", "", "output is complex"),
        ("bfloat16", "InvalidRequest", "example", "Use net.float()"),
        ("one of two", "InvalidRequest", "example", "missing 1 required positional argument"),
        ("uneven", "InvalidRequest", "example", "4 of left, 3 of right"),
        ("control flow", "InvalidRequest", "", "values of the data"),
        ("control flow", "InvalidRequest", "", ": if x.sum() > 0:"),
        ("random", "InvalidRequest", "", "answers differently: by up to "),
        ("a number beside", "InvalidRequest", "", "must return a tensor"),
        ("a word back", "InvalidRequest", "", "must return a tensor"),
        ("no such operator", "InvalidRequest", "", "cannot be exported"),
        ("an error of its own", "InvalidRequest", "example", "KeyError: 'boo"),
        ("too large", "TooLarge", "", "2 GiB"),
        (
            "a package is missing",
            "Unavailable",
            "",
            "needs no_such_package, which is not installed. Run: %pip install onnx",
        ),
    ],
)
def test_what_cannot_be_exported(
    seen: dict[str, Any], label: str, kind: str, field: str, words: str
) -> None:
    """Each is one line for the person: what is wrong, where, and no file is left."""
    error = seen[label]["error"]

    assert [kind, field] == error[:2]
    assert words in error[2]
    assert 1 == len(error[2].splitlines())
    assert len(error[2]) < 400
    assert not seen[label]["file"]
