"""Whose turn it is, what there is room for, and what is said of it: pure functions."""

from __future__ import annotations

import random

import pytest

from dllab_hub.backends import room
from dllab_hub.backends.order import Ticket, line
from dllab_hub.backends.pausing import next_start, pause_reason, time_left
from dllab_hub.backends.room import Room, check_room, cpu_wish
from dllab_hub.errors import Conflict, InvalidRequest
from dllab_hub.specs import Checkpoint, Holder, JobState, Progress, Role, TrainingJob


@pytest.fixture
def make_job(make_spec):
    """A job that waits."""

    def make(owner: str = "ada", **spec) -> TrainingJob:
        wish = make_spec(**spec)
        state = JobState.PENDING
        return TrainingJob(id="x-bcdfghj", owner=owner, spec=wish, state=state, created=1.0)

    return make


def test_nobody_gains_by_calling_all_urgent():
    """Whatever priorities a person gives, the others' places stay; one's own best goes first."""
    chance = random.Random(3)
    for _ in range(200):
        tickets = [
            Ticket(f"j-{i}", chance.choice("abc"), chance.random(), chance.randint(-2, 2))
            for i in range(chance.randint(0, 12))
        ]
        plain = line(Ticket(t.id, t.owner, t.since) for t in tickets)
        found = line(tickets)

        assert [t.owner for t in plain] == [t.owner for t in found]
        assert sorted(t.id for t in tickets) == sorted(t.id for t in found)
        for owner in "abc":
            mine = [(-t.priority, t.since) for t in found if t.owner == owner]
            assert sorted(mine) == mine


@pytest.mark.parametrize(
    ("progress", "checkpoint", "killed", "text"),
    [
        (480, 460, False, " at step 480; last checkpoint: step 460, so 20 steps are lost."),
        (461, 460, False, " at step 461; last checkpoint: step 460, so 1 step is lost."),
        (480, 480, False, " at step 480; its checkpoint of step 480 has all of it."),
        (None, 460, False, "; what came after its last checkpoint, of step 460, is lost."),
        (
            480,
            None,
            False,
            " at step 480. It has saved no checkpoint: a resume starts from the beginning.",
        ),
        (
            480,
            460,
            True,
            "; it did not stop by itself and was killed; what came after its last "
            "checkpoint, of step 460, is lost.",
        ),
        (
            None,
            None,
            True,
            "; it did not stop by itself and was killed. It has saved no checkpoint: "
            "all it did is lost.",
        ),
    ],
)  # fmt: skip
def test_what_a_pause_says(progress, checkpoint, killed, text):
    """It claims no save that nobody has seen, and says how much is lost as far as that is known."""
    step = None if progress is None else Progress(step=progress, time=0.0)
    saved = None if checkpoint is None else Checkpoint(step=checkpoint, path="", size=1, time=0.0)

    assert f"paused by ada{text}" == pause_reason("ada", step, saved, killed=killed)


def test_where_an_attempt_starts():
    """From the newest whole checkpoint, or from the beginning."""
    saved = Checkpoint(step=460, path="", size=1, time=0.0)

    assert "Attempt 3 can start from the checkpoint of step 460." == next_start(3, saved)
    assert "Attempt 2 can start from the beginning." == next_start(2, None)


def test_time_that_is_left(make_spec):
    """What a job ran before counts; when nothing is left, a resume is refused with what to do."""
    limited = make_spec(time_limit=60)

    assert (None, 45.0) == (time_left(make_spec(), 1e9), time_left(limited, 15.0))
    with pytest.raises(Conflict) as caught:
        time_left(limited, 60.0)
    assert "rerun" in caught.value.hint


@pytest.mark.parametrize(
    ("roles", "field", "said"),
    [
        ((Role(gpus=3),), "roles.0.gpus", "3 GPUs and there are 2"),
        ((Role(name="a"), Role(name="b", gpus=2, replicas=2)), "roles.1.gpus", "4 GPUs"),
        ((Role(cpus=9),), "roles.0.cpus", "9 CPUs and this machine has 8"),
        ((Role(name="a", cpus=1), Role(name="b", replicas=8, cpus=1)), "roles.1.cpus", "9 CPUs"),
    ],
)
def test_what_no_machine_has(make_spec, roles, field, said):
    """More than there is at all is refused, naming the role that asks for most."""
    with pytest.raises(InvalidRequest, match=said) as caught:
        check_room(make_spec(strategy="custom", roles=roles), 2, 8)

    assert field == caught.value.field


def test_what_was_not_asked_for_is_no_reason_to_refuse(make_spec):
    """A hundred workers that ask for no CPUs count for all of the machine, and not for more."""
    spec = make_spec(replicas=100)
    check_room(spec, 0, 8)

    assert (8, 2) == (cpu_wish(spec, 8), cpu_wish(make_spec(replicas=2), 8))


def test_both_are_lacking(make_job):
    """A job that lacks GPUs and CPUs is told of both, and who has them."""
    mine = Holder(kind="job", owner="ada", name="x")
    there = Room(2, (mine, mine), 4, [(mine, 3.5)])

    assert (
        "waiting for 1 GPU: none of 2 is free; held by your job 'x'. "
        "Also waiting for 1 CPU: 0.5 of 4 are free; held by your job 'x'."
    ) == there.refusal(make_job(gpus=1), 0.0)


class TestOvertaking:
    """An old job is not overtaken by those that want what it lacks."""

    OLD, NEW = room.AGED + 1, 0.0

    def test_only_what_it_lacks_is_kept(self, make_job):
        """It keeps the GPU that is free, and no CPU."""
        there = Room(2, (Holder(kind="job", owner="eve"),), 8, ())
        assert "waiting for 2 GPUs" in there.refusal(make_job(gpus=2), self.OLD)

        assert "kept for your job 'digits'" in there.refusal(make_job(gpus=1), self.NEW)
        assert "kept for a job of another" in there.refusal(make_job("eve", gpus=1), self.NEW)
        assert "" == there.refusal(make_job(), self.NEW)

    def test_cpus_are_kept_too(self, make_job):
        """What waits for CPUs long enough gets the next that are free."""
        there = Room(0, (), 8, [(Holder(kind="job", owner="eve"), 4)])
        assert "waiting for 6 CPUs" in there.refusal(make_job(cpus=6), self.OLD)

        assert "waiting for 1 CPU: kept for" in there.refusal(make_job(), self.NEW)

    def test_a_young_one_keeps_nothing(self, make_job):
        """Those that fit go first while it has not waited long."""
        there = Room(2, (Holder(kind="job", owner="eve"),), 8, ())
        there.refusal(make_job(gpus=2), room.AGED - 1)

        assert "" == there.refusal(make_job(gpus=1), self.NEW)

    def test_labs_do_not_count(self, make_job):
        """Nothing is kept while labs hold so much that it could not start were all jobs over."""
        there = Room(3, (Holder(kind="lab", owner="eve"), Holder(kind="lab", owner="ada")), 8, ())
        assert "waiting for 2 GPUs" in there.refusal(make_job(gpus=2), self.OLD)

        assert "" == there.refusal(make_job(gpus=1), self.NEW)

    def test_ones_own_loans_are_nobody_elses(self, make_job):
        """A job that runs on what its owner's lab lends takes nothing from the old one."""
        lab = Holder(kind="lab", owner="ada", name="mine", lend=True)
        there = Room(2, (lab, Holder(kind="job", owner="eve")), 8, ())
        assert "waiting for 1 GPU" in there.refusal(make_job("eve", gpus=1), self.OLD)

        assert "" == there.refusal(make_job("ada", gpus=1), self.NEW)
