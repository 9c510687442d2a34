"""Who may ask deployments, as plain text."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..specs import Access, Callers, DeploymentKey, Endpoint, NewKey
from .amounts import age, columns

__all__ = ("access_text", "callers_text", "endpoints_text", "new_key_text")


def callers_text(callers: Callers) -> str:
    """``everyone in the hub``."""
    if callers.who == "groups":
        return f"you and {', '.join(callers.groups)}"
    return "everyone in the hub" if callers.who == "everyone" else "only you"


def access_text(name: str, access: Access, now: float | None = None) -> str:
    """Several lines about one deployment."""
    lines = [f"{name} may be asked by {callers_text(access.callers)}"]
    if not access.keys:
        return f"{lines[0]}\n  no keys for programs outside the hub"
    now = time.time() if now is None else now
    rows = [("  KEY", "FOR", "MADE", "LAST USED", "EXPIRES")]
    rows += [
        (
            f"  {key.id}",
            key.title,
            f"{age(now - key.created)} ago",
            "never" if key.used is None else f"{age(now - key.used)} ago",
            _expires(key, now),
        )
        for key in access.keys
    ]
    return "\n".join([*lines, *columns(rows).split("\n")])


def new_key_text(name: str, made: NewKey, url: str) -> str:
    """The key, and how it is sent."""
    return "\n".join(
        (
            f"{made.key}",
            f"  for {made.title}; it is shown this once. Whoever has it may ask {name}.",
            f"  curl -H 'X-DLLab-Key: {made.key}' -d @rows.json \\",
            f"    HUB{url}v1/models/{name}:predict",
        )
    )


def endpoints_text(endpoints: Sequence[Endpoint]) -> str:
    """One line for each."""
    if not endpoints:
        return "no deployments that you may ask"
    rows = [("OWNER/NAME", "STATE", "MODEL", "URL")]
    rows += [
        (f"{each.owner}/{each.name}", each.state.value, f"{each.model}:{each.version}", each.url)
        for each in endpoints
    ]
    return columns(rows)


def _expires(key: DeploymentKey, now: float) -> str:
    if key.expires is None:
        return "never"
    return "expired" if key.expires <= now else f"in {age(key.expires - now)}"
