"""GPU-hours that a person may use: refused at a submit, told in a price."""

from __future__ import annotations

import pytest
from served import Host

from dllab_hub.specs import Code, GroupLimits, JobState, Role, TrainingSpec

GPU = TrainingSpec(name="digits", image="here", code=Code(source="print()"), roles=(Role(gpus=1),))
CPU = GPU.model_copy(update={"roles": (Role(),)})


@pytest.fixture
def limit(service: Host, monkeypatch: pytest.MonkeyPatch):
    """Sets the limit of everybody and that of a group that ada is in."""

    def set_(everybody: float | None, group: float | None = None) -> None:
        limits = {"staff": GroupLimits(max_gpu_hours=group)} if group is not None else {}
        offered = service.backend._offered.model_copy(
            update={"max_gpu_hours": everybody, "group_limits": limits}
        )
        monkeypatch.setattr(service.backend, "_offered", offered)

    yield set_
    for id, record in list(service.backend._records.items()):
        if record.gpus:
            service.backend.finish(id)


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
