"""What people should not send: refused at once, in our form, without an echo, without an effect."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection
from urllib.parse import quote, urlsplit

import pytest
from served import Host

from dllab_hub.server.body import MAX_BODY_BYTES

IMG = "<img src=x onerror=alert(1)>"
DEEP = "[" * 100_000 + "]" * 100_000


def refused(host: Host, method: str, path: str, **more) -> dict:
    start = time.monotonic()
    answer = host.ask(method, path, **more)
    assert time.monotonic() - start < 1
    assert 400 <= answer.status_code < 500, answer.text
    assert set(answer.json()) == {"error"}
    assert len(answer.content) < 2000
    for echo in ("<img", "Traceback", "/etc/passwd", "secret-value", "xxxxxxxx"):
        assert echo not in answer.text
    return answer.json()["error"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"name": IMG}, "name"),
        ({"name": "../../x"}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "\u202eabc"}, "name"),
        ({"name": "x" * 200_000}, "name"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"roles": [{"replicas": 0}]}, "roles.0.replicas"),
        ({"roles": [{"replicas": -1}]}, "roles.0.replicas"),
        ({"roles": [{"replicas": 10**6}]}, "roles.0.replicas"),
        ({"roles": [{"replicas": 17}]}, "roles.0.replicas"),
        ({"roles": [{"replicas": "1.5"}]}, "roles.0.replicas"),
        ({"roles": [{"replicas": 1.5}]}, "roles.0.replicas"),
        ({"roles": [{"replicas": True}]}, "roles.0.replicas"),
        ({"roles": [{"gpus": -1}]}, "roles.0.gpus"),
        ({"roles": [{"gpus": 10**9}]}, "roles.0.gpus"),
        ({"roles": [{"gpus": 3}]}, "roles.0.gpus"),
        ({"roles": [{"gpus": True}]}, "roles.0.gpus"),
        ({"roles": []}, "roles"),
        ({"roles": [{"name": "ps"}]}, "roles.0.name"),
        ({"wrokers": 2}, "wrokers"),
        ({IMG: 2}, None),
        ({"image": "nosuch"}, "image"),
        ({"image": f"here.evil.com/{IMG}"}, "image"),
        ({"image": "here\n"}, "image"),
        ({"env": {"LD_PRELOAD": "x"}}, "env.LD_PRELOAD"),
        ({"env": {"DLLAB_JOB_ID": "x"}}, "env.DLLAB_JOB_ID"),
        ({"env": {"A": {"valueFrom": "secret-value"}}}, "env.A"),
        ({"code": {"source": "x", "filename": "/etc/passwd"}}, "code.filename"),
        ({"code": {"source": "x", "files": {"../secret-value": ""}}}, "code.files"),
        ({"code": {"source": ""}}, "code.source"),
        ({"code": "print()"}, "code"),
        ({"state": "SUCCEEDED"}, "state"),
        ({"privileged": True}, "privileged"),
        ({"max_restarts": 10**30}, "max_restarts"),
        ({"checkpoint_every": 0}, "checkpoint_every"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_wishes_that_cannot_be(host: Host, wish, count, more: dict, field: str | None) -> None:
    """The error names the field; no job comes into being."""
    before = count(host)
    error = refused(host, "POST", "jobs", json=wish(**more))

    assert error["code"] == "invalid_request"
    assert field is None or error["field"] == field
    assert count(host) == before


def test_a_syntax_error(host: Host, wish, count) -> None:
    """Code that cannot be read is refused with its line."""
    before = count(host)
    error = refused(host, "POST", "jobs", json=wish(code={"source": "x = 1\nfor\n"}))

    assert (error["field"], error["line"]) == ("code.source", 2)
    assert count(host) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"checkpoint_every": 1e999}',
        b'{"name": "a", "name": "b"}',
        b'{"code": {"source": "a", "source": "b"}}',
        b'{"name": ' + b"9" * 5000 + b"}",
        b'{"name": "\\ud800"}',
        DEEP.encode(),
        b'{"name": ' + DEEP.encode() + b"}",
        b'{"name": ' + b'{"a":' * 700 + b"1" + b"}" * 700 + b"}",
        b'{"name": "a"',
        b"{} {}",
    ],
    ids=lambda body: repr(body)[:40],
)
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "text/html"])
def test_bodies_that_are_no_wish(host: Host, count, body: bytes, kind: str) -> None:
    """Whatever is not one JSON object is refused, whatever it calls itself."""
    before = count(host)
    refused(host, "POST", "jobs", content=body, headers={"Content-Type": kind})

    assert count(host) == before


@pytest.mark.parametrize("length", ["abc", "-1", "1_0"])
def test_a_length_that_is_no_number(host: Host, count, length: str) -> None:
    """A Content-Length that is not a number is the sender's mistake, not a fault of ours."""
    at = urlsplit(host.url)
    connection = HTTPConnection(at.hostname or "", at.port, timeout=10)
    connection.putrequest("POST", f"{at.path}jobs")
    connection.putheader("Authorization", f"token {host.token}")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    answer = connection.getresponse()
    connection.close()

    assert 400 == answer.status


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body(host: Host, count, chunked: bool) -> None:
    """More than 8 MiB is refused with 413, whether the length is announced or not."""
    before = count(host)
    piece = b"x" * 65536
    pieces = [piece] * (MAX_BODY_BYTES // len(piece) + 16)
    answer = host.ask("POST", "jobs", content=iter(pieces) if chunked else b"".join(pieces))

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert count(host) == before


def test_a_large_body_that_is_just_right(host: Host, wish) -> None:
    """The largest code there may be is accepted, however JSON writes it."""
    source = "#" + "ä" * (4 * 1024 * 1024 - 100)
    body = json.dumps(wish(code={"source": source}), ensure_ascii=False).encode()

    assert len(body) < MAX_BODY_BYTES
    assert host.ask("POST", "jobs", content=body).status_code == 201


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("jobs?limit=-1", "limit"),
        ("jobs?limit=0", "limit"),
        ("jobs?limit=501", "limit"),
        ("jobs?limit=", "limit"),
        ("jobs?limit=1.0", "limit"),
        ("jobs?limit=1e2", "limit"),
        ("jobs?limit=%2B1", "limit"),
        ("jobs?limit=%201", "limit"),
        ("jobs?limit=1_0", "limit"),
        ("jobs?limit=%D9%A3", "limit"),
        ("jobs?limit=1&limit=2", "limit"),
        ("jobs?limit=" + "9" * 5000, "limit"),
        ("jobs?state=running", "state"),
        ("jobs?state=" + quote(IMG), "state"),
        ("jobs?next=x", "next"),
        ("jobs?next=", "next"),
        ("jobs?next=%ff", "next"),
        ("jobs?offset=1", "offset"),
        (f"jobs?{quote(IMG)}=1", ""),
        ("jobs?1700000000000=1", "1700000000000"),
        ("status?x", "x"),
        ("capacity?gpus=-1", "gpus"),
        ("capacity?gpus=65", "gpus"),
        ("capacity?gpus=two", "gpus"),
        ("gpus?limit=1", "limit"),
        ("catalog?here=1", "here"),
    ],
)
def test_queries(host: Host, path: str, field: str) -> None:
    """Numbers are decimal and in range, keys are known and there once."""
    error = refused(host, "GET", path)

    assert (error["code"], error["field"]) == ("invalid_request", field)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("offset=9223372036854775808", "offset"),
        ("offset=-9223372036854775808", "offset"),
        ("offset=99999999999999999999", "offset"),
        ("limit=-1", "limit"),
        ("limit=0", "limit"),
        ("limit=1048577", "limit"),
        ("attempt=0", "attempt"),
        ("attempt=2", "attempt"),
        ("replica=../../job", "replica"),
        ("replica=worker-9", "replica"),
        ("replica=%00", "replica"),
        ("follow=1", "follow"),
    ],
)
def test_pieces_of_logs(host: Host, a_job: str, query: str, field: str) -> None:
    """A piece that cannot be there is refused."""
    assert refused(host, "GET", f"jobs/{a_job}/logs?{query}")["field"] == field


