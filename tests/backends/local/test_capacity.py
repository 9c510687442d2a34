"""What a person may know of the GPUs."""

from __future__ import annotations

import pytest

from dllab_hub.backends.local.capacity import capacity
from dllab_hub.leases import LeaseDir
from dllab_hub.specs import Capacity, Holder, shortage

ALL = ("GPU-0", "GPU-1", "GPU-2", "GPU-3")


@pytest.mark.parametrize(
    ("held", "text"),
    [
        ((), "4 of 4 are free"),
        (("ada", "ada", "grace"), "1 of 4 is free; held by your lab 'x' and 1 other person"),
        (("grace", "grace", "grace", "alan"), "none of 4 is free; held by 2 other people"),
        (("ada",) * 4, "none of 4 is free; held by your lab 'x'"),
    ],
)
def test_who_holds_them(held, text):
    """People read who holds GPUs; of others only how many people they are."""
    holders = [Holder(kind="lab", owner=owner, name="x", id="x") for owner in held]

    assert text == shortage("ada", 4, holders)


@pytest.mark.parametrize(
    ("gpus", "answer", "message"),
    [
        (0, "now", "No GPU is asked for: starts at once."),
        (1, "now", "1 of 2 is free: starts at once."),
        (2, "wait", "Would wait for 2 GPUs: 1 of 2 is free; held by 1 other person."),
        (3, "never", "This machine has 2 GPUs."),
    ],
)
def test_forecasts(gpus, answer, message):
    """The sentence beside a choice says what the wish would meet."""
    forecast = Capacity.of("ada", 2, [Holder(kind="job", owner="grace")], gpus).forecast

    assert (answer, message) == (forecast.answer, forecast.message)


def test_no_gpu_at_all():
    """A machine without GPUs says so."""
    assert "This machine has no GPU." == Capacity.of("ada", 0, [], 1).forecast.message


def test_from_the_locks(tmp_path):
    """What counts are the locks; a holder that cannot be read still holds."""
    leases = LeaseDir(tmp_path)
    mine = {"kind": "lab", "owner": "ada", "name": "lab", "id": "lab-1"}
    with leases.take(ALL, 1, mine), leases.take(ALL, 1, {"kind": "?", "owner": 7}):
        seen = capacity(leases, ALL, "ada", 3)
    after = capacity(leases, ALL, "ada", None)

    assert (4, 2) == (seen.total, seen.free)
    assert (Holder.from_wire(mine), Holder(kind="job")) == seen.holders
    assert "held by your lab 'lab' and 1 other person" in seen.forecast.message
    assert (4, None) == (after.free, after.forecast)
