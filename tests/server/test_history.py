"""What is kept of jobs, over HTTP: what people write, and what others send."""

from __future__ import annotations

import pytest


@pytest.fixture
def ended(host, a_job) -> str:
    """Id of a job that has ended."""
    host.backend.finish(a_job)
    return a_job


def test_what_a_person_writes(host, ended):
    """Tags, notes and the favourite are written, and found again by them."""
    body = {"tags": ["baseline", "lr/0.1"], "notes": "<img src=x onerror=alert(1)>"}
    answer = host.ask("PATCH", f"jobs/{ended}", json=body)
    tagged = host.ask("GET", "jobs", params={"tag": "lr/0.1", "text": "ONERROR"}).json()

    assert (200, body["tags"]) == (answer.status_code, answer.json()["tags"])
    assert "application/json" in answer.headers["Content-Type"]
    assert ended in [job["id"] for job in tagged["jobs"]]
    assert [] == host.ask("GET", "jobs", params={"tag": "lr/0.1", "favourite": 1}).json()["jobs"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"state": "SUCCEEDED"}, "state"),
        ({"state": "succeeded", "notes": "x"}, "state"),
        ({"owner": "grace"}, "owner"),
        ({"gpu_seconds": 0}, "gpu_seconds"),
        ({"files": False}, "files"),
        ({"tags": ["<img onerror>"]}, "tags.0"),
        ({"tags": ["a\nb"]}, "tags.0"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"tags": [f"t{n}" for n in range(21)]}, "tags"),
        ({"tags": "abc"}, "tags"),
        ({"notes": "a\0b"}, "notes"),
        ({"notes": "x" * 20_001}, "notes"),
        ({"notes": 3}, "notes"),
        ({"favourite": 1}, "favourite"),
        ({"favourite": "yes"}, "favourite"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_nobody_can_write(host, ended, body, field):
    """What a person may not change is refused by name, and changes nothing."""
    before = host.ask("GET", f"jobs/{ended}").json()
    answer = host.ask("PATCH", f"jobs/{ended}", json=body)
    error = answer.json()["error"]

    assert (400, field) == (answer.status_code, error["field"])
    assert "onerror" not in error["message"] + error["hint"]
    assert before == host.ask("GET", f"jobs/{ended}").json()


@pytest.mark.parametrize(
    "query",
    [
        {"favourite": 2},
        {"favourite": "x"},
        {"since": "-1"},
        {"since": "nan"},
        {"until": "1e9"},
        {"tag": "<b>"},
        {"name": "../../x"},
        {"text": "x" * 201},
        {"state": "DONE"},
        {"next": "../"},
        {"nosuch": "1"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["jobs", "jobs/records"])
def test_filters_that_cannot_be(host, path, query):
    """A filter that means nothing is refused."""
    assert 400 == host.ask("GET", path, params=query).status_code


def test_there_and_back(host, ended):
    """A record that was exported can be deleted and imported."""
    (record,) = [
        one
        for one in host.ask("GET", "jobs/records", params={"limit": 500}).json()["records"]
        if one["job"]["id"] == ended
    ]
    gone = host.ask("DELETE", f"jobs/{ended}")
    missing = host.ask("GET", f"jobs/{ended}/record")
    answer = host.ask("POST", "jobs/records", json={"records": [record]})

    assert (200, 404) == (gone.status_code, missing.status_code)
    assert (201, [ended]) == (answer.status_code, answer.json()["added"])
    assert not host.ask("GET", f"jobs/{ended}").json()["files"]
    assert 409 == host.ask("POST", f"jobs/{ended}/resume").status_code


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("job", "id"), "../../etc/x-bcdfghj"),
        (("job", "id"), "<img onerror>"),
        (("job", "spec", "name"), "<img onerror>"),
        (("job", "spec", "code", "filename"), "../../x"),
        (("job", "state"), "RUNNING"),
        (("job", "created"), 1e30),
        (("job", "created"), "yesterday"),
        (("job", "gpu_seconds"), -1),
        (("job", "nosuch"), 1),
        (("files",), [{"path": "../x", "sha256": "0" * 64, "size": 1}]),
        (("curves",), [{"name": "x", "source": "report", "times": [1], "values": []}]),
        (("curves",), "x"),
        (("logs",), [1]),
    ],
    ids=str,
)
def test_lines_that_were_written_by_hand(host, ended, count, place, value):
    """A line of an import that is not a record is refused, and nothing of it is kept."""
    record = host.ask("GET", f"jobs/{ended}/record").json()
    host.ask("DELETE", f"jobs/{ended}")
    before = count(host)
    inner = record
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    answer = host.ask("POST", "jobs/records", json={"records": [record]})

    assert 400 == answer.status_code, answer.text
    assert "onerror" not in answer.text
    assert before == count(host)


@pytest.mark.parametrize("records", [[], "x", [1], [None], [{}]], ids=str)
def test_batches_that_cannot_be(host, records):
    """An import of nothing, or of something else, is refused."""
    assert 400 == host.ask("POST", "jobs/records", json={"records": records}).status_code


def test_removing_and_deleting(host, a_job):
    """What runs is not removed; what has ended is, and a record stays until it is deleted."""
    refused = [host.ask("DELETE", path).status_code for path in (f"jobs/{a_job}/files", f"jobs/{a_job}")]  # fmt: skip # noqa: E501
    host.backend.finish(a_job)
    files = host.ask("DELETE", f"jobs/{a_job}/files")
    again = host.ask("DELETE", f"jobs/{a_job}/files")
    deleted = host.ask("DELETE", f"jobs/{a_job}")

    assert [409, 409] == refused
    assert (200, False, 200) == (files.status_code, files.json()["files"], again.status_code)
    assert 200 == deleted.status_code
    assert 404 == host.ask("DELETE", f"jobs/{a_job}").status_code


@pytest.mark.parametrize("ids", [[], ["x-bcdfghj"], ["x-bcdfghj", "x-bcdfghj"]], ids=str)
def test_comparisons_that_cannot_be(host, ids):
    """A comparison needs two different jobs."""
    assert 400 == host.ask("GET", "jobs/compare", params={"id": ids}).status_code
