"""Exporting what is no PyTorch module: Keras models and scikit-learn estimators."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from format_files import PYTHONS, needs

import dllab_hub
from dllab_hub.errors import InvalidRequest
from dllab_hub.export import export_model, kind_of

#: Each case is one export; the answer is what a person would have seen.
_HEAD = r"""
import contextlib, io, json, sys, warnings
from pathlib import Path

import numpy as np

from dllab_hub.errors import DLLabError
from dllab_hub.export import export_model, kind_of

seen = {}


def case(label, model, example):
    folder = Path(sys.argv[1]) / label.replace(" ", "-")
    folder.mkdir()
    case = seen[label] = {"kind": kind_of(model)}
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            made = export_model(model, example, folder, name="digits")
        except DLLabError as exc:
            case["error"] = [type(exc).__name__, exc.field, str(exc)]
        else:
            case["file"], case["example"] = made.file.name, made.example
    case["out"] = out.getvalue()
    return folder


rng = np.random.default_rng(0)
x = rng.random((60, 4))
y = (x @ [1, 2, -1, -2] > 0).astype(int) + (x[:, 0] > 0.5)
"""

_ESTIMATORS = r"""
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

fitted = LogisticRegression().fit(x, y)
case("no example", fitted, None)
case("not fitted", LogisticRegression(), x[:3])
case("too narrow", fitted, x[:3, :2])
case("one row alone", fitted, x[0])
if len(sys.argv) > 2:
    case("a package is missing", fitted, x[:3])
else:
    import onnxruntime

    def ask(label, model, example):
        folder = case(label, model, example)
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        seen[label]["inputs"] = [[i.name, i.type, i.shape] for i in session.get_inputs()]
        seen[label]["outputs"] = [o.name for o in session.get_outputs()]
        text = session.get_modelmeta().custom_metadata_map["dllab.example"]
        seen[label]["rows"] = json.loads(text)["instances"]
        first = session.run(None, {session.get_inputs()[0].name: x.astype("float32")})[0]
        seen[label]["right"] = bool((first.reshape(60, -1)[:, 0] == model.predict(x)).mean() > 0.98)

    ask("classifier", fitted, x[:3])
    ask("words", LogisticRegression().fit(x, np.array(["a", "b", "c"])[y]), x[:3])
    ask("pipeline", make_pipeline(StandardScaler(), RandomForestClassifier(9)).fit(x, y), x[:3])
    ask("no probabilities", SVC().fit(x, y), x[:3])
    case("regression", LinearRegression().fit(x, x[:, 0]), x[:3])

    class Odd(LinearRegression):
        def predict(self, x):
            return super().predict(x) + 1

    from skl2onnx import update_registered_converter
    from skl2onnx.operator_converters.linear_regressor import convert_sklearn_linear_regressor
    from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes
    update_registered_converter(
        Odd, "Odd", calculate_linear_regressor_output_shapes, convert_sklearn_linear_regressor
    )
    case("another answer", Odd().fit(x, x[:, 0]), x[:3])
print(json.dumps(seen))
"""

_KERAS = r"""
import keras

x = x.astype("float64")
net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])
case("network", net, x[:3])
case("no example", net, None)
case("wide", keras.Sequential([keras.Input((784,)), keras.layers.Dense(2)]), rng.random((3, 784)))
case("no size yet", keras.Sequential([keras.layers.Dense(2)]), None)
case("sizes by the example", keras.Sequential([keras.layers.Dense(2)]), x[:3])
case("too narrow", net, x[:3, :2])
case("no row", net, x[:0])
a, b = keras.Input((3,), name="a"), keras.Input((4,), name="b")
two = keras.Model([a, b], {"s": keras.layers.Dense(2)(a), "t": keras.layers.Dense(1)(b)})
case("two by place", two, (x[:3, :3], x[:3]))
case("two by name", two, {"b": x[:3], "a": x[:3, :3]})


class Random(keras.layers.Layer):
    def call(self, x):
        return x + keras.random.uniform(keras.ops.shape(x))


