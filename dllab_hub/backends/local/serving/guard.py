"""`verdict`: whether a canary does worse than it may. Pure."""

from __future__ import annotations

from ....specs import Canary
from .record import Summary

__all__ = ("verdict",)

#: Answers of a version before anything is said of it.
_ENOUGH = 20
#: Seconds that an answer may always take longer: less is noise.
_NOISE = 0.005


def verdict(canary: Canary, own: Summary, other: Summary) -> str:
    """Why the canary is to be rolled back, as a sentence; empty: it is not.

    Args:
        canary: With its bounds.
        own: What it has answered.
        other: What the other version has, in the same minutes.
    """
    if own.requests < _ENOUGH:
        return ""
    share = own.failed / own.requests
    before = other.failed / other.requests if other.requests else 0.0
    # Where the other version fails as often the requests are to blame, or what both need.
    if canary.max_errors is not None and share > max(canary.max_errors, before):
        return (
            f"Of its last {own.requests} answers {own.failed} were errors, "
            f"which is more than {canary.max_errors:.0%}.".replace("%.", " %.")
        )
    if canary.max_slowdown is None or own.mean is None or other.mean is None:
        return ""
    if other.requests - other.failed < _ENOUGH or own.requests - own.failed < _ENOUGH:
        return ""
    if own.mean > canary.max_slowdown * other.mean and own.mean - other.mean > _NOISE:
        return (
            f"Its answers take {own.mean * 1e3:.0f} ms on average, the others "
            f"{other.mean * 1e3:.0f} ms: more than {canary.max_slowdown:g} times as long."
        )
    return ""
