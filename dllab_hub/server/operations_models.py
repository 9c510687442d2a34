"""What can be asked of models and their versions."""

from __future__ import annotations

from http import HTTPStatus

from .operation import TEXT, Operation, array, page, query, ref
from .upload import MAX_MODEL_BYTES

__all__ = ("MODELS",)

_BYTES = {**TEXT, "format": "binary"}

MODELS: dict[str, dict[str, Operation]] = {
    "models": {
        "get": Operation(
            "Your models by name, each with its versions, newest first",
            "ModelPage",
            query=page("models"),
        )
    },
    "models/{name}/versions": {
        "get": Operation("Versions, newest first", array("versions", ref("ModelVersion"))),
        "post": Operation(
            "Keep a file as the next version; a new name makes a new model",
            "ModelVersion",
            query=tuple(
                query(name, f"{what} Only beside a file that is the body.", **TEXT)
                for name, what in (
                    ("metrics", "JSON object: what was measured of it, by name."),
                    ("example", "JSON text of a request that it answers."),
                    ("source", "What it was made from: `notebook`, or a `ModelSource` as JSON."),
                )
            ),
            body={
                "application/octet-stream": {
                    **_BYTES,
                    "description": "The file: ONNX, torch.export, TorchScript, or a SavedModel as "
                    f"a zip or tar archive; at most {MAX_MODEL_BYTES // 2**30} GiB.",
                },
                "application/json": ref("Publication"),
            },
            status=HTTPStatus.CREATED,
            errors=(
                HTTPStatus.NOT_FOUND,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.INSUFFICIENT_STORAGE,
            ),
        ),
    },
    "models/{name}/versions/{version}/file": {
        "get": Operation(
            "The file of a version; a SavedModel comes as a zip archive",
            _BYTES,
            media="application/octet-stream",
        )
    },
    "models/{name}/versions/{version}/export": {
        "get": Operation(
            "A version for devices: a zip archive of the ONNX file and a manifest",
            _BYTES,
            media="application/zip",
            errors=(HTTPStatus.CONFLICT,),
        )
    },
}
