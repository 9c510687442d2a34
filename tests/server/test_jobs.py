"""Jobs over HTTP, on both hosts."""

from __future__ import annotations

import time

import pytest
from served import Host

from dllab_hub.errors import DLLabError
from dllab_hub.specs import (
    Catalog,
    Finding,
    GpuReport,
    JobPage,
    JobState,
    LogChunk,
    Preflight,
    TrainingJob,
)

FINDING = Finding(check="imports", severity="error", message="there is no module x.", line=2)


def test_the_life_of_a_job(host: Host, wish) -> None:
    """Submit, read, cancel: every answer is a value of ours."""
    answer = host.ask("POST", "jobs", json=wish(roles=[{"replicas": 2}]))
    job = TrainingJob.from_wire(answer.json())
    assert (answer.status_code, job.owner, job.spec.replicas) == (201, "ada", 2)

    host.backend.write_log(job.id, "worker-1", "hello\n")
    host.backend.save_checkpoint(job.id, 20)
    assert TrainingJob.from_wire(host.ask("GET", f"jobs/{job.id}").json()).checkpoint.step == 20
    log = LogChunk.from_wire(host.ask("GET", f"jobs/{job.id}/logs?replica=worker-1").json())
    assert (log.text, log.complete) == ("hello\n", False)
    tail = host.ask("GET", f"jobs/{job.id}/logs?replica=worker-1&offset=-3&limit=100").json()
    assert tail["text"] == "lo\n"
    checkpoints = host.ask("GET", f"jobs/{job.id}/checkpoints").json()["checkpoints"]
    assert [20] == [each["step"] for each in checkpoints]

    ended = TrainingJob.from_wire(host.ask("POST", f"jobs/{job.id}/cancel").json())
    assert JobState.CANCELLED is ended.state
    again = host.ask("POST", f"jobs/{job.id}/cancel", json={})
    assert ended == TrainingJob.from_wire(again.json())
    events = host.ask("GET", f"jobs/{job.id}/events").json()["events"]
    assert "Submitted" == events[0]["reason"]


def test_a_pause(host: Host, wish) -> None:
    """Pause gives the GPU back and keeps the job; resume goes on counting attempts."""
    id = host.ask("POST", "jobs", json=wish(roles=[{"gpus": 2}])).json()["id"]
    waiting = host.ask("POST", "jobs", json=wish(roles=[{"gpus": 2}])).json()
    assert ("PENDING", 1) == (waiting["state"], waiting["position"])

    paused = TrainingJob.from_wire(host.ask("POST", f"jobs/{id}/pause").json())
    assert JobState.PAUSED is paused.state
    assert paused == TrainingJob.from_wire(host.ask("POST", f"jobs/{id}/pause", json={}).json())
    assert "RUNNING" == host.ask("GET", f"jobs/{waiting['id']}").json()["state"]

    assert "PENDING" == host.ask("POST", f"jobs/{id}/resume").json()["state"]
    host.backend.finish(waiting["id"])
    resumed = TrainingJob.from_wire(host.ask("GET", f"jobs/{id}").json())
    assert (JobState.RUNNING, 2) == (resumed.state, resumed.attempt)

    host.backend.finish(id)
    for verb in ("pause", "resume"):
        answer = host.ask("POST", f"jobs/{id}/{verb}")
        assert (409, "conflict") == (answer.status_code, answer.json()["error"]["code"])


def test_a_rerun(host: Host, wish) -> None:
    """A new job with the old wish, except for the fields that were sent."""
    old = host.ask("POST", "jobs", json=wish(priority=5, roles=[{"replicas": 2}])).json()
    same = host.ask("POST", f"jobs/{old['id']}/rerun")
    assert (201, old["spec"]) == (same.status_code, same.json()["spec"])
    assert old["id"] != same.json()["id"]

    changes = {"roles": [{"replicas": 3}], "code": {"args": ["--lr", "1"]}}
    spec = TrainingJob.from_wire(
        host.ask("POST", f"jobs/{old['id']}/rerun", json=changes).json()
    ).spec
    assert (3, 5, ("--lr", "1"), "print('hello')") == (
        spec.replicas,
        spec.priority,
        spec.code.args,
        spec.code.source,
    )


def test_a_preflight(host: Host, wish, count, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found, without a job; how thorough is the query's to say."""
    before, asked = count(host), []

    async def look(owner, spec, *, deep=False):
        asked.append((owner, spec.name, deep))
        return Preflight(findings=(FINDING,), seconds=0.5)

    monkeypatch.setattr(host.backend, "preflight", look)
    for query in ("", "?deep=0", "?deep=1"):
        answer = host.ask("POST", f"jobs/preflight{query}", json=wish())
        assert FINDING == Preflight.from_wire(answer.json()).error

    assert [("ada", "digits", deep) for deep in (False, False, True)] == asked
    assert before == count(host)


def test_pages_and_states(host: Host, wish) -> None:
    """Pages follow one another; only the states that were asked for are in them."""
    ids = [host.ask("POST", "jobs", json=wish()).json()["id"] for _ in range(3)]
    host.backend.finish(ids[1], JobState.FAILED)

    first = JobPage.from_wire(host.ask("GET", "jobs?limit=2").json())
    second = JobPage.from_wire(host.ask("GET", f"jobs?limit=2&next={first.next}").json())
    assert ids[::-1] == [job.id for job in (*first.jobs, *second.jobs)][:3]
    failed = host.ask("GET", "jobs?state=FAILED&state=LOST").json()["jobs"]
    assert ids[1] == failed[0]["id"]
    assert {"FAILED"} == {job["state"] for job in failed}


def test_what_can_be_picked(host: Host) -> None:
    """Catalog, capacity, GPUs and boards answer as described."""
    assert Catalog.from_wire(host.ask("GET", "catalog").json()).image("here")
    assert host.ask("GET", "capacity").json()["forecast"] is None
    assert host.ask("GET", "capacity?gpus=3").json()["forecast"]["answer"] == "never"
    assert GpuReport.from_wire(host.ask("GET", "gpus").json()).gpus == ()
    assert host.ask("GET", "tensorboards").json() == {"tensorboards": []}


def test_as_jupyterlab_asks(host: Host) -> None:
    """JupyterLab puts the time behind every address, so that no cache answers."""
    now = int(time.time() * 1000)

    assert host.ask("GET", f"jobs?limit=1&{now}").is_success
    assert host.ask("GET", f"status?{now}").is_success


def test_a_connection_is_kept(host: Host, a_job: str) -> None:
    """Answers, and errors too, leave the connection open for the next question."""
    for path in ("status", f"jobs/{a_job}", "jobs/nosuch-bcdfghj", "jobs?limit=x", "nowhere"):
        assert "close" != host.ask("GET", path).headers.get("connection")


def test_looking_is_no_activity(jupyter: Host, wish) -> None:
    """A sidebar that polls does not keep an idle lab alive; submitting does."""
    jupyter.app.settings.pop("api_last_activity", None)
    jupyter.ask("GET", "jobs")
    jupyter.ask("GET", "nowhere")
    assert "api_last_activity" not in jupyter.app.settings

    jupyter.ask("POST", "jobs", json=wish())
    assert "api_last_activity" in jupyter.app.settings


def test_a_fault_of_ours(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong inside is a 500 without a word of it; the log has the traceback."""

    def broken(*_):
        raise RuntimeError("a secret")

    monkeypatch.setattr(type(host.backend), "_get", broken)
    answer = host.ask("GET", "jobs/x")

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "internal" == DLLabError.from_wire(500, answer.json()).code
