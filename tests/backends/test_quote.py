"""The price tag of a wish, from what is known and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dllab_hub.backends.order import Ticket, line
from dllab_hub.backends.quoting import (
    Ahead,
    Busy,
    ahead_of,
    ends_in,
    first_start,
    limited,
    quote,
    refusal,
)
from dllab_hub.specs import (
    Capacity,
    Code,
    JobState,
    Progress,
    Quote,
    Role,
    TrainingJob,
    TrainingSpec,
)

NOW = 1_000_000.0


def spec(gpus: int = 1, **more: Any) -> TrainingSpec:
    return TrainingSpec(
        **{
            "name": "digits", "image": "here", "code": Code(source="x"),
            "roles": (Role(gpus=gpus),), **more,
        }
    )  # fmt: skip


def job(id: str, owner: str, position: int | None = None, **more: Any) -> TrainingJob:
    wish = {k.removeprefix("spec_"): more.pop(k) for k in list(more) if k.startswith("spec_")}
    return TrainingJob(
        **{
            "id": f"digits-{id:b>7}", "owner": owner, "spec": spec(**wish),
            "state": JobState.PENDING, "created": NOW, "position": position, **more,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "free", "running", "ahead", "start"),
    [
        (Ahead(1, 1, None), (1, 4), [], [], 0),
        (Ahead(0, 1, None), (0, 4), [], [], 0),
        (Ahead(2, 1, None), (1, 4), [Busy(1, 1, 50)], [], 50),
        (Ahead(2, 1, None), (0, 4), [Busy(1, 1, 50), Busy(1, 1, 20)], [], 50),
        (Ahead(1, 1, None), (0, 4), [Busy(1, 1, None)], [], None),
        (Ahead(1, 4, None), (1, 2), [Busy(0, 2, 30)], [], 30),
        # Whoever is ahead goes first, and gives back what it has when its time is over.
        (Ahead(1, 1, None), (0, 4), [Busy(1, 1, 50)], [Ahead(1, 1, 100)], 150),
        (Ahead(1, 1, None), (0, 4), [Busy(1, 1, 50)], [Ahead(1, 1, None)], None),
        (Ahead(1, 1, None), (0, 4), [Busy(1, 1, 50), Busy(1, 1, 60)], [Ahead(1, 1, None)], 60),
        (Ahead(1, 0.1, None), (1, 0.1 + 1e-9), [], [], 0),
    ],
)
def test_the_first_start(wish, free, running, ahead, start) -> None:
    """As soon as everybody before it has what they want, and it too; nobody guesses."""
    assert start == first_start(wish, free, running, ahead)


def test_places_are_those_of_the_queue() -> None:
    """Who is ahead of a new job is the same as in the line that the queue makes with it."""
    rng = random.Random(7)
    for _ in range(300):
        tickets = [
            Ticket(f"digits-{n:b>7}", rng.choice(("ada", "grace")), float(n), rng.randint(-1, 1))
            for n in range(rng.randint(0, 6))
        ]
        mine = Ticket("digits-xxxxxxx", "ada", 100.0, rng.randint(-1, 1))
        waiting = [
            job(t.id.removeprefix("digits-"), t.owner, place, spec_priority=t.priority)
            for place, t in enumerate(line(tickets), 1)
        ]
        whole = [t.id for t in line([*tickets, mine])]

        assert set(whole[: whole.index(mine.id)]) == {
            j.id for j in ahead_of("ada", mine.priority, waiting)
        }


def test_when_a_job_ends() -> None:
    """By its limit or by the speed that it reports, whichever is first; else nobody knows."""
    progress = Progress(step=1, time=NOW - 10, eta=50.0)
    running = {"state": JobState.RUNNING, "started": NOW - 100}

    assert None is ends_in(job("a", "ada", **running), NOW)
    assert 40 == ends_in(job("a", "ada", progress=progress, **running), NOW)
    assert 500 == ends_in(job("a", "ada", ran=400.0, spec_time_limit=1000, **running), NOW)
    both = job("a", "ada", progress=progress, spec_time_limit=1000, **running)
    assert 40 == ends_in(both, NOW)
    assert 0 == ends_in(job("a", "ada", spec_time_limit=10, **running), NOW)


def test_the_message() -> None:
    """Cost, place and start in one sentence; and why a start is not known."""
    room = Capacity(total=2, free=0)
    two = spec(2, time_limit=3600)

    assert (
        "at most 2 GPU-hours; starts at once."
        == quote(two, capacity=Capacity(total=2, free=2), ahead=0).message
    )
    seen = quote(two, capacity=room, ahead=1, at_once=False, wait=600.0, now=NOW)
    assert "at most 2 GPU-hours; place 2 in the queue, expected to start within 10 min." == (
        seen.message
    )
    assert (2, NOW + 600, 2.0) == (seen.position, seen.start, seen.gpu_hours)
    seen = quote(spec(1), capacity=room, ahead=0, now=NOW)
    assert (1, None) == (seen.position, seen.start)
    assert "1 GPU-hour an hour; place 1" in seen.message
    assert "nobody knows" in seen.message
    assert quote(spec(0), capacity=room, ahead=0).message.startswith("no GPU;")


def test_a_quota() -> None:
    """What is left is told; who has used it up is refused for GPUs only."""
    seen = Quote(gpus=1, cpus=1.0, used=12.25, message="m.")

    assert seen == limited(seen, None)
    left = limited(seen, 20.0)
    assert (20.0, "") == (left.quota, left.refused)
    assert "m. 7.75 of 20 GPU-hours are left to you for 30 days." == left.message
    assert left == limited(left, 1.0)  # Somebody else has said so already.
    over = limited(seen, 10.0)
    assert "you have used 12.2 of the 10 GPU-hours that you may use in 30 days." == over.refused
    assert "" == refusal(0, 12.25, 10.0)
    assert "" == limited(seen.model_copy(update={"gpus": 0}), 0.0).refused
