"""`thinned` and `evenly`: fewer points of curves, so that they fit into an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..specs import Curve

__all__ = ("evenly", "thinned")

_T = TypeVar("_T")


def evenly(values: Sequence[_T], most: int) -> tuple[_T, ...]:
    """At most ``most`` of the values (2 at least), evenly taken; the first and the last stay.

    >>> evenly(range(10), 4)
    (0, 3, 6, 9)
    """
    count = len(values)
    if count <= most:
        return tuple(values)
    return tuple(values[round(n * (count - 1) / (most - 1))] for n in range(most))


def thinned(curves: Sequence[Curve], most: int) -> tuple[Curve, ...]:
    """The curves with at most so many points together; first and last of each stay.

    Args:
        curves: Those beyond half of ``most`` are left out.
        most: Points of all together.
    """
    if sum(len(curve.times) for curve in curves) <= most:
        return tuple(curves)
    kept = curves[: most // 2]
    share = most // len(kept)
    return tuple(_every(curve, share) for curve in kept)


def _every(curve: Curve, most: int) -> Curve:
    count = len(curve.times)
    if count <= most:
        return curve
    at = evenly(range(count), most)
    return curve.model_copy(
        update={
            "steps": tuple(curve.steps[n] for n in at) if curve.steps else (),
            "times": tuple(curve.times[n] for n in at),
            "values": tuple(curve.values[n] for n in at),
        }
    )
