"""Alerts as plain text."""

from __future__ import annotations

from ..plaintext import inert
from ..specs import Alert, AlertList
from .amounts import age, columns

__all__ = ("alerts_text",)


def alerts_text(seen: AlertList, now: float) -> str:
    """One line for each alert, with what is wrong and what was done below it.

    Args:
        seen: In their order.
        now: Seconds since the epoch.
    """
    if not seen.alerts:
        return "nothing is wrong"
    rows = [("ALERT", "SEVERITY", "STATE", "SINCE", "ID")]
    rows += [(a.rule, a.severity, _state(a, now), _since(a, now), a.id) for a in seen.alerts]
    head, *lines = columns(rows).splitlines()
    said = [head]
    for alert, line in zip(seen.alerts, lines, strict=True):
        whose = f" ({alert.owner})" if alert.owner else ""
        said += [line, f"  {alert.message}{whose}"]
        if alert.act is not None:
            said.append(f"  {alert.act.action}, {alert.act.outcome}: {alert.act.message}")
        elif alert.hint and alert.state == "firing":
            said.append(f"  {alert.hint}")
    return inert("\n".join(said))


def _since(alert: Alert, now: float) -> str:
    """How long it has been in its state: a resolved one, how long it has been over."""
    over = alert.resolved if alert.state == "resolved" else None
    return age(now - (alert.since if over is None else over))


def _state(alert: Alert, now: float) -> str:
    if alert.silenced is not None and alert.silenced > now:
        return f"{alert.state}, silent for {age(alert.silenced - now)}"
    return alert.state
