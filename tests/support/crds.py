"""Schemas of CustomResourceDefinitions, as strict as the API server is when it is asked to be."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

__all__ = ("CRDS", "crd_validator")

#: A directory with CRDs, or None.
CRDS = os.environ.get("DLLAB_CRD_DIR")


@lru_cache(maxsize=4)  # KServe's take seconds to be read.
def crd_validator(name: str) -> Any:
    """Validates by the only version in a file of `CRDS`; an unknown field is an error."""
    path = Path(CRDS or "") / f"{name}.yaml"
    (version,) = yaml.safe_load(path.read_text())["spec"]["versions"]
    return jsonschema.Draft202012Validator(_closed(version["schema"]["openAPIV3Schema"]))


def _closed(schema: Any, *, top: bool = True) -> Any:
    if isinstance(schema, list):
        return [_closed(one, top=False) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    done = {key: _closed(value, top=False) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not top:
        done.setdefault("additionalProperties", False)
    return done
