"""What GPUs of this machine are free, who holds the others, and what a wish would meet."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from ...leases import LeaseDir
from ...specs import Capacity, Holder, JobState
from ...state import StateDir

__all__ = ("capacity", "holders", "waiting")

_LOG = logging.getLogger(__name__)
_KNOWN = ("kind", "owner", "name", "id", "lend")


def capacity(leases: LeaseDir, gpus: Sequence[str], owner: str, wanted: int | None) -> Capacity:
    """What ``owner`` may know. Looks at the locks themselves: call it in a thread.

    Args:
        leases: Of this machine.
        gpus: UUIDs of all its GPUs. One that is withdrawn and free counts as not there.
        owner: Who asks; names of other people's things are left out.
        wanted: How many GPUs a job is to get, or None without a wish.
    """
    held, aside = holders(leases, gpus), leases.withdrawn()
    there = [uuid for uuid in gpus if uuid in held or uuid not in aside]
    return Capacity.of(owner, len(there), held.values(), wanted)


def holders(leases: LeaseDir, gpus: Sequence[str]) -> dict[str, Holder]:
    """Who holds each GPU that is not free, with all names."""
    return {uuid: _holder(about) for uuid, about in leases.held(gpus).items() if about is not None}


def waiting(state: StateDir) -> int:
    """How many jobs wait for GPUs of this machine, as the lab service has written it down.

    Changes nothing. Blocks for a moment: call it in a thread.
    """
    index = state.root / "index.sqlite"
    if not index.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{index.as_uri()}?mode=ro", uri=True, timeout=1)) as db:
            (count,) = db.execute(_WAITING, (JobState.PENDING.value,)).fetchone()
    except sqlite3.Error as exc:
        _LOG.warning("The queue of jobs cannot be read just now: %s", exc)
        return 0
    return int(count)


_WAITING = """
SELECT count(*) FROM jobs WHERE live = 1 AND state = ?
    AND coalesce(json_extract(job, '$.spec.target'), 'machine') = 'machine' AND EXISTS (
    SELECT 1 FROM json_each(job, '$.spec.roles') WHERE json_extract(value, '$.gpus') > 0
)
"""


def _holder(about: Mapping[str, Any]) -> Holder:
    try:
        wire = {key: about[key] for key in _KNOWN if key in about}
        borrower = about.get("lent_to")
        if borrower is not None:
            wire["lent_to"] = _holder(borrower).to_wire()
        return Holder.from_wire(wire)
    except ValueError:
        return Holder(kind="job")  # Held, and the note that says by whom is unreadable.
