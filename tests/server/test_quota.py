"""What a person may use and hold: refused at a submit, told in a price."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from served import Host, StubHub

from dllab_hub.specs import Code, GroupLimits, JobState, Role, TrainingSpec

GPU = TrainingSpec(name="digits", image="here", code=Code(source="print()"), roles=(Role(gpus=1),))
CPU = GPU.model_copy(update={"roles": (Role(),)})


@pytest.fixture
def limit(service: Host, monkeypatch: pytest.MonkeyPatch):
    """Sets limits of everybody, and those of groups, for a backend without a job that counts."""

    def end_all() -> None:
        for id, record in list(service.backend._records.items()):
            if not record.job.state.is_terminal:
                service.backend.finish(id)

    def set_(max_gpu_hours: float | None = None, **more: Any) -> None:
        update = {"max_gpu_hours": max_gpu_hours, **more}
        offered = service.backend._offered.model_copy(update=update)
        monkeypatch.setattr(service.backend, "_offered", offered)

    end_all()
    yield set_
    end_all()


def submit(service: Host, spec: TrainingSpec = CPU, **more: Any) -> Any:
    return service.ask("POST", "jobs", json=spec.to_wire(), **more)


def test_nothing_is_left(service: Host, limit) -> None:
    """Who has no hours left gets no GPU by submit, rerun or resume; without GPUs all is as ever."""
    first = service.ask("POST", "jobs", json=GPU.to_wire()).json()
    limit(0.0)
    price = service.ask("POST", "jobs/quote", json=GPU.to_wire()).json()
    assert 0.0 == price["quota"]
    assert "you have used 0 of the 0 GPU-hours" in price["refused"]
    refused = service.ask("POST", "jobs", json=GPU.to_wire())
    assert 403 == refused.status_code
    assert price["refused"] == refused.json()["error"]["message"]
    assert 403 == service.ask("POST", f"jobs/{first['id']}/rerun").status_code
    service.backend.finish(first["id"], JobState.FAILED)
    assert 403 == service.ask("POST", f"jobs/{first['id']}/resume").status_code
    assert 201 == service.ask("POST", "jobs", json=CPU.to_wire()).status_code
    assert "" == service.ask("POST", "jobs/quote", json=CPU.to_wire()).json()["refused"]


def test_some_are_left(service: Host, limit) -> None:
    """Within the limit everything goes, and a resume of what runs asks for nothing."""
    limit(5.0)
    job = service.ask("POST", "jobs", json=GPU.to_wire())
    assert 201 == job.status_code
    assert 5.0 == service.ask("POST", "jobs/quote", json=GPU.to_wire()).json()["quota"]
    assert 5.0 == service.ask("GET", "catalog").json()["max_gpu_hours"]
    assert 200 == service.ask("POST", f"jobs/{job.json()['id']}/resume").status_code


def test_only_what_was_used_is_asked(service: Host, limit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume within the quota goes on when its wish could not be submitted, or priced, now."""
    limit(5.0)
    monkeypatch.setattr(service.backend.insight, "used", {"ada": 4.9})
    first = service.ask("POST", "jobs", json=GPU.to_wire()).json()["id"]
    service.backend.finish(first, JobState.FAILED)
    offered = service.backend._offered
    none = offered.model_copy(update={"max_replicas": 0})
    monkeypatch.setattr(service.backend, "_offered", none)
    assert 400 == service.ask("POST", "jobs/quote", json=GPU.to_wire()).status_code
    assert 200 == service.ask("POST", f"jobs/{first}/resume").status_code

    monkeypatch.setattr(service.backend, "_offered", offered)
    service.backend.finish(first, JobState.FAILED)
    service.backend.insight.used["ada"] = 5.0
    refused = service.ask("POST", f"jobs/{first}/resume")
    assert 403 == refused.status_code
    assert "you have used 5 of the 5 GPU-hours" in refused.json()["error"]["message"]


def test_jobs_at_once(service: Host, limit) -> None:
    """Submit, rerun and resume are refused with the names of the jobs that are in the way."""
    limit(max_jobs=2)
    ended = submit(service).json()["id"]
    service.backend.finish(ended, JobState.FAILED)
    first, second = (submit(service).json()["id"] for _ in range(2))
    price = service.ask("POST", "jobs/quote", json=CPU.to_wire()).json()
    answers = [
        submit(service),
        service.ask("POST", f"jobs/{first}/rerun"),
        service.ask("POST", f"jobs/{ended}/resume"),
    ]

    for answer in answers:
        assert 403 == answer.status_code
        error = answer.json()["error"]
        assert "access_denied" == error["code"]
        assert (
            f"you have 2 jobs that wait or run, and may have 2: {first}, {second}."
            == (error["message"])
        )
        assert "pause or cancel one" in error["hint"]
    assert price["refused"] == error["message"]
    assert price["message"].endswith("You have 2 of 2 jobs now.")
    # Another person, and one's own next job when there is room, are let in.
    assert 201 == submit(service, token="grace-token").status_code
    service.backend.finish(first)
    assert 200 == service.ask("POST", f"jobs/{ended}/resume").status_code


def test_gpus_at_once(service: Host, limit) -> None:
    """GPUs that jobs hold or wait for count together; jobs without any are not refused."""
    limit(max_job_gpus=3)
    for _ in range(3):
        assert 201 == submit(service, GPU).status_code
    refused = submit(service, GPU)

    assert 403 == refused.status_code
    assert "hold or wait for 3 of the 3 GPUs" in refused.json()["error"]["message"]
    assert 201 == submit(service, CPU).status_code
    price = service.ask("POST", "jobs/quote", json=CPU.to_wire()).json()
    assert "" == price["refused"]
    assert "3 of 3 GPUs for jobs" in price["message"]


def test_a_group_may_have_more(service: Host, limit, a_hub: StubHub) -> None:
    """Of the limits of a person's groups the most generous counts."""
    a_hub.add("lin-token", "lin")
    a_hub.models["lin-token"]["groups"] = ["staff", "guests"]
    groups = {"staff": GroupLimits(max_jobs=2), "guests": GroupLimits(max_jobs=1)}
    limit(max_jobs=0, group_limits=groups)

    found = [submit(service, token="lin-token").status_code for _ in range(3)]
    assert [201, 201, 403] == found
    refused = submit(service)
    assert (403, "you may run no jobs.") == (
        refused.status_code, refused.json()["error"]["message"]
    )  # fmt: skip


def test_a_hundred_at_once(service: Host, limit) -> None:
    """A program that submits as fast as it can gets no more than its person may have."""
    limit(max_jobs=7)
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: submit(service).status_code, range(100)))

    assert (7, 93) == (found.count(201), found.count(403))
