"""`Autoscaler`: how many replicas a deployment is to have, by what it has to do. Pure.

Up at once, to as many as the load of the last seconds needs; down only when for minutes no more
would have been needed at any moment, so that at a load that stays as it is the number does too.
"""

from __future__ import annotations

import math
from collections import deque

from ....specs import Autoscale

__all__ = ("Autoscaler",)

#: Seconds over which the load is taken: shorter, and every few requests at once are a load.
_LOOK = 3.0
#: Seconds in which fewer must have been enough before there are fewer.
_STABLE = 300.0
#: By how much the load may be over what the replicas are meant for, as a share.
_TOLERANCE = 0.1


class Autoscaler:
    """Of one deployment.

    Args:
        limits: What was wished for.
    """

    def __init__(self, limits: Autoscale) -> None:
        self.limits = limits
        self._areas: deque[tuple[float, float]] = deque()  # When, and `Record.area` then.
        self._needs: deque[tuple[float, int]] = (
            deque()
        )  # When, and how many would have been enough.

    def decide(
        self, now: float, replicas: int, area: float | None, *, inflight: int, quiet: float
    ) -> int:
        """How many there are to be now.

        Args:
            now: Monotonic seconds.
            replicas: How many there are to be so far.
            area: As of `Record.area`; None: the load is not known, and nothing changes. What is
                decided next is by what is known from then on.
            inflight: Requests now.
            quiet: Seconds since somebody last asked or was answered.
        """
        limits = self.limits
        if area is None:
            self._areas.clear()
            self._needs.clear()
            return min(max(replicas, limits.min), limits.max)
        need = self._need(now, area)
        if replicas == 0:  # Somebody's request is what starts the first one.
            return min(max(need or 0, 1), limits.max) if inflight else 0
        if limits.min == 0 and not inflight and quiet >= limits.idle:
            self._needs.clear()
            return 0
        least = max(limits.min, 1)
        if need is None:
            return min(max(replicas, least), limits.max)
        if need > replicas:
            return min(max(need, least), limits.max)
        # Fewer, when for long enough no more would have been right at any moment.
        known = now - self._needs[0][0] >= _STABLE
        most = max(count for _, count in self._needs)
        return min(max(min(replicas, most) if known else replicas, least), limits.max)

    def _need(self, now: float, area: float) -> int | None:
        """How many replicas the last seconds' load needs; None before it is known."""
        areas, needs = self._areas, self._needs
        areas.append((now, area))
        while len(areas) > 2 and areas[1][0] <= now - _LOOK:
            areas.popleft()
        since, before = areas[0]
        if now - since < _LOOK:
            return None
        load = (area - before) / (now - since) / self.limits.target
        # Between the two they stay as many as they are.
        needs.append((now, math.ceil(load - 1e-9)))
        while needs[0][0] < now - _STABLE - 1:
            needs.popleft()
        return math.ceil(load / (1 + _TOLERANCE) - 1e-9)
