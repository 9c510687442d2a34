"""`answer`: what a model server with a model that gives back its input says."""

from __future__ import annotations

import json
from typing import Any

from ..backends.calls import Call, Reply

__all__ = ("answer", "reply")

_JSON = {"content-type": "application/json"}


def answer(name: str, call: Call) -> Reply:
    """The answer of a model that serves under this name."""
    if call.method == "GET" and call.path == f"v2/models/{name}/ready":
        return reply(200, {"name": name, "ready": True})
    keys = {f"v1/models/{name}:predict": "instances", f"v2/models/{name}/infer": "inputs"}
    key = keys.get(call.path) if call.method == "POST" else None
    if key is None:
        return reply(404, {"error": "there is nothing at this address of the model."})
    try:
        given = json.loads(call.body)[key]
    except (ValueError, LookupError, TypeError, RecursionError):
        return reply(400, {"error": f"the body must be a JSON object with {key}."})
    if not isinstance(given, list) or not given:
        return reply(400, {"error": f"{key} must be a list with something in it."})
    if key == "instances":
        return reply(200, {"predictions": given})
    return reply(200, {"model_name": name, "outputs": given})


def reply(status: int, body: dict[str, Any]) -> Reply:
    """An answer in JSON."""
    return Reply(status, json.dumps(body).encode(), _JSON)
