"""Deployments as plain text."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..specs import Deployment, DeploymentState, Traffic, VersionTraffic
from .amounts import age, columns, duration

__all__ = (
    "answers",
    "deployment_reason",
    "deployment_text",
    "deployments_text",
    "scaling",
    "traffic",
    "version_name",
    "wanted",
)

_IDLE = "no replica: the next request starts one."


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


def wanted(deployment: Deployment) -> int:
    """Replicas that there are to be, of all versions."""
    canary = deployment.canary
    return deployment.wished + (0 if canary is None else canary.replicas)


def deployment_reason(deployment: Deployment) -> str:
    """Why it is in its state, or an empty string where that goes without saying."""
    idle = deployment.state is DeploymentState.IDLE
    return deployment.reason or (_IDLE if idle else "")


def scaling(deployment: Deployment) -> str:
    """``scales from 0 to 4``, or an empty string."""
    bounds = deployment.spec.autoscale
    return "" if bounds is None else f"scales from {bounds.min} to {bounds.max}"


def _each_gets(deployment: Deployment) -> str:
    """``each with 2 GPUs, 4 threads, batches of 32``, or an empty string."""
    spec = deployment.spec
    facts = [
        f"{spec.gpus} GPU{'' if spec.gpus == 1 else 's'}" if spec.gpus else "",
        f"{spec.cpus} thread{'' if spec.cpus == 1 else 's'}" if spec.cpus is not None else "",
        f"batches of {spec.batch.size}" if spec.batch is not None else "",
    ]
    said = ", ".join(filter(None, facts))
    return f"each with {said}" if said else ""


def version_name(deployment: Deployment, version: int) -> str:
    """``version 2 (canary)``."""
    canary = deployment.canary
    return f"version {version}" + (" (canary)" if canary and canary.version == version else "")


def answers(seen: VersionTraffic) -> str:
    """``1 ready, 120 requests, 2 failed, p50 3.1 ms, p95 12 ms``: what a version has done."""
    facts = [
        f"{seen.ready} ready",
        f"{seen.requests} request{'' if seen.requests == 1 else 's'}",
        f"{seen.failed} failed",
    ]
    facts += [
        f"{name} {duration(value)}"
        for name, value in (("p50", seen.p50), ("p95", seen.p95))
        if value is not None
    ]
    return ", ".join(facts)


def deployment_text(deployment: Deployment, now: float | None = None) -> str:
    """Several lines about one deployment."""
    now = time.time() if now is None else now
    said = deployment_reason(deployment)
    facts = [
        f"version {deployment.version} of {deployment.spec.model}",
        f"{deployment.ready} of {wanted(deployment)} ready",
        scaling(deployment),
        _each_gets(deployment),
        age(now - deployment.created),
    ]
    lines = [
        f"{deployment.name}  {deployment.state.value}{f': {said}' if said else ''}",
        f"  {', '.join(fact for fact in facts if fact)}",
    ]
    if seen := traffic(deployment.traffic):
        lines.append(f"  {seen}")
    if deployment.url:
        lines.append(f"  at {deployment.url}")
    if deployment.warning:
        lines.append(f"  warning: {deployment.warning}")
    lines += _versions(deployment)
    if deployment.canary is None and deployment.previous is not None:
        lines.append(f"  version {deployment.previous} was before; a rollback brings it back")
    for replica in deployment.replicas:
        facts = [f"version {replica.version}"]
        if replica.restarts:
            facts.append(f"{replica.restarts} restart{'' if replica.restarts == 1 else 's'}")
        if replica.reason:
            facts.append(replica.reason)
        lines.append(f"  {replica.name}  {replica.state.value}  {', '.join(facts)}")
    return "\n".join(lines)


def deployments_text(deployments: Sequence[Deployment], now: float | None = None) -> str:
    """One line for each deployment, and one for each version of one that has a canary."""
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
                f"{each.ready}/{wanted(each)}",
                "-" if seen is None else str(seen.requests),
                "-" if seen is None else f"{seen.rate:.1f}/s",
                age(now - each.created),
            )
        )
    head, *lines = columns(rows).split("\n")
    for each, line in zip(deployments, lines, strict=True):
        head = "\n".join([head, line, *_versions(each)])
    return head


def _versions(deployment: Deployment) -> list[str]:
    """A line for each version where there is a canary."""
    if deployment.canary is None or not deployment.versions:
        return []
    rows = [
        (f"  {version_name(deployment, each.version)}", f"{each.percent}%", answers(each))
        for each in deployment.versions
    ]
    return columns(rows).split("\n")
