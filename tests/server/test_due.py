"""What is to be done by itself: to whom, and how often at most."""

from __future__ import annotations

from dllab_hub.server.alert_file import AlertFile, Kept
from dllab_hub.server.concerning import World
from dllab_hub.server.due import (
    COOL_DOWN,
    PER_DAY,
    PER_HOUR,
    Did,
    due,
    is_due,
    remembered,
    targets,
)
from dllab_hub.specs import Alert, Gpu, GpuReport, GpuState, Holder

NOW, DAY = 100_000.0, 86400.0


def alert(subject: str = "GPU-0", rule: str = "GPULost", kind: str = "gpu", **more) -> Alert:
    said = {"severity": "critical", "state": "firing", "message": "x", "since": NOW, "fired": NOW}
    return Alert(id=f"{rule}-{subject}", rule=rule, kind=kind, subject=subject, **{**said, **more})


def world(*gpus: Gpu, now: float = NOW, **more) -> World:
    return World(now, GpuReport(state=GpuState.OK, time=NOW, gpus=gpus), **more)


def held(uuid: str, kind: str, id: str) -> dict[str, Holder]:
    return {uuid: Holder(kind=kind, owner="ada", id=id)}


def test_how_often() -> None:
    """The same to the same thing once in half an hour, and a few things in an hour."""
    done = [Did("relaunch", "a", NOW)]

    assert not is_due("relaunch", "a", done, NOW + COOL_DOWN - 1)
    assert is_due("relaunch", "a", done, NOW + COOL_DOWN)
    assert is_due("relaunch", "b", done, NOW)
    assert is_due("withdraw", "a", done, NOW)
    many = [Did("relaunch", str(n), NOW) for n in range(PER_HOUR)]
    assert not is_due("withdraw", "z", many, NOW + 3599)
    assert is_due("withdraw", "z", many, NOW + 3600)


def test_once_for_each_time_that_it_fires() -> None:
    """However long it fires, and whoever uses the GPU by then; nothing is due for a GPU that no job
    uses but to withdraw it."""
    there = world(holders={**held("GPU-0", "lab", "lab-1"), **held("GPU-1", "job", "job-1")})
    wanted = {"GPULost": ("withdraw", "relaunch")}
    alerts = [alert(), alert("GPU-1")]

    found = [each.did for each in due(wanted, alerts, (), there)]
    assert [("withdraw", "GPU-0"), ("withdraw", "GPU-1"), ("relaunch", "job-1")] == [
        did[:2] for did in found
    ]
    later = NOW + 2 * DAY
    known = remembered(found, alerts, later)
    after = world(now=later, holders=held("GPU-1", "job", "job-2"))
    assert [] == list(due(wanted, alerts, known, after))
    again = [alert("GPU-1", fired=later)]
    assert ["GPU-1", "job-2"] == [each.did.subject for each in due(wanted, again, known, after)]
    assert [] == list(due({}, alerts, (), there))


def test_what_is_remembered() -> None:
    """That of a day, and that of an alert that stands; it is the same after a restart."""
    done = (Did("withdraw", "GPU-0", NOW, "GPULost-GPU-0", NOW), Did("relaunch", "a", NOW, "x", 1))

    assert done == remembered(done, (), NOW + DAY - 1)
    assert done[:1] == remembered(done, [alert()], NOW + DAY)
    assert () == remembered(done, [alert(fired=NOW + 1)], NOW + DAY)


def test_it_is_kept(tmp_path) -> None:
    """What was done is known to the next service."""
    done = (Did("withdraw", "GPU-0", NOW, "GPULost-GPU-0", NOW + 0.1),)
    AlertFile(tmp_path / "alerts.json").save(Kept(acts=done))

    assert done == AlertFile(tmp_path / "alerts.json").load().acts


def test_a_job_is_relaunched_a_few_times_a_day() -> None:
    """Whatever fires; then it is refused, once for each time that it fires, and that is said."""
    wanted = {"TrainingStalled": ("relaunch",)}
    done = [Did("relaunch", "job-1", NOW + n * COOL_DOWN, "x", n) for n in range(PER_DAY)]
    now = NOW + PER_DAY * COOL_DOWN
    stalled = [alert("job-1", "TrainingStalled", "job", fired=now)]

    (refused,) = due(wanted, stalled, done, world(now=now))
    assert "job-1 was relaunched 3 times within a day" in refused.refused
    known = remembered([*done, refused.did], stalled, now)
    assert [] == list(due(wanted, stalled, known, world(now=now)))
    other = [alert("job-2", "TrainingStalled", "job")]
    assert [""] == [each.refused for each in due(wanted, other, known, world(now=now))]
    tomorrow = [alert("job-1", "TrainingStalled", "job", fired=NOW + DAY)]
    (done_then,) = due(wanted, tomorrow, known, world(now=NOW + DAY))
    assert ("job-1", "") == (done_then.did.subject, done_then.refused)


def test_a_job_that_has_borrowed() -> None:
    """It is the one that is relaunched, not the lab that has lent its GPU."""
    job = Holder(kind="job", owner="ada", id="digits-1")
    lab = Holder(kind="lab", owner="ada", id="lab-1", lent_to=job)

    assert ("digits-1",) == targets("relaunch", alert(), world(holders={"GPU-0": lab}))


def test_the_jobs_on_the_slices_of_a_gpu() -> None:
    """All of them, each once, are concerned by what is wrong with the GPU."""
    gpus = [Gpu(index=n, uuid=f"GPU-{n}", name="H100", divided=True) for n in range(2)]
    gpus += [Gpu(index=n // 3, slice=n, uuid=f"MIG-{n}", name="H100") for n in range(4)]
    users = {f"MIG-{n}": ("job", f"job-{n // 2}") for n in (0, 1, 2, 3)}
    users["MIG-2"] = ("lab", "lab-1")
    holders = {k: v for uuid, who in users.items() for k, v in held(uuid, *who).items()}
    there = world(*gpus, holders={**holders, **held("MIG-2", "job", "job-9")})

    assert ("job-0", "job-9") == targets("relaunch", alert(), there)
    found = due({"GPULost": ("relaunch",)}, [alert()], (), there)
    assert ["job-0", "job-9"] == [each.did.subject for each in found]
