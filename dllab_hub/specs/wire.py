"""What every value class shares: frozen, strict, no unknown keys, one reading of bad input.

Strict means that ``"2"``, ``2.0`` and ``true`` are not the integer 2; whoever reads text (a form, a
command line) turns it into numbers first and owns the message when that fails.
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InvalidRequest
from ..names import NAME_PATTERN, NAME_RULE

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # The same class, by its public way.

__all__ = ("Name", "Value")

#: A key that is safe everywhere: see `names`.
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$", max_length=40)]


class _Explaining(ModelMetaclass):
    """Construction by hand raises `InvalidRequest`; nested values keep pydantic's own path."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - a metaclass
        try:
            return super().__call__(*args, **kwargs)
        except ValidationError as exc:
            raise _explain(cls, exc) from None  # type: ignore[arg-type]


class Value(BaseModel, metaclass=_Explaining):
    """An immutable value that travels as JSON.

    Constructing one by hand or reading it from the wire runs the same checks; both raise
    `InvalidRequest`, which names the first offending field.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def from_wire(cls, data: object) -> Self:
        """Read the value from decoded JSON.

        Raises:
            InvalidRequest: naming the field and what it should be.
        """
        if not isinstance(data, dict):
            raise InvalidRequest(f"expected a JSON object that describes a {cls.__name__}.")
        try:
            # Through JSON's own rules: a list is a tuple and a string is an enum member here.
            return cls.model_validate_json(_dumps(data))
        except ValidationError as exc:
            raise _explain(cls, exc) from None

    def to_wire(self) -> dict[str, Any]:
        """The value as JSON types only."""
        return self.model_dump(mode="json")


def _dumps(data: object) -> str:
    try:
        return json.dumps(data, allow_nan=False)
    except ValueError as exc:
        raise InvalidRequest("numbers must be finite.") from exc
    except TypeError as exc:
        raise InvalidRequest(f"not JSON: {exc}.") from exc


def _explain(cls: type[BaseModel], exc: ValidationError) -> InvalidRequest:
    """The first error as one sentence. The input is never echoed: it may be markup or a secret."""
    first = exc.errors(include_url=False, include_input=False)[0]
    path = [str(part) for part in first["loc"]]
    field = _safe(".".join(path))
    if first["type"] == "extra_forbidden":
        known = list(cls.model_fields)
        close = difflib.get_close_matches(path[-1], known, 1)
        if len(path) > 1:
            fix = "Remove it."
        else:
            fix = f"Did you mean {close[0]}?" if close else f"Known keys: {', '.join(known)}."
        return InvalidRequest("there is no such key.", hint=fix, field=field)
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, InvalidRequest):
        joined = ".".join(part for part in (field, inner.field) if part)
        return InvalidRequest(inner.message, hint=inner.hint, field=joined, line=inner.line)
    if first["type"] == "string_pattern_mismatch":
        return InvalidRequest(NAME_RULE, field=field)
    message = first["msg"].removeprefix("Input ")
    return InvalidRequest(message[0].lower() + message[1:] + ".", field=field)


def _safe(field: str) -> str:
    """A field path is named by the sender when a key is unknown: keep it short and harmless."""
    return "".join(c if c.isalnum() or c in "._-" else "?" for c in field)[:80]
