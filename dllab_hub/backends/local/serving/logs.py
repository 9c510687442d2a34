"""A piece of the log of one unit of a deployment."""

from __future__ import annotations

import os

from ....errors import NotFound
from ....shim import LOGS
from ....specs import LogChunk
from ..account import Account
from ..rundir import RunDir, Unreadable
from .deploymentdir import BALANCER, DeploymentDir

__all__ = ("read_log",)


def read_log(
    folder: DeploymentDir, account: Account, unit: str | None, offset: int, limit: int
) -> LogChunk:
    """The piece of at most ``limit`` bytes (4 at least) from ``offset``; negative: from the end.

    A log that has become long is begun anew: a piece that was asked for beyond its end is then the
    beginning, and its ``offset`` says so.

    Args:
        folder: Of the deployment.
        account: Whose the units are.
        unit: ``replica-1`` or ``balancer``; None for the newest replica.
        offset: In bytes.
        limit: In bytes.

    Raises:
        NotFound: there is no such unit; the message says which there are.
    """
    names = sorted((path.name for path in folder.units.glob("[!.]*")), key=_order)
    if unit is None:
        unit = names[-1] if names else BALANCER
    elif unit not in names:
        raise NotFound(f"the logs are {', '.join(names)}.", field="replica")
    start, data, size = 0, b"", 0
    run = RunDir(folder.units / unit / "run", account)
    try:
        with run.opened(LOGS, f"{unit}.log") as (fd, size):
            start = max(size + offset, 0) if offset < 0 else offset if offset <= size else 0
            data = os.pread(fd, min(max(limit, 4), size - start), start)
    except Unreadable:
        pass  # Not written yet, or not to be trusted: an empty log either way.
    return LogChunk.cut(
        data, replica=unit, attempt=1, offset=start, size=size, over=False, tail=offset < 0
    )


def _order(name: str) -> int:
    """Replicas by number, after the balancer."""
    number = name.rpartition("-")[2]
    return int(number) if number.isdigit() else 0
