"""What a person may know of the GPUs."""

from __future__ import annotations

import pytest

from dllab_hub.backends.local.capacity import capacity, waiting
from dllab_hub.backends.local.store import Store
from dllab_hub.leases import LeaseDir
from dllab_hub.specs import Capacity, Holder, TrainingJob, advice, shortage
from dllab_hub.state import StateDir

ALL = ("GPU-0", "GPU-1", "GPU-2", "GPU-3")


@pytest.mark.parametrize(
    ("held", "text"),
    [
        ((), "4 of 4 are free"),
        (("ada", "grace"), "2 of 4 are free; held by your lab 'x' and 1 other person"),
        (
            ("ada", "ada", "grace"),
            "1 of 4 is free; held by your lab 'x' (2) and 1 other person (1)",
        ),
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
        (0, "now", "No GPU is asked for."),
        (1, "now", "1 of 2 is free: starts at once."),
        (2, "wait", "Would wait for 2 GPUs: 1 of 2 is free; held by 1 other person."),
        (3, "never", "This machine has 2 GPUs."),
    ],
)
def test_forecasts(gpus, answer, message):
    """The sentence beside a choice says what the wish would meet."""
    forecast = Capacity.of("ada", 2, [Holder(kind="job", owner="grace")], gpus).forecast

    assert (answer, message) == (forecast.answer, forecast.message)


def test_what_is_lent():
    """A lab that lends is told with the job it lends to, and counts for one's own jobs only."""
    job = Holder(kind="job", owner="ada", name="digits")
    lab = Holder(kind="lab", owner="ada", name="x", lend=True)
    held = [lab.model_copy(update={"lent_to": job}), lab]
    mine, hers = Capacity.of("ada", 2, held, 1), Capacity.of("grace", 2, held, 1)

    assert ("now", "Starts at once, with what your lab 'x' lends.") == (
        mine.forecast.answer,
        mine.forecast.message,
    )
    assert ("wait", 0) == (hers.forecast.answer, hers.forecast.smaller)
    assert (Holder(kind="lab"),) * 2 == hers.holders
    assert "your lab 'x' (lent to your job 'digits')" in shortage("ada", 2, held[:1])
    served = [lab.model_copy(update={"lent_to": Holder(kind="deployment", name="net")})]
    assert "your lab 'x' (lent to your deployment 'net')" in shortage("ada", 2, served)
    assert "" == advice("ada", 2, held, 2) == advice("grace", 2, held, 1)


def test_which_lab_to_lend():
    """It is said which lab would do, and only when that is enough."""
    one, two = (Holder(kind="lab", owner="ada", name=name) for name in ("one", "two"))

    assert "of your lab 'two' to" in advice("ada", 3, [one, two, two], 2)
    assert "of your labs to" in advice("ada", 3, [one, two, two], 3)
    assert "" == advice("ada", 4, [one, Holder(kind="job", owner="ada", name="x")] * 2, 3)


def test_jobs_that_wait(tmp_path, caplog):
    """Those that wait for GPUs are counted from the service's index, which is only read."""
    state = StateDir(tmp_path, tmp_path)
    assert 0 == waiting(state)
    store = Store(tmp_path)
    store.open()
    for id, gpus, now in (("a-bcdfghj", 1, "PENDING"), ("b-bcdfghj", 0, "PENDING")):
        store.add(_job(id, gpus, now))
    store.add(_job("c-bcdfghj", 2, "RUNNING"))
    assert 1 == waiting(state)
    store.close()
    assert 1 == waiting(state)

    (tmp_path / "index.sqlite").write_bytes(b"no index" * 200)
    assert 0 == waiting(state)
    assert "cannot be read" in caplog.text


def _job(id, gpus, state):
    spec = {
        "name": id[0],
        "image": "here",
        "code": {"source": "1"},
        "roles": [{"replicas": 1, "gpus": gpus}],
    }
    job = {"id": id, "owner": "ada", "spec": spec, "state": state, "created": 1.0}
    return TrainingJob.from_wire(job)


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
