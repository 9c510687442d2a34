"""`document`: OpenAPI of what one deployed model answers, in V1 and in the Open Inference Protocol.

Written from the protocols' own specifications, not from what our model server does.
"""

from __future__ import annotations

from typing import Any

__all__ = ("document",)

_DATATYPES = (
    *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "BYTES"),
)
_NUMBER = {"type": "number", "minimum": -1e6, "maximum": 1e6}


def document(name: str, columns: int) -> dict[str, Any]:
    """Of a model with the one input ``x``, FP32 [?, columns].

    Args:
        name: Of the model.
        columns: Values in a row.
    """
    row = {"type": "array", "items": _NUMBER, "minItems": columns, "maxItems": columns}
    schemas = {
        "Rows": {"type": "array", "items": row, "minItems": 1, "maxItems": 50},
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"oneOf": [{"type": "string"}, {"type": "object"}]}},
        },
        "RequestInput": {
            "type": "object",
            "required": ["name", "shape", "datatype", "data"],
            "properties": {
                "name": {"type": "string", "enum": ["x"]},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}},
                "datatype": {"type": "string", "enum": list(_DATATYPES)},
                "parameters": {"$ref": "#/components/schemas/Parameters"},
                "data": {"type": "array", "items": {"anyOf": [_NUMBER, row]}},
            },
        },
        "Parameters": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
            },
        },
        "RequestOutput": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "parameters": {"$ref": "#/components/schemas/Parameters"},
            },
        },
        "Tensors": {
            "type": "object",
            "required": ["model_name", "outputs"],
            "properties": {
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "id": {"type": "string"},
                "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
            },
        },
        "Tensor": {
            "type": "object",
            "required": ["name", "shape", "datatype", "data"],
            "properties": {
                "name": {"type": "string"},
                "shape": {"type": "array", "items": {"type": "integer"}},
                "datatype": {"type": "string", "enum": list(_DATATYPES)},
                "data": {"type": "array"},
            },
        },
    }
    predict = {
        "type": "object",
        "required": ["instances"],
        "properties": {
            "signature_name": {"type": "string", "enum": ["serving_default"]},
            "instances": {"$ref": "#/components/schemas/Rows"},
        },
    }
    infer = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"$ref": "#/components/schemas/Parameters"},
            "inputs": _list("RequestInput"),
            "outputs": _list("RequestOutput"),
        },
    }
    predictions = {"type": "object", "required": ["predictions"]}
    about = {
        "type": "object",
        "required": ["name", "inputs", "outputs"],
        "properties": {"name": {"type": "string"}, "inputs": {"type": "array"}},
    }
    anything = {"type": "object"}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"The model {name}", "version": "1"},
        "paths": {
            f"/v1/models/{name}:predict": {"post": _ask(predict, predictions)},
            f"/v1/models/{name}": {"get": _look(anything)},
            f"/v2/models/{name}/infer": {"post": _ask(infer, _ref("Tensors"))},
            f"/v2/models/{name}": {"get": _look(about)},
            f"/v2/models/{name}/ready": {"get": _look(anything)},
            "/v2/health/live": {"get": _look(anything)},
            "/v2/health/ready": {"get": _look(anything)},
            "/v2": {"get": _look(anything)},
        },
        "components": {"schemas": schemas},
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(name), "minItems": 1, "maxItems": 3}


def _ask(question: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": question}}},
        "responses": _responses(answer),
    }


def _look(answer: dict[str, Any]) -> dict[str, Any]:
    return {"responses": _responses(answer)}


def _responses(answer: dict[str, Any]) -> dict[str, Any]:
    error = {"description": "Why not.", "content": {"application/json": {"schema": _ref("Error")}}}
    found = {"description": "The answer.", "content": {"application/json": {"schema": answer}}}
    return {"200": found, "4XX": error}
