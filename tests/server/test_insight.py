"""A close look at jobs over REST, in both hosts."""

from __future__ import annotations

import json

import pytest
from served import Host

from dllab_hub.specs import Curve, Frame, JobState, LogChunk, Stack


@pytest.fixture
def a_log(host: Host, a_job: str) -> str:
    """A job of three lines that has ended."""
    host.backend.write_log(a_job, "worker-0", "one\n\x1b[31mloss\x1b[0m 1\nloss 2\n<b>x</b>\n")
    host.backend.finish(a_job, JobState.SUCCEEDED)
    return a_job


def test_a_search(host: Host, a_log: str) -> None:
    """Matches with their places; more is told by where to go on."""
    asked = f"jobs/{a_log}/logs/search?text=LOSS&replica=worker-0"
    first = host.ask("GET", f"{asked}&limit=1").json()
    rest = host.ask("GET", f"{asked}&offset={first['next_offset']}").json()

    assert (4, 20) == (first["matches"][0]["offset"], first["next_offset"])
    assert ["loss 2"] == [match["text"] for match in rest["matches"]]
    assert rest["next_offset"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "text"),
        ("text=", "text"),
        ("text=a%0ab", "text"),
        (f"text={'x' * 201}", "text"),
        ("text=x&limit=0", "limit"),
        ("text=x&limit=1001", "limit"),
        ("text=x&offset=-1", "offset"),
        ("text=x&attempt=0", "attempt"),
        ("text=x&attempt=one", "attempt"),
        ("text=x&text=y", "text"),
        ("text=x&regex=1", "regex"),
    ],
)
def test_a_wrong_search(host: Host, a_log: str, query: str, field: str) -> None:
    """What cannot be looked for is refused, and the field is named."""
    answer = host.ask("GET", f"jobs/{a_log}/logs/search?{query}")

    assert (400, field) == (answer.status_code, answer.json()["error"]["field"])


def test_following(host: Host, a_log: str) -> None:
    """A chunk a line, to the end."""
    answer = host.ask("GET", f"jobs/{a_log}/logs/follow?replica=worker-0")
    chunks = [LogChunk.from_wire(json.loads(line)) for line in answer.text.splitlines() if line]

    assert "application/x-ndjson" == answer.headers["content-type"]
    assert "".join(chunk.text for chunk in chunks).endswith("<b>x</b>\n")
    assert chunks[-1].complete


def test_a_quiet_log_shows_signs(host: Host, a_job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is written an empty line says that it is still followed."""
    monkeypatch.setattr("dllab_hub.server.insight._SIGN", 0.05)
    headers = {"Authorization": f"token {host.token}"}
    with host.http.stream("GET", f"jobs/{a_job}/logs/follow", headers=headers) as answer:
        lines = answer.iter_lines()
        assert ["", ""] == [next(lines), next(lines)]
        host.backend.write_log(a_job, "worker-0", "there\n")
        heard = next(line for line in lines if line)

    assert "[worker-0] there\n" == LogChunk.from_wire(json.loads(heard)).text


def test_a_download_is_never_a_page(host: Host, a_log: str) -> None:
    """It is a file of plain text with a name, whatever is in it."""
    answer = host.ask("GET", f"jobs/{a_log}/logs/download?replica=worker-0")

    assert answer.text.endswith("<b>x</b>\n")
    assert str(len(answer.content)) == answer.headers["content-length"]
    assert "text/plain; charset=utf-8" == answer.headers["content-type"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    name = f'attachment; filename="{a_log}-worker-0-attempt-1.log"'
    assert name == answer.headers["content-disposition"]


def test_curves(host: Host, a_job: str) -> None:
    """By what they are about; another word is refused."""
    curves = [
        Curve(name="loss", source="report", steps=(1, 2), times=(1.0, 2.0), values=(0.5, None)),
        Curve(name="cpu", source="usage", replica="worker-0", times=(1.0,), values=(0.9,)),
    ]
    host.backend._records[a_job].curves += curves

    def names(kind: str) -> list[str]:
        answer = host.ask("GET", f"jobs/{a_job}/metrics{kind}").json()
        return [curve["name"] for curve in answer["curves"]]

    assert (["loss", "cpu"], ["loss"], ["cpu"]) == (
        names(""), names("?kind=metrics"), names("?kind=usage"),
    )  # fmt: skip
    assert 400 == host.ask("GET", f"jobs/{a_job}/metrics?kind=x").status_code


def test_stacks(host: Host, a_job: str) -> None:
    """Where each replica is."""
    frame = Frame(function="step", file="train.py", line=4)
    stack = Stack(replica="worker-0", pid=7, frames=(frame,), waits=True)
    host.backend.insight.stacks_now[a_job] = (stack,)

    assert {"stacks": [stack.to_wire()]} == host.ask("GET", f"jobs/{a_job}/stacks").json()


@pytest.mark.parametrize("what", ["metrics", "stacks", "logs/search?text=x", "logs/download"])
def test_other_peoples_jobs(service: Host, wish, what: str) -> None:
    """A job of somebody else does not exist."""
    id = service.ask("POST", "jobs", json=wish()).json()["id"]

    assert 404 == service.ask("GET", f"jobs/{id}/{what}", "grace-token").status_code


def test_a_price(host: Host, wish, count) -> None:
    """What a wish would cost; nothing is started, and a wrong wish is refused as a submit is."""
    before = count(host)
    answer = host.ask("POST", "jobs/quote", json=wish(roles=[{"gpus": 2}], time_limit=7200))
    wrong = host.ask("POST", "jobs/quote", json=wish(image="nosuch"))

    assert (200, 4.0) == (answer.status_code, answer.json()["gpu_hours"])
    assert (400, "image") == (wrong.status_code, wrong.json()["error"]["field"])
    assert before == count(host)
