"""`read_object`: the JSON object that a request carries, read strictly."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from ..errors import InvalidRequest

__all__ = ("MAX_BODY_BYTES", "read_object")

_T = TypeVar("_T")

#: Twice the code a job may have: JSON escapes make text longer.
MAX_BODY_BYTES = 8 * 1024 * 1024


def read_object(body: bytes, make: Callable[[dict[str, Any]], _T]) -> _T:
    """What ``make`` makes of the JSON object ``body``. Slow for a large one: use a thread.

    Raises:
        InvalidRequest: it is not one JSON object in UTF-8, a key is there twice, a number is not
            finite, or ``make`` says so.
    """
    try:
        data = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_not_finite)
        if not isinstance(data, dict):
            raise InvalidRequest("the body must be a JSON object.")
        return make(data)
    except InvalidRequest:
        raise
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply.") from None
    except ValueError as exc:
        line = exc.lineno if isinstance(exc, json.JSONDecodeError) else None
        raise InvalidRequest("the body is not JSON in UTF-8.", line=line) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise InvalidRequest("the body has a key twice in one object.")
    return made


def _not_finite(_: str) -> NoReturn:
    raise InvalidRequest("numbers must be finite.")
