"""Files of the state directory are damaged: set aside, made anew, and nobody else is troubled."""

from __future__ import annotations

import pytest
from fault_machine import PATIENT, Machine, until

from dllab_hub.shim.process import strays
from dllab_hub.specs import JobState, Role

GARBAGE = b"\xff\x00not what it was" * 300


def ready(machine: Machine) -> tuple[object, object, object]:
    """A job that runs, one that has ended and one that ends alone; the service is killed."""
    machine.start()
    over = machine.started(machine.submit(PATIENT, Role()), 1)
    machine.go(over, 3)
    assert JobState.FAILED is machine.ended(over).state
    runs = machine.started(machine.submit())
    alone = machine.started(machine.submit(PATIENT, Role()), 1)
    machine.kill()
    machine.go(alone, 4)
    until(lambda: not strays(alone.id), "the end of the job that ends alone")
    return runs, over, alone


@pytest.mark.parametrize("what", ["index", "index and journal"])
def test_a_damaged_database(machine: Machine, what: str) -> None:
    """The index is set aside and made anew from the journal, or, without one, from the directories
    of the jobs: nothing is lost and nothing is started twice."""
    runs, over, alone = ready(machine)
    root = machine.state.root
    for part in ("index.sqlite-wal", "index.sqlite-shm"):
        (root / part).unlink(missing_ok=True)
    (root / "index.sqlite").write_bytes(GARBAGE)
    if what == "index and journal":
        journal = root / "journal.jsonl"
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(GARBAGE + b"\n" + b"".join(lines[:1]) + b'{"op": "submit", "job": {"i')
    machine.start()
    seen = {job.id: machine.ended(job) if job is not runs else None for job in (over, alone)}
    listed = {job.id for job in machine.client.list().jobs}
    now = machine.client.get(runs.id)
    machine.go(runs)

    assert {runs.id, over.id, alone.id} == listed
    assert [3, 4] == [seen[job.id].replicas[0].exit_code for job in (over, alone)]
    assert (JobState.RUNNING, [r.pid for r in runs.replicas]) == (
        now.state,
        [r.pid for r in now.replicas],
    )
    assert JobState.SUCCEEDED is machine.ended(runs).state
    assert ["worker0", "worker1"] == machine.starts(runs)
    assert list(root.glob("index.sqlite.damaged-*"))


def test_damaged_files_of_one_job(machine: Machine) -> None:
    """Whatever file of a job is damaged while it runs, it is seen through, and so are others."""
    machine.start()
    other = machine.started(machine.submit(PATIENT, Role()), 1)
    job = machine.started(machine.submit(PATIENT, Role()), 1)
    names = ("job.json", "launch.json", "run/state.json", "run/plan.json", "run/shim.json")
    for name in (*names, "events.jsonl", "run/events.jsonl", "run/report.json"):
        (machine.run(job).parent / name).write_bytes(GARBAGE)
    seen = machine.client.get(job.id)
    machine.client.events(job.id)
    machine.kill()
    machine.start()
    adopted = machine.client.get(job.id)
    others = machine.client.get(other.id)
    machine.go(job, 5)
    machine.go(other)
    done = machine.ended(job)

    assert [JobState.RUNNING] * 3 == [one.state for one in (seen, adopted, others)]
    assert (JobState.FAILED, 5) == (done.state, done.replicas[0].exit_code), done.reason
    assert JobState.SUCCEEDED is machine.ended(other).state
    assert ["worker0"] == machine.starts(job)


def test_a_job_nobody_can_read(machine: Machine) -> None:
    """A directory that is no job any more is left where it is and said in the log; what is known of
    the job otherwise is told, and all others are adopted."""
    machine.start()
    other = machine.started(machine.submit(PATIENT, Role()), 1)
    job = machine.started(machine.submit(PATIENT, Role()), 1)
    machine.kill()
    folder = machine.run(job).parent
    (folder / "job.json").write_bytes(GARBAGE)
    for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "journal.jsonl"):
        (machine.state.root / name).unlink(missing_ok=True)
    machine.start()
    listed = [one.id for one in machine.client.list().jobs]
    log = (machine.home / "log").read_text()
    machine.go(other)

    assert [other.id] == listed
    assert f"{folder} cannot be adopted" in log
    assert JobState.SUCCEEDED is machine.ended(other).state
    assert 1 == len(strays(job.id))  # Nobody knows whose it is: it is not ended either.
