"""`export_keras`: a Keras model becomes a SavedModel that answers as it does, as one tar file."""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import InvalidRequest, Unavailable
from .call import first_line
from .check import check_near
from .quiet import quiet

__all__ = ("export_keras",)

_SIGNATURE = "serving_default"
#: Bytes as they travel in an address beside the archive, with a little else: see `exchange`. A
#: SavedModel says itself what it takes, so one that is longer stays here.
_MOST_EXAMPLE = 11 * 1024


def export_keras(model: Any, example: Any, path: Path) -> str:
    """Write a model as a SavedModel in a tar archive, and compare what the two answer.

    Args:
        model: A ``keras.Model``, on TensorFlow.
        example: What it is called with, a batch of at least one row: an array, a list of them for
            several inputs or a dict; or None for a model that is built, which is not compared then.
        path: Where the archive goes.

    Returns:
        JSON text of a request about the first row, or empty: a SavedModel cannot carry it.

    Raises:
        InvalidRequest: the example does not fit, the model cannot be exported, or the SavedModel
            answers differently.
        Unavailable: TensorFlow is missing.
    """
    try:
        tf = import_module("tensorflow")
    except ModuleNotFoundError as exc:
        raise Unavailable(
            f"exporting a Keras model needs {exc.name}, which is not installed.",
            hint="Run: %pip install tensorflow-cpu",
        ) from None
    values = None if example is None else _values(example)
    called = _names(example)
    if values is None and not model.built:
        raise InvalidRequest(
            "the model has no sizes yet: an example gives them.", hint="model(x[:1])"
        )
    wanted = {} if values is None else _asked(model, values, called)
    with tempfile.TemporaryDirectory(prefix="dllab-") as made:
        folder = Path(made) / "saved_model"
        try:
            with quiet():
                model.export(str(folder), format="tf_saved_model")
        except Exception as exc:  # Whatever the model's own code raises.
            raise InvalidRequest(f"the model cannot be exported: {first_line(exc)}") from None
        # A signature has its inputs in no order: by place they are the model's own.
        called = called or [str(each.name) for each in getattr(model, "inputs", None) or ()]
        text = "" if values is None else _compared(tf, folder, values, called, wanted)
        with tarfile.open(path, "w") as archive:
            archive.add(folder, "saved_model", filter=_anonymous)
    return text


def _compared(
    tf: Any, folder: Path, values: list[Any], called: list[str], wanted: Mapping[str, Any]
) -> str:
    """Ask the SavedModel too; a request about the first row as its signature has it."""
    with quiet():
        loaded = tf.saved_model.load(str(folder))
        ask = loaded.signatures[_SIGNATURE]
        specs = ask.structured_input_signature[1]
        names = list(specs) if len(specs) == 1 else called
        if set(names) != set(specs) or len(names) != len(values):
            raise InvalidRequest(
                f"must be a dict of {', '.join(sorted(specs))}: the model takes these.",
                field="example",
            )
        try:
            found = ask(
                **{
                    name: tf.cast(value, specs[name].dtype)
                    for name, value in zip(names, values, strict=True)
                }
            )
        except Exception as exc:  # TensorFlow's own, of many kinds.
            raise InvalidRequest(f"the SavedModel does not run: {first_line(exc)}") from None
    for (name, answer), want in zip(sorted(found.items()), wanted.values(), strict=True):
        check_near(name, answer.numpy(), want, "the model")
    row = {
        name: _row(value, specs[name].dtype.is_integer)
        for name, value in zip(names, values, strict=True)
    }
    try:
        only = next(iter(row.values())) if len(row) == 1 else row
        text = json.dumps({"instances": [only]}, allow_nan=False)
    except (ValueError, TypeError):
        return ""
    return text if len(quote(text)) <= _MOST_EXAMPLE else ""


def _row(value: Any, is_whole: bool) -> Any:
    return value[0].astype("int64" if is_whole else value.dtype).tolist()


def _values(example: Any) -> list[Any]:
    import numpy

    parts = list(example.values()) if isinstance(example, Mapping) else example
    parts = list(parts) if isinstance(parts, tuple | list) and _are_arrays(parts) else [parts]
    try:
        values = [numpy.asarray(part) for part in parts]
    except (ValueError, TypeError):
        raise InvalidRequest("is no array.", field="example") from None
    values = [v.astype("float32") if v.dtype == "float64" else v for v in values]
    if not values or any(not v.ndim or not len(v) for v in values):
        raise InvalidRequest(
            "must be a batch of at least one row.", hint="One row is x[:1].", field="example"
        )
    return values


def _are_arrays(parts: Any) -> bool:
    return all(hasattr(part, "__array__") and getattr(part, "ndim", 0) > 0 for part in parts)


def _names(example: Any) -> list[str]:
    """Of the inputs, where the example has them."""
    return [str(name) for name in example] if isinstance(example, Mapping) else []


def _asked(model: Any, values: list[Any], called: list[str]) -> dict[str, Any]:
    import numpy

    given: Any = values[0] if len(values) == 1 else values
    if called:
        given = dict(zip(called, values, strict=True))
    try:
        with quiet():
            answer = model(given, training=False)
    except Exception as exc:  # Whatever somebody else's code raises: it does not fit.
        raise InvalidRequest(f"the model does not take it: {_said(exc)}", field="example") from None
    if isinstance(answer, Mapping):
        return {str(name): numpy.asarray(answer[name]) for name in sorted(answer)}
    parts = answer if isinstance(answer, tuple | list) else [answer]
    return {f"output_{number}": numpy.asarray(part) for number, part in enumerate(parts)}


def _said(exc: BaseException) -> str:
    """Keras says first in which call it was, and then in colour what happened."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in str(exc).split("\n")]
    lines = [line for line in lines if line and not line.startswith("Exception encountered")]
    return f"{lines[0][:300].rstrip('.')}." if lines else first_line(exc)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Whose it was on this machine is nobody's business."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
