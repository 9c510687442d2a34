"""`check_piece` and `check_limit`: which part of a log, or of a list, may be asked for."""

from __future__ import annotations

from ..errors import InvalidRequest

__all__ = ("check_limit", "check_piece")

#: No log is longer.
_FARTHEST = 2**62


def check_limit(limit: int, most: int) -> None:
    """Refuse to answer with nothing, or with more than ``most``.

    Raises:
        InvalidRequest: naming ``limit``.
    """
    if not 1 <= limit <= most:
        raise InvalidRequest(f"must be from 1 to {most}.", field="limit")


def check_piece(attempt: int | None, offset: int = 0, *, from_end: bool = True) -> None:
    """Refuse what is no place in the log of an attempt.

    Args:
        attempt: From 1; None for the newest.
        offset: Bytes; negative counts from the end.
        from_end: Whether it may be negative.

    Raises:
        InvalidRequest: naming ``offset`` or ``attempt``.
    """
    if not (-_FARTHEST if from_end else 0) <= offset <= _FARTHEST:
        raise InvalidRequest("is out of range.", field="offset")
    if attempt is not None and attempt < 1:
        raise InvalidRequest("counts from 1.", field="attempt")
