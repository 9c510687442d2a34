"""When a canary does worse than it may."""

from __future__ import annotations

import pytest

from dllab_hub.backends.local.serving.guard import verdict
from dllab_hub.backends.local.serving.record import Summary
from dllab_hub.specs import Canary


def answers(requests: int, failed: int = 0, mean: float | None = 0.01) -> Summary:
    return Summary(requests, failed, mean, mean, mean, mean)


@pytest.mark.parametrize(
    ("own", "other", "bounds", "said"),
    [
        (answers(19, 19), answers(100), {}, ""),
        (answers(20, 1), answers(100), {}, ""),
        (answers(20, 2), answers(100), {}, "Of its last 20 answers 2 were errors, which is more"),
        (answers(20, 2), Summary(), {}, "Of its last 20 answers 2 were errors, which is more"),
        (answers(20, 2), answers(100, 20), {}, ""),
        (answers(20, 1), answers(100), {"max_errors": 0.0}, "more than 0 %."),
        (answers(20, 20, None), answers(100), {"max_errors": None}, ""),
        (answers(50, 0, 0.1), answers(100), {}, ""),
        (answers(50, 0, 0.1), answers(100), {"max_slowdown": 3}, "100 ms on average, the others"),
        (answers(50, 0, 0.03), answers(100), {"max_slowdown": 3}, ""),
        (answers(50, 0, 0.004), answers(100, 0, 0.001), {"max_slowdown": 2}, ""),
        (answers(50, 0, 0.1), answers(19), {"max_slowdown": 3}, ""),
        (answers(19, 0, 0.1), answers(100), {"max_slowdown": 3}, ""),
    ],
)
def test_a_verdict(own, other, bounds, said) -> None:
    """Enough answers, more errors or slower than it may be, and worse than the other version."""
    found = verdict(Canary(version=2, **bounds), own, other)

    assert said in found
    assert bool(said) == bool(found)
