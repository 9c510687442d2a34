"""Deployments as plain text."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..specs import Deployment, Traffic
from .amounts import age, columns, duration

__all__ = ("deployment_text", "deployments_text", "traffic")


def traffic(seen: Traffic | None) -> str:
    """``1204 requests, 12.5/s, 3.1 ms each, 2 failed``, or an empty string without a balancer."""
    if seen is None:
        return ""
    facts = [f"{seen.requests} request{'' if seen.requests == 1 else 's'}"]
    if seen.requests:
        facts.append(f"{seen.rate:.1f}/s")
    if seen.latency is not None:
        facts.append(f"{duration(seen.latency)} each")
    facts += [
        f"{count} {word}"
        for count, word in (
            (seen.rejected, "rejected"),
            (seen.failed, "failed"),
            (seen.waiting, "waiting"),
        )
        if count
    ]
    return ", ".join(facts)


def deployment_text(deployment: Deployment, now: float | None = None) -> str:
    """Several lines about one deployment."""
    now = time.time() if now is None else now
    reason = f": {deployment.reason}" if deployment.reason else ""
    lines = [
        f"{deployment.name}  {deployment.state.value}{reason}",
        f"  version {deployment.version} of {deployment.spec.model}, "
        f"{deployment.ready} of {deployment.spec.replicas} ready, {age(now - deployment.created)}",
    ]
    if seen := traffic(deployment.traffic):
        lines.append(f"  {seen}")
    if deployment.url:
        lines.append(f"  at {deployment.url}")
    for replica in deployment.replicas:
        facts = [f"version {replica.version}"]
        if replica.restarts:
            facts.append(f"{replica.restarts} restart{'' if replica.restarts == 1 else 's'}")
        if replica.reason:
            facts.append(replica.reason)
        lines.append(f"  {replica.name}  {replica.state.value}  {', '.join(facts)}")
    return "\n".join(lines)


def deployments_text(deployments: Sequence[Deployment], now: float | None = None) -> str:
    """One line for each deployment."""
    if not deployments:
        return "no deployments yet"
    now = time.time() if now is None else now
    rows = [("NAME", "STATE", "MODEL", "READY", "REQUESTS", "RATE", "AGE")]
    for each in deployments:
        seen = each.traffic
        rows.append(
            (
                each.name,
                each.state.value,
                f"{each.spec.model}:{each.version}",
                f"{each.ready}/{each.spec.replicas}",
                "-" if seen is None else str(seen.requests),
                "-" if seen is None else f"{seen.rate:.1f}/s",
                age(now - each.created),
            )
        )
    return columns(rows)