@pytest.mark.parametrize(
    "id",
    ["nosuch-bcdfghj", "..%2F..%2Fetc%2Fpasswd", "%00", "%2e%2e", "%2E", "x" * 5000, quote(IMG)],
    ids=lambda text: text[:20],
)
@pytest.mark.parametrize("rest", ["", "/logs", "/events", "/checkpoints"])
def test_ids_of_nothing(host: Host, id: str, rest: str) -> None:
    """What is no id is not found."""
    assert refused(host, "GET", f"jobs/{id}{rest}")["code"] == "not_found"


def test_bytes_that_are_no_text(host: Host) -> None:
    """An address that is not UTF-8 is refused and the server goes on."""
    for path in ("jobs/%ff", "jobs/%ff/logs", "jobs?%ff=1", "nowhere/%ff"):
        refused(host, "GET", path)
    refused(host, "POST", "jobs?no_track_activity=%ff", json={})
    assert host.ask("GET", "status").is_success


def test_cancel_takes_nothing(host: Host, a_job: str) -> None:
    """A body that would mean something is refused, and the job goes on."""
    refused(host, "POST", f"jobs/{a_job}/cancel", json={"force": True})
    refused(host, "POST", f"jobs/{a_job}/cancel?force=1")

    assert host.ask("GET", f"jobs/{a_job}").json()["state"] == "RUNNING"


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "jobs"), ("DELETE", "jobs"), ("PATCH", "jobs/x"), ("GET", "jobs/x/cancel")],
)
def test_methods(host: Host, method: str, path: str) -> None:
    """A method that an address does not take is refused in the same form."""
    answer = host.ask(method, path, json={"state": "SUCCEEDED"} if method != "GET" else None)

    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "invalid_request")
