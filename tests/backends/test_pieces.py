"""Which part of a log, or of a list, may be asked for."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from dllab_hub.backends.pieces import check_limit, check_piece
from dllab_hub.errors import InvalidRequest


@pytest.mark.parametrize(("limit", "fits"), [(0, False), (1, True), (7, True), (8, False)])
def test_limits(limit: int, fits: bool) -> None:
    """From one to what there may be at most, both included."""
    with nullcontext() if fits else pytest.raises(InvalidRequest, match="from 1 to 7"):
        check_limit(limit, 7)


@pytest.mark.parametrize(
    ("attempt", "offset", "from_end", "field"),
    [
        (None, -(2**62), True, None),
        (1, 2**62, False, None),
        (0, 0, True, "attempt"),
        (1, -1, False, "offset"),
        (1, 2**62 + 1, True, "offset"),
        (1, -(2**62) - 1, True, "offset"),
    ],
)
def test_places(attempt: int | None, offset: int, from_end: bool, field: str | None) -> None:
    """Attempts count from one; only where that is said may one count from the end."""
    refused = pytest.raises(InvalidRequest) if field else nullcontext()
    with refused as caught:
        check_piece(attempt, offset, from_end=from_end)

    assert field == (caught.value.field if caught else None)