case("random", keras.Sequential([keras.Input((4,)), Random()]), x[:3])
print(json.dumps(seen))
"""


def run(python: str, folder: Path, code: str, *words: str) -> dict[str, Any]:
    script = folder / "cases.py"
    script.write_text(_HEAD + code)
    done = subprocess.run(
        [python, script, folder, *words],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(dllab_hub.__file__).parents[1]),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert {""} == {case["out"] for case in answer.values()}  # The exporter's chatter is ours.
    return answer


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What becomes of estimators in the PyTorch image, which has no skl2onnx."""
    python = os.environ["DLLAB_TEST_PYTHON"]
    return run(python, tmp_path_factory.mktemp("estimators"), _ESTIMATORS, "without")


@pytest.fixture(scope="module")
def estimators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What becomes of them where it is."""
    return run(PYTHONS["skl2onnx"], tmp_path_factory.mktemp("estimators"), _ESTIMATORS)


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What becomes of Keras models."""
    return run(PYTHONS["tensorflow"], tmp_path_factory.mktemp("keras"), _KERAS)


def test_what_is_neither(tmp_path: Path) -> None:
    """Any other object is refused with what can be served; nothing is imported for it."""
    assert kind_of(3) is None
    with pytest.raises(InvalidRequest, match="int cannot be served"):
        export_model(3, [1], tmp_path, name="digits")


@pytest.mark.parametrize(
    ("label", "kind", "field", "words"),
    [
        ("no example", "InvalidRequest", "example", "needs an example"),
        ("not fitted", "InvalidRequest", "", "not fitted yet"),
        ("too narrow", "InvalidRequest", "example", "2 features"),
        ("one row alone", "InvalidRequest", "example", "a batch of at least one row"),
        ("a package is missing", "Unavailable", "", "%pip install skl2onnx"),
    ],
)
def test_estimators_that_are_not_exported(
    without: dict[str, Any], label: str, kind: str, field: str, words: str
) -> None:
    """Each is one line that says what is wrong, or what to install."""
    error = without[label]["error"]

    assert ("estimator", [kind, field]) == (without[label]["kind"], error[:2])
    assert words in error[2]
    assert 1 == len(error[2].splitlines())


@needs("skl2onnx")
@pytest.mark.parametrize(
    ("label", "outputs"),
    [
        ("classifier", ["label", "probabilities"]),
        ("words", ["label", "probabilities"]),
        ("pipeline", ["label", "probabilities"]),
        ("no probabilities", ["label"]),
    ],
)
def test_estimators(estimators: dict[str, Any], label: str, outputs: list[str]) -> None:
    """They become ONNX that answers as they do, with tensors only and an example inside."""
    case = estimators[label]

    assert ("model.onnx", outputs, True) == (case["file"], case["outputs"], case["right"])
    assert [["X", "tensor(float)", [None, 4]]] == case["inputs"]
    assert [4] == [len(row) for row in case["rows"]]


@needs("skl2onnx")
def test_an_estimator_that_answers_otherwise(estimators: dict[str, Any]) -> None:
    """A converter that leaves something out is found out, with the difference."""
    assert "file" in estimators["regression"]
    assert "answers differently: by up to 1 " in estimators["another answer"]["error"][2]


@needs("tensorflow")
def test_keras_models(keras: dict[str, Any]) -> None:
    """They become a SavedModel in an archive; the example is handed over beside it."""
    for label in ("network", "sizes by the example", "two by place", "two by name"):
        case = keras[label]
        assert ("keras", "saved_model.tar") == (case["kind"], case.get("file")), case
        (row,) = json.loads(case["example"])["instances"]
        wanted = {"a": 3, "b": 4} if label.startswith("two") else 4
        found = {k: len(v) for k, v in row.items()} if isinstance(row, dict) else len(row)
        assert wanted == found
    assert "" == keras["no example"]["example"]
    # Too long to travel beside the archive, which does without.
    assert ("saved_model.tar", "") == (keras["wide"].get("file"), keras["wide"].get("example"))


@needs("tensorflow")
@pytest.mark.parametrize(
    ("label", "field", "words"),
    [
        ("no size yet", "", "an example gives them"),
        ("too narrow", "example", "expected axis -1"),
        ("no row", "example", "at least one row"),
        ("random", "", "answers differently: by up to "),
    ],
)
def test_keras_models_that_are_not_exported(
    keras: dict[str, Any], label: str, field: str, words: str
) -> None:
    """Each is one line for the person."""
    error = keras[label]["error"]

    assert ["InvalidRequest", field] == error[:2]
    assert words in error[2]
    assert 1 == len(error[2].splitlines())
