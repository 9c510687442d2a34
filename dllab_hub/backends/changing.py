"""`changed`: a wish with some of its fields changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidRequest
from ..specs import TrainingSpec

__all__ = ("changed",)


def changed(spec: TrainingSpec, changes: Mapping[str, Any]) -> TrainingSpec:
    """The wish with other fields.

    Args:
        spec: The wish.
        changes: Fields as JSON; a ``code`` is merged field by field, every other one is replaced.

    Raises:
        InvalidRequest: the result is no wish.
    """
    old = spec.to_wire()
    code = changes.get("code", {})
    if not isinstance(code, Mapping):
        raise InvalidRequest("must be an object.", field="code")
    return TrainingSpec.from_wire({**old, **changes, "code": {**old["code"], **code}})
