"""Which labs the culler stops."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dllab_hub.hub.culler import is_over

CASES: list[tuple[Any, int, int, bool]] = [
    ({"idle": 60}, 0, 59, False),
    ({"idle": 60}, 0, 60, True),
    ({"idle": 0}, 0, 100_000, False),
    ({"idle": 0}, 600, 100_000, False),
    ({}, 0, 100_000, False),
    (None, 600, 10, True),
    (None, 600, 9, False),
]


@pytest.mark.parametrize(("state", "limit", "minutes", "over"), CASES)
def test_each_lab_has_its_own_limit(state: Any, limit: int, minutes: int, over: bool) -> None:
    """A lab's own limit comes first, 0 is never; the culler's own is for those without one."""
    server = {"state": state} if state is not None else {}
    said = is_over(inactive=timedelta(minutes=minutes), inactive_limit=limit, server=server)

    assert over is said
