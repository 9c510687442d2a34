"""Commands about what the machine does: gpus, top."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ..client import Client
from ..errors import NotFound
from ..plaintext import inert
from ..specs import Alert, GpuReport, Host, JobState, TrainingJob
from ..tables import age, columns, cut, gpus_text, host_text, pace, progress
from .screen import repeat

__all__ = ("gpus", "top", "top_text")

_Value = TypeVar("_Value")

#: Characters of an id and of a step on one screen.
_ID, _MOST = 32, 20
#: Alerts that are told in full, and characters of one.
_ALERTS, _WIDTH = 3, 100
_UNDER_WAY = (JobState.RUNNING, JobState.RESTARTING)


def gpus(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab gpus``."""
    client = Client()
    person = str(client.status()["user"])

    def look() -> tuple[object, str]:
        report = client.gpus()
        return report.to_wire(), gpus_text(report, person)

    return _show(options, look)


def top(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab top``."""
    client = Client()
    person = str(client.status()["user"])

    def look() -> tuple[object, str]:
        host, alerts, now = _told(client.host), _told(client.alerts), time.time()
        report, jobs = client.gpus(), list(client.list(_UNDER_WAY, limit=500).jobs)
        firing = [
            alert
            for alert in (() if alerts is None else alerts.alerts)
            if alert.state == "firing" and (alert.silenced is None or alert.silenced <= now)
        ]
        wire: dict[str, Any] = {
            "host": None if host is None else host.to_wire(),
            "gpus": report.to_wire(),
            "alerts": [alert.to_wire() for alert in firing],
            "jobs": [job.to_wire() for job in jobs],
        }
        return wire, top_text(host, report, jobs, firing, person)

    return _show(options, look)


def top_text(
    host: Host | None,
    report: GpuReport,
    jobs: list[TrainingJob],
    alerts: list[Alert],
    person: str,
    now: float | None = None,
) -> str:
    """What is wrong, the machine, its GPUs with their holders, and the jobs that run.

    Args:
        host: None when it is not told.
        report: All GPUs.
        jobs: That run.
        alerts: That fire and are not silenced.
        person: Who reads it.
        now: Seconds since the epoch.
    """
    now = time.time() if now is None else now
    wrong = [cut(f"! {alert.severity}: {alert.message}", _WIDTH) for alert in alerts[:_ALERTS]]
    if len(alerts) > _ALERTS:
        wrong.append(f"! {len(alerts) - _ALERTS} more: dllab alerts")
    parts = [inert("\n".join(wrong))] if wrong else []
    if host is not None and host_text(host):
        parts.append(host_text(host))
    parts.append(gpus_text(report, person))
    if not jobs:
        parts.append("no job of yours runs")
        return "\n\n".join(parts)
    rows = [("JOB", "STATE", "GPUS", "STEP", "RATE", "RUNS FOR")]
    for job in jobs:
        rows.append(
            (
                cut(job.id, _ID),
                job.state.value,
                str(job.spec.gpus),
                cut(progress(job).removeprefix("step ") or "-", _MOST),
                pace(job) or "-",
                "-" if job.started is None else age(now - job.started),
            )
        )
    parts.append(inert(columns(rows)))
    return "\n\n".join(parts)


def _told(ask: Callable[[], _Value]) -> _Value | None:
    """None from a server that does not know of it."""
    try:
        return ask()
    except NotFound:
        return None


def _show(options: argparse.Namespace, look: Callable[[], tuple[object, str]]) -> int:
    """Once, or again and again."""
    if options.watch is None:
        wire, text = look()
        print(json.dumps(wire, indent=2) if options.json else text)
        return 0
    if options.json:
        return repeat(options.watch, lambda: json.dumps(look()[0]), lines=True)

    def picture() -> str:
        return f"{time.strftime('%H:%M:%S')}  every {options.watch} s\n\n{look()[1]}"

    return repeat(options.watch, picture)
