"""`Wish`: a difference between what is to be on a cluster and what is there."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .job import ClusterJob
from .look import is_ours, lingering

__all__ = ("Wish", "wish_of")

#: Seconds between two attempts to have a JobSet made or removed.
_AGAIN = 3.0


@dataclass(frozen=True)
class Wish:
    """A JobSet to make or to remove.

    Attributes:
        id: Of the job.
        make: Whether its JobSet is to be made; else removed.
        first_attempt: Number of the attempt that it begins with.
        uid: Of the JobSet to remove; None for whichever has its name.
    """

    id: str
    make: bool
    first_attempt: int = 1
    uid: str | None = None


def wish_of(live: ClusterJob, now: float) -> Wish | None:
    """What is to be done about its JobSet, when what is there is known; None for nothing.

    Args:
        live: As of its last look.
        now: On the monotonic clock.
    """
    seen, launched = live.seen, live.launched
    if not seen.live or now - live.tried < _AGAIN:
        return None
    there = seen.jobset
    if there is not None:
        if launched.wanted and is_ours(there, launched.carried):
            return None
        if there["metadata"].get("deletionTimestamp"):
            return None
        live.tried = now
        return Wish(live.id, make=False, uid=there["metadata"].get("uid"))
    if not launched.wanted:
        if not launched.tried or launched.sure:
            return None
        live.tried = now
        return Wish(live.id, make=False)  # It may be there though nobody has heard.
    if launched.made or lingering(seen.pods, time.time()):
        return None
    live.asked_for()
    return Wish(live.id, make=True, first_attempt=launched.carried.first_attempt)
