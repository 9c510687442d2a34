"""Which images and volumes a person's job may name, over REST."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from served import Host, StubHub

from dllab_hub.specs import Catalog, Image, Volume

SPEC = {"name": "digits", "image": "here", "code": {"source": "print()"}}
OFFERED = Catalog(
    images=(
        Image(name="here", title="Here", framework="python", version="3"),
        Image(name="secret", title="S", framework="python", version="3", groups=("vision",)),
    ),
    default_image="here",
    volumes=(
        Volume(name="all", title="All", path="/srv/all"),
        Volume(name="sets", title="Sets", path="/srv/sets", groups=("vision",)),
        Volume(name="hers", title="Hers", url="s3://b", options={"key": "hidden"}, users=("ada",)),
    ),
)


@pytest.fixture
def offering(service: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """The lab service, with volumes for everybody, a group and a person."""
    monkeypatch.setattr(service.lab.backend, "_offered", OFFERED)
    return service


def test_one_names_what_one_may_use(offering: Host, a_hub: StubHub) -> None:
    """A volume of a group or of somebody else is one that is not there, as is an unknown one."""
    a_hub.add("member-token", "mary")
    a_hub.models["member-token"]["groups"] = ["vision"]
    a_hub.add("stranger-token", "sam")

    def post(token: str, *volumes: object) -> tuple[int, str]:
        answer = offering.ask("POST", "jobs", token, json={**SPEC, "volumes": volumes})
        error = answer.json().get("error", {})
        return answer.status_code, f"{error.get('field')} {error.get('message')}"

    assert 201 == post("member-token", "all", "sets")[0]
    assert 201 == post("ada-token", "all", "hers")[0]
    for token, name in (("stranger-token", "sets"), ("member-token", "hers"), ("ada-token", "no")):
        assert (400, "volumes there is no such volume.") == post(token, name)
    for wrong in ("<b>", "../etc", 7, None):
        status, said = post("ada-token", wrong)
        assert (400, True) == (status, said.startswith("volumes.0"))
        assert "<b>" not in said
    assert (400, "volumes a volume is named twice.") == post("ada-token", "all", "all")


def test_an_image_of_a_group(offering: Host, a_hub: StubHub) -> None:
    """Its members' jobs run on it; for everybody else it is not there, nor in the list of names."""
    a_hub.add("member-token", "mary")
    a_hub.models["member-token"]["groups"] = ["vision"]
    spec = {**SPEC, "image": "secret"}

    assert 201 == offering.ask("POST", "jobs", "member-token", json=spec).status_code
    refused = offering.ask("POST", "jobs", json=spec)
    assert (400, "image") == (refused.status_code, refused.json()["error"]["field"])
    assert "secret" not in refused.text


def test_what_was_offered_then(offering: Host, a_hub: StubHub) -> None:
    """A rerun and a preflight are refused what a new job is: also what one had before."""
    a_hub.add("member-token", "mary")
    a_hub.models["member-token"]["groups"] = ["vision"]
    spec = {**SPEC, "image": "secret", "volumes": ["sets"]}
    id = offering.ask("POST", "jobs", "member-token", json=spec).json()["id"]
    assert 201 == offering.ask("POST", f"jobs/{id}/rerun", "member-token").status_code
    assert 200 == offering.ask("POST", "jobs/preflight", "member-token", json=spec).status_code

    for name, field in ((spec, "image"), ({**SPEC, "volumes": ["sets"]}, "volumes")):
        answer = offering.ask("POST", "jobs/preflight", json=name)
        assert (400, field) == (answer.status_code, answer.json()["error"]["field"])
    mine = offering.ask("POST", "jobs", json=SPEC).json()["id"]
    for changes, field in (({"image": "secret"}, "image"), ({"volumes": ["sets"]}, "volumes")):
        answer = offering.ask("POST", f"jobs/{mine}/rerun", json=changes)
        assert (400, field) == (answer.status_code, answer.json()["error"]["field"])

    # She has left the group; the hub's answer about her is not older than half a minute.
    a_hub.add("member-again", "mary")
    answer = offering.ask("POST", f"jobs/{id}/rerun", "member-again")
    assert (400, "image") == (answer.status_code, answer.json()["error"]["field"])
    kept = {"image": "here", "volumes": []}
    assert 201 == offering.ask("POST", f"jobs/{id}/rerun", "member-again", json=kept).status_code


def test_nobody_is_told_how_a_bucket_is_opened(offering: Host) -> None:
    """Neither the catalog nor a job that uses it says the key of a volume."""
    job = offering.ask("POST", "jobs", json={**SPEC, "volumes": ["hers"]})
    for answer in (job, offering.ask("GET", "catalog"), offering.ask("GET", "jobs")):
        assert answer.is_success
        assert "hers" in answer.text
        assert "hidden" not in answer.text
