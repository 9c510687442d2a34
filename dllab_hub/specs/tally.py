"""`Tally`: what one version of a deployment has answered, as numbers that only grow."""

from __future__ import annotations

from .wire import Value

__all__ = ("LATENCIES", "Tally")

#: Seconds: of an answer it is known which of these it did not exceed.
LATENCIES = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)


class Tally(Value):
    """Of one version, since the lab service looks after it. It begins anew with the service.

    Attributes:
        requests: Answered.
        failed: Of these, with 5xx or not at all.
        seconds: That those took which did not fail, all together.
        within: Of those, how many took no longer than each of `LATENCIES`.
    """

    requests: int = 0
    failed: int = 0
    seconds: float = 0.0
    within: tuple[int, ...] = (0,) * len(LATENCIES)
