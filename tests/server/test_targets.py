"""Several places over REST: what can be picked, what is free there, and what is refused."""

from __future__ import annotations

import pytest
from served import Host

from dllab_hub.specs import Code, Image, Target, TrainingSpec

SPEC = TrainingSpec(name="digits", image="here", code=Code(source="print()"))


@pytest.fixture
def two(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A machine, and a cluster that has an image of its own."""
    backend = host.lab.backend
    torch = Image(
        name="torch", title="PyTorch", framework="pytorch", version="2", container="r.example.org/t"
    )
    offered = backend._offered.model_copy(
        update={
            "targets": (
                Target(name="machine", title="This machine", kind="machine"),
                Target(name="farm", title="GPU farm", kind="cluster"),
            ),
            "images": (*backend._offered.images, torch),
        }
    )
    monkeypatch.setattr(backend, "_offered", offered)
    return host


def refused(host: Host, **more: object) -> tuple[int, str, str]:
    spec = SPEC.model_copy(update=more)
    answer = host.ask("POST", "jobs", json=spec.to_wire())
    error = answer.json()["error"]
    return answer.status_code, error["field"], error["hint"]


def test_a_job_says_where_it_runs(two: Host) -> None:
    """It is in the catalog, in the job, in its record, and in what is run again."""
    places = two.ask("GET", "catalog").json()["targets"]
    spec = SPEC.model_copy(update={"target": "farm", "image": "torch"})
    job = two.ask("POST", "jobs", json=spec.to_wire()).json()
    two.lab.backend.finish(job["id"])
    record = two.ask("GET", f"jobs/{job['id']}/record").json()
    again = two.ask("POST", f"jobs/{job['id']}/rerun", json={"target": None, "image": "here"})
    two.lab.backend.finish(again.json()["id"])

    assert {"name": "farm", "title": "GPU farm", "kind": "cluster"} == places[1]
    assert "farm" == job["spec"]["target"] == record["job"]["spec"]["target"]
    assert again.json()["spec"]["target"] is None


def test_what_is_not_there_is_refused(two: Host) -> None:
    """The place, or the image for it, is named with what there is."""
    assert (400, "target", "Choose one of: machine, farm.") == refused(two, target="mars")
    assert (400, "image", "There: torch.") == refused(two, target="farm")


def test_what_is_free_is_asked_of_one_place(two: Host) -> None:
    """A name that is none is refused."""
    assert 2 == two.ask("GET", "capacity?target=farm&gpus=1").json()["total"]
    answer = two.ask("GET", "capacity?target=mars")

    assert (400, "target") == (answer.status_code, answer.json()["error"]["field"])


def test_where_there_is_one_place_its_name_alone_is_known(host: Host) -> None:
    """Nobody needs to say it."""
    assert [] == host.ask("GET", "catalog").json()["targets"]
    assert (400, "target", "There is one only: leave it out.") == refused(host, target="farm")
    job = host.ask("POST", "jobs", json={**SPEC.to_wire(), "target": "machine"})

    assert 201 == job.status_code
    host.lab.backend.finish(job.json()["id"])
