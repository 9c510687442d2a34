"""Two people on one hub, each through their own lab, and one of them with a script."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from browser_session import BrowserSession
from running_hub import RunningHub, until

from dllab_hub.specs import Code, TrainingSpec

SOURCE = """
import os, time
print("api", "JUPYTERHUB_API_TOKEN" in os.environ, flush=True)
time.sleep(300)
"""
SPEC = TrainingSpec(name="secret-plan", image="pytorch", code=Code(source=SOURCE)).to_wire()


@pytest.fixture(scope="module")
def people(hub: RunningHub) -> Iterator[tuple[BrowserSession, BrowserSession]]:
    """Ada and Grace, logged in, with a lab each."""
    sessions = []
    for name in ("ada-l", "grace-h"):
        assert hub.spawn(name, {"image": "pytorch", "gpus": 0}).status_code in (201, 202)
    for name in ("ada-l", "grace-h"):
        hub.wait_ready(name)
        session = hub.session(name)
        session.wait_for_lab(60)
        sessions.append(session)
    yield sessions[0], sessions[1]
    for name in ("ada-l", "grace-h"):
        hub.end(name)


def test_nobody_sees_anothers_job(people: tuple[BrowserSession, BrowserSession]) -> None:
    """Ada's job is in her list and does not exist for Grace, whatever she asks of it."""
    ada, grace = people
    job = ada.post("dllab/api/jobs", SPEC)
    log = f"{ada.lab}dllab/api/jobs/{job['id']}/logs"
    until(lambda: "api" in ada.http.get(log).json()["text"])

    assert [job["id"]] == [j["id"] for j in ada.get("dllab/api/jobs")["jobs"]]
    assert ("ada-l", "grace-h") == tuple(p.get("dllab/api/status")["user"] for p in people)
    assert "api False" in ada.http.get(log).json()["text"], "a worker has a token of the hub"
    assert [] == grace.get("dllab/api/jobs")["jobs"]
    headers = {"X-XSRFToken": grace.xsrf(grace.lab)}
    for method, verb in (
        ("GET", ""),
        ("GET", "/logs"),
        ("GET", "/events"),
        ("GET", "/checkpoints"),
        ("POST", "/cancel"),
    ):
        answers = [
            grace.http.request(method, f"{grace.lab}dllab/api/jobs/{id}{verb}", headers=headers)
            for id in (job["id"], "secret-plan-bbbbbbb")
        ]
        assert [404, 404] == [answer.status_code for answer in answers]
        assert answers[0].json() == answers[1].json()
    assert "RUNNING" == ada.get(f"dllab/api/jobs/{job['id']}")["state"]
    ada.post(f"dllab/api/jobs/{job['id']}/cancel", {})
    until(lambda: ada.get(f"dllab/api/jobs/{job['id']}")["state"] == "CANCELLED")
    assert "CANCELLED" == ada.get(f"dllab/api/jobs/{job['id']}")["state"]


def test_the_service_wants_a_token_that_may_use_it(hub: RunningHub) -> None:
    """Asked directly, the lab service refuses no token, a wrong one, and one without a person."""
    address = f"{hub.facts['address']}/services/dllab/dllab/api/jobs"
    for token in ("", "token wrong", "token a-token-for-the-tests"):
        headers = {"Authorization": token} if token else {}
        answer = httpx.get(address, headers=headers, trust_env=False)

        assert 403 == answer.status_code
        assert "access_denied" == answer.json()["error"]["code"]


def test_jobs_outlive_the_lab(
    hub: RunningHub, people: tuple[BrowserSession, BrowserSession]
) -> None:
    """A job goes on when its lab is stopped and is there in the next one."""
    ada, _ = people
    id = ada.post("dllab/api/jobs", SPEC)["id"]
    hub.end("ada-l")
    hub.spawn("ada-l", {"image": "pytorch", "gpus": 0})
    hub.wait_ready("ada-l")
    ada.wait_for_lab(60)

    assert "RUNNING" == ada.get(f"dllab/api/jobs/{id}")["state"]
    ada.post(f"dllab/api/jobs/{id}/cancel", {})
    assert until(lambda: ada.get(f"dllab/api/jobs/{id}")["state"] == "CANCELLED")
