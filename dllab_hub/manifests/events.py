"""What an event of a cluster says, whichever of the two APIs it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ("about", "container_of", "reason_of", "seconds", "text_of", "time_of")


def reason_of(event: Mapping[str, Any]) -> str:
    """One word, such as ``FailedScheduling``."""
    return str(event.get("reason") or "")


def text_of(event: Mapping[str, Any]) -> str:
    """What it says: ``message`` in the core API, ``note`` in ``events.k8s.io``."""
    return str(event.get("message") or event.get("note") or "")


def about(event: Mapping[str, Any]) -> tuple[str, str, str]:
    """Kind, name and uid of the object it is about."""
    what = event.get("involvedObject") or event.get("regarding") or {}
    return str(what.get("kind") or ""), str(what.get("name") or ""), str(what.get("uid") or "")


def container_of(event: Mapping[str, Any]) -> str:
    """The part of the pod it is about, such as ``spec.containers{worker}``; often empty."""
    what = event.get("involvedObject") or event.get("regarding") or {}
    return str(what.get("fieldPath") or "")


def time_of(event: Mapping[str, Any]) -> float:
    """When it was said last, seconds since the epoch; 0 where it has no time."""
    series = event.get("series") or {}
    said = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
        (event.get("metadata") or {}).get("creationTimestamp"),
    )
    return max((seconds(text) for text in said if text), default=0.0)


def seconds(text: str) -> float:
    """A time of the API server, as seconds since the epoch; 0 where it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
