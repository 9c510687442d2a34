"""Runs a job, or a server of a deployment: its plan, its volumes, its gang, and the record."""

from __future__ import annotations

import resource
import traceback
from pathlib import Path

from . import PLAN
from .gang import Gang
from .process import sweep
from .record import read_json
from .replica import workspace_of
from .signals import Signals
from .volumes import link_volumes
from .writing import ExitRecord

__all__ = ("run_job",)


def run_job(run: Path, signals: Signals, record: ExitRecord) -> int:
    """Run the job to its end, and write down how it ended.

    Args:
        run: Its run directory.
        signals: SIGTERM or SIGINT cancels it.
        record: For its end.

    Returns:
        0 when the record says how it ended.
    """
    plan = read_json(run / PLAN)
    if plan is None:
        record.write("FAILED", "the job's plan is missing or damaged.", 0)
        return 1
    gang = Gang(run, plan, signals)
    code = 0
    try:
        if trouble := link_volumes(plan.get("volumes", {}), workspace_of(plan, run)):
            record.write("FAILED", trouble, 0)
            return 0
        _room_for(sum(role["replicas"] for role in plan["roles"]))
        state, reason = gang.run()
    except Exception as exc:  # The end must be recorded and nothing be left, whatever happened.
        traceback.print_exc()
        state, reason, code = "FAILED", f"the job's supervisor failed: {exc!r}.", 1
        sweep(str(plan.get("id")), children=True)
    record.write(state, reason, gang.attempt)
    return code


def _room_for(replicas: int) -> None:
    """A pipe and a log for each replica, and some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * replicas + 64
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
