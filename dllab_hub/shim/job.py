"""Runs a job, or a server of a deployment: its plan, its links, its gang, and the record."""

from __future__ import annotations

import resource
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import PLAN
from .environment import workspace_of
from .gang import Gang
from .process import sweep
from .record import read_json
from .signals import Signals
from .volumes import link_volumes
from .writing import ExitRecord

__all__ = ("run_job",)


def run_job(run: Path, signals: Signals, record: ExitRecord) -> int:
    """Run the job to its end, and write down how it ended.

    Args:
        run: Its run directory.
        signals: SIGTERM or SIGINT cancels it, SIGUSR1 pauses it.
        record: For its end.

    Returns:
        0 when the record says how it ended.
    """
    plan = read_json(run / PLAN)
    if plan is None:
        record.write("FAILED", "the job's plan is missing or damaged.", 0)
        return 1
    before = int(plan.get("first_attempt", 1)) - 1
    gang: Gang | None = None
    code = 0
    try:
        if trouble := _link(plan, run):
            record.write("FAILED", trouble, before, plan.get("ran"))
            return 0
        _room_for(sum(role["replicas"] * (role.get("processes") or 1) for role in plan["roles"]))
        gang = Gang(run, plan, signals)
        state, reason = gang.run()
    except Exception as exc:  # The end must be recorded and nothing be left, whatever happened.
        traceback.print_exc()
        state, reason, code = "FAILED", f"the job's supervisor failed: {exc!r}.", 1
        sweep(str(plan.get("id")), children=True)
    record.write(state, reason, gang.attempt if gang else before, gang.ran if gang else None)
    return code


def _link(plan: Mapping[str, Any], run: Path) -> str:
    """Link volumes and the lab's packages.

    Returns:
        What keeps the job from starting, as a sentence; empty when all are there.
    """
    if trouble := link_volumes(plan.get("volumes", {}), workspace_of(plan, run)):
        return trouble
    if not plan.get("overlay"):
        return ""
    from .overlay import link_overlay

    return link_overlay(plan, run)


def _room_for(processes: int) -> None:
    """A pipe, a log and a port for each process, and some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * processes + 64
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
