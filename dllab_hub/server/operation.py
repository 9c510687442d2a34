"""`Operation`: what one verb does at one address, in the terms of the description."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ..backends.base import MAX_PAGE
from ..backends.told import MAX_LOG_BYTES

__all__ = (
    "LOG",
    "PIECE",
    "TEXT",
    "WHERE",
    "Operation",
    "array",
    "object_of",
    "page",
    "query",
    "ref",
    "several",
    "whole",
)

TEXT: dict[str, Any] = {"type": "string"}


@dataclass(frozen=True)
class Operation:
    """One verb at one address.

    Attributes:
        answer: Name of the schema, or the schema itself.
        query: Parameters.
        body: Name of the schema of the body, or schemas by media type; empty for none.
        status: Of a good answer.
        errors: What else may be answered, besides what every address may.
    """

    summary: str
    answer: str | dict[str, Any]
    query: tuple[dict[str, Any], ...] = ()
    body: str | dict[str, dict[str, Any]] = ""
    status: HTTPStatus = HTTPStatus.OK
    errors: tuple[HTTPStatus, ...] = ()
    media: str = "application/json"


def query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    """A parameter behind the question mark."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def whole(low: int | None = None, high: int | None = None, **more: Any) -> dict[str, Any]:
    """The schema of a whole number."""
    limits = {"minimum": low, "maximum": high}
    return {"type": "integer", **{k: v for k, v in limits.items() if v is not None}, **more}


def array(key: str, item: dict[str, Any]) -> dict[str, Any]:
    """An object with a list under ``key``."""
    return object_of(**{key: {"type": "array", "items": item}})


def object_of(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}


def ref(name: str) -> dict[str, Any]:
    """The schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def page(what: str) -> tuple[dict[str, Any], ...]:
    """The parameters of a list."""
    return (
        query("limit", f"Most {what} in the answer.", **whole(1, MAX_PAGE, default=50)),
        query("next", "`next` of the page before.", **TEXT),
    )


def several(name: str, description: str, item: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be there several times."""
    return {**query(name, description, type="array", items=item), "explode": True}


_MOMENT = {"type": "number", "minimum": 0}
#: The parameters of a filter of jobs.
WHERE = (
    query("name", "Of the job, without the end of its id.", **TEXT),
    query("image", "Name of its image.", **TEXT),
    query("tag", "One that it has.", **TEXT),
    query("text", "Words that are all in its id, tags, notes, reason, image or code.", **TEXT),
    query("since", "Created then or later, seconds since the epoch.", **_MOMENT),
    query("until", "Created before.", **_MOMENT),
    query("favourite", "1: only favourites.", **whole(0, 1, default=0)),
    several("state", "Only these.", ref("JobState")),
)
#: Which log of a job.
LOG = (
    query("replica", "Such as `worker-0`; all, merged, without it.", **TEXT),
    query("attempt", "The newest without it.", **whole(1)),
)
#: The parameters of a log.
PIECE = (
    query(
        "offset",
        "Where to start; negative counts from the end.",
        **whole(-(2**62), 2**62, default=0),
    ),
    query("limit", "Most bytes.", **whole(1, MAX_LOG_BYTES, default=65536)),
)
