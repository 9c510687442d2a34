"""`job_filter`: which jobs an address asks for."""

from __future__ import annotations

import math
import re

from ..errors import InvalidRequest
from ..specs import JobFilter, JobState
from .query import Query

__all__ = ("FILTER", "REPEATABLE", "job_filter")

#: Parameters of a filter.
FILTER = ("name", "image", "tag", "text", "since", "until", "favourite")
REPEATABLE = ("state",)
_MOMENT = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?")


def job_filter(query: Query) -> JobFilter:
    """The filter that the parameters make.

    Raises:
        InvalidRequest: one of them is wrong.
    """
    favourite = query.number("favourite") or 0
    if favourite not in (0, 1):
        raise InvalidRequest("must be 0 or 1.", field="favourite")
    return JobFilter(
        states=tuple(_state(word) for word in query.texts("state")),
        name=query.text("name"),
        image=query.text("image"),
        tag=query.text("tag"),
        text=query.text("text") or "",
        since=_moment(query, "since"),
        until=_moment(query, "until"),
        favourite=bool(favourite),
    )


def _state(word: str) -> JobState:
    try:
        return JobState(word)
    except ValueError:
        raise InvalidRequest(f"must be one of {', '.join(JobState)}.", field="state") from None


def _moment(query: Query, key: str) -> float | None:
    text = query.text(key)
    if text is None:
        return None
    if not _MOMENT.fullmatch(text) or not math.isfinite(float(text)):
        raise InvalidRequest("must be seconds since the epoch, such as 1700000000.", field=key)
    return float(text)
