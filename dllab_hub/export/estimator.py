"""`export_estimator`: a scikit-learn estimator becomes an ONNX file that answers as it does."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import InvalidRequest, Unavailable
from .call import first_line
from .check import check_near
from .quiet import quiet

__all__ = ("export_estimator",)

_NEEDS = ("skl2onnx", "onnxruntime")
_MOST_EXAMPLE = 64 * 1024


def export_estimator(estimator: Any, example: Any, path: Path, *, name: str) -> None:
    """Write a fitted estimator or pipeline as one ONNX file, and compare what the two answer.

    Numbers with a fraction are float32 there. A table has an input for each column, where the
    estimator tells columns by their names.

    Args:
        estimator: Of scikit-learn, fitted.
        example: Rows that it takes: an array or a table.
        path: Where the file goes.
        name: Of the model.

    Raises:
        InvalidRequest: the example does not fit, the estimator cannot be exported, or the file
            answers differently; the message is one sentence with figures.
        Unavailable: a package that exporting needs is missing.
    """
    import numpy

    rows = _rows(example)
    wanted = _asked(estimator, _doubled(rows))
    _require()
    try:
        proto = _converted(estimator, rows[:1], name)
    except InvalidRequest:
        # Only a pipeline that picks columns by their names needs one input for each.
        if not hasattr(rows, "iloc") or not all(rows[c].dtype.kind == "f" for c in rows.columns):
            raise
        rows = rows.to_numpy("float32")
        proto = _converted(estimator, rows[:1], name)
    if "probabilities" not in wanted:
        # Of a classifier that knows none: what it has there are scores under a wrong name.
        for output in [each for each in proto.graph.output if each.name == "probabilities"]:
            proto.graph.output.remove(output)
    columns = _columns(rows, [each.name for each in proto.graph.input])
    outputs = [each.name for each in proto.graph.output]
    if text := _example(columns):
        proto.metadata_props.add(key="dllab.example", value=text)
    data = proto.SerializeToString()
    for output, found in zip(outputs, _answers(data, columns, outputs), strict=True):
        if (want := wanted.get("probabilities" if output == "probabilities" else "answer")) is None:
            continue
        answer = numpy.asarray(found)
        if answer.ndim == want.ndim + 1 and answer.shape[-1] == 1:
            answer = answer[..., 0]
        if output not in ("probabilities", *outputs[:1]):
            continue  # Something beside, such as the scores of an outlier.
        if want.dtype.kind not in "OUS":
            check_near(output, answer, want, "the estimator")
        elif not numpy.array_equal(answer.astype(str), want.astype(str)):
            raise InvalidRequest(f"the exported file answers differently in {output}.")
    path.write_bytes(data)


def _converted(estimator: Any, row: Any, name: str) -> Any:
    """The file's content."""
    skl2onnx = import_module("skl2onnx")
    is_classifier = import_module("sklearn.base").is_classifier
    # Else probabilities are a list of dictionaries, which no client can read.
    options = {"options": {id(estimator): {"zipmap": False}}} if is_classifier(estimator) else {}
    # Trees of the newest kind are not known to all of its converters.
    opset = {"": skl2onnx.__max_supported_opset__, "ai.onnx.ml": 3}
    trouble: Exception | None = None
    for more in ({}, {"target_opset": opset}):
        try:
            with quiet():
                return skl2onnx.to_onnx(estimator, row, name=name, **options, **more)
        except Exception as exc:  # Its converters raise whatever they come across.
            trouble = trouble or exc
    assert trouble is not None
    raise InvalidRequest(f"the estimator cannot be exported: {first_line(trouble)}") from None


def _doubled(rows: Any) -> Any:
    """The same numbers as the estimator was fitted with: some take no others."""
    if hasattr(rows, "iloc"):
        floats = [c for c in rows.columns if rows[c].dtype.kind == "f"]
        return rows.astype(dict.fromkeys(floats, "float64"))
    return rows.astype("float64") if rows.dtype.kind == "f" else rows


def _rows(example: Any) -> Any:
    """As scikit-learn takes them, with the types that the file will have."""
    import numpy

    if hasattr(example, "iloc"):
        floats = [c for c in example.columns if example[c].dtype.kind == "f"]
        rows = example.astype(dict.fromkeys(floats, "float32"))
    else:
        try:
            rows = numpy.asarray(example)
        except ValueError:
            raise _unfit("its rows are uneven.") from None
        if rows.dtype.kind == "f":
            rows = rows.astype("float32")
    if rows.ndim != 2 or not len(rows):
        raise _unfit("it must be a batch of at least one row.", "One row is x[:1].")
    return rows


def _asked(estimator: Any, rows: Any) -> dict[str, Any]:
    """What the estimator itself answers."""
    import numpy

    verb = next((v for v in ("predict", "transform") if hasattr(estimator, v)), "")
    if not verb:
        raise InvalidRequest(
            "the estimator has neither predict nor transform: there is nothing to ask it."
        )
    try:
        with quiet():
            answers = {"answer": numpy.asarray(getattr(estimator, verb)(rows))}
            if verb == "predict" and hasattr(estimator, "predict_proba"):
                answers["probabilities"] = numpy.asarray(estimator.predict_proba(rows))
    except Exception as exc:  # Whatever somebody else's code raises: it does not fit.
        if type(exc).__name__ == "NotFittedError":
            raise InvalidRequest("the estimator is not fitted yet: call fit first.") from None
        raise _unfit(f"the estimator does not take it: {first_line(exc)}") from None
    return answers


def _require() -> None:
    for package in _NEEDS:
        try:
            import_module(package)
        except ModuleNotFoundError as exc:
            raise Unavailable(
                f"exporting an estimator needs {exc.name}, which is not installed.",
                hint=f"Run: %pip install {' '.join(_NEEDS)}",
            ) from None


def _columns(rows: Any, inputs: list[str]) -> dict[str, Any]:
    if not hasattr(rows, "iloc"):
        return {inputs[0]: rows}
    named = zip(inputs, rows.columns, strict=True)
    return {name: rows[[column]].to_numpy() for name, column in named}


def _answers(data: bytes, columns: Mapping[str, Any], outputs: list[str]) -> list[Any]:
    # Else it reports its use to its maker: see `check`.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        answers: list[Any] = session.run(outputs, dict(columns))
    except Exception as exc:  # Its exceptions come from C++, one class for each status.
        raise InvalidRequest(f"the exported file does not run: {first_line(exc)}") from None
    return answers


def _example(columns: Mapping[str, Any]) -> str:
    """A V1 request about the first row, or nothing when JSON or a page cannot hold it."""
    row = {name: array[0].tolist() for name, array in columns.items()}
    try:
        only = next(iter(row.values())) if len(row) == 1 else row
        text = json.dumps({"instances": [only]}, allow_nan=False)
    except (ValueError, TypeError):
        return ""
    return text if len(text) <= _MOST_EXAMPLE else ""


def _unfit(message: str, hint: str = "") -> InvalidRequest:
    return InvalidRequest(message, hint=hint, field="example")
