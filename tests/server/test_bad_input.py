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
#: Whole; each part of it is looked at with something missing or wrong.
PS = [{"name": "chief"}, {"name": "worker"}, {"name": "ps"}]
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
        ({"name": "a/../../b"}, "name"),
        ({"name": ".."}, "name"),
        ({"roles": [{"name": "worker", "replicas": 10**6}]}, "roles.0.replicas"),
        ({"roles": [{"processes": 0}]}, "roles.0.processes"),
        ({"roles": [{"processes": 10**6}]}, "roles.0.processes"),
        ({"roles": [{"cpus": 0}]}, "roles.0.cpus"),
        ({"roles": [{"memory": 1}]}, "roles.0.memory"),
        ({"roles": [{"command": ["x"]}]}, "roles.0.command"),
        ({"strategy": "ring"}, "strategy"),
        ({"strategy": "single", "roles": [{"replicas": 2}]}, "roles.0.replicas"),
        ({"strategy": "ps"}, "roles"),
        ({"strategy": "ps", "roles": PS[:2]}, "roles"),
        ({"strategy": "ps", "roles": PS[1:]}, "roles"),
        ({"strategy": "ps", "roles": [*PS[1:], {"name": IMG}]}, "roles.2.name"),
        ({"strategy": "ps", "roles": [PS[0] | {"replicas": 2}, *PS[1:]]}, "roles.0.replicas"),
        ({"strategy": "ps", "roles": [*PS[:2], PS[2] | {"replicas": 0}]}, "roles.2.replicas"),
        ({"strategy": "ps", "roles": [*PS[:2], PS[2] | {"replicas": 10**6}]}, "roles.2.replicas"),
        ({"strategy": "ps", "roles": [*PS[:2], PS[2] | {"replicas": 17}]}, "roles.2.replicas"),
        ({"strategy": "ps", "roles": [*PS[:2], PS[2] | {"processes": 2}]}, "roles.2.processes"),
        ({"strategy": "custom", "roles": [{"name": "a"}, {"name": "a"}]}, "roles"),
        ({"success_role": "worker"}, "success_role"),
        ({"time_limit": 0}, "time_limit"),
        ({"time_limit": 10**9}, "time_limit"),
        ({"priority": 101}, "priority"),
        ({"checkpoint_from": "../x"}, "checkpoint_from"),
        ({"checkpoint_from": "nosuch-bcdfghj"}, "checkpoint_from"),
        ({"workspace": "../../etc/passwd"}, "workspace"),
        ({"workspace": "0" * 64}, "workspace"),
        ({"lab": ""}, "lab"),
        ({"code": {"kind": "eval"}}, "code.kind"),
        ({"code": {"kind": "command"}}, "code.args"),
        ({"code": {"kind": "command", "args": ["a\0b"]}}, "code.source"),
        ({"code": {"kind": "module", "module": "a;b"}}, "code.module"),
        ({"code": {"kind": "module", "module": "../a"}}, "code.module"),
        ({"code": {"kind": "shell", "source": "ls", "filename": "a/../../x.sh"}}, "code.filename"),
        ({"code": {"source": "x", "files": {"../workspace-secret-value/x": ""}}}, "code.files"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_wishes_that_cannot_be(host: Host, wish, count, more: dict, field: str | None) -> None:
    """The error names the field; no job comes into being."""
    before = count(host)
    error = refused(host, "POST", "jobs", json=wish(**more))

    assert error["code"] == "invalid_request"
    assert field is None or error["field"] == field
    assert error["message"]
    assert count(host) == before
    assert error == refused(host, "POST", "jobs/preflight", json=wish(**more))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"roles": [{"replicas": 10**6}]}, "roles.0.replicas"),
        ({"roles": [{"replicas": 17}]}, "roles.0.replicas"),
        ({"strategy": "ps"}, "roles"),
        ({"image": "nosuch"}, "image"),
        ({"volumes": ["nosuch"]}, "volumes"),
        ({"name": "../../x"}, "name"),
        ({"code": {"source": "x = (\n"}}, "code.source"),
        ({"code": {"kind": "command"}}, "code.source"),
        ({"code": "x"}, "code"),
        ({"code": None}, "code"),
        ({"wrokers": 2}, "wrokers"),
        ({"state": "SUCCEEDED"}, "state"),
        ({IMG: 1}, None),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_reruns_that_cannot_be(
    host: Host, a_job: str, count, changes: dict, field: str | None
) -> None:
    """A changed wish is looked at like a new one; no job comes into being."""
    before = count(host)
    error = refused(host, "POST", f"jobs/{a_job}/rerun", json=changes)

    assert field is None or error["field"] == field
    assert before == count(host)


def test_a_command_is_no_shell(host: Host, wish) -> None:
    """Words that a shell would act on are words."""
    args = ["echo", "a; touch b", "$(touch c)", "`touch d`", "| tee e", "*"]
    answer = host.ask("POST", "jobs", json=wish(code={"kind": "command", "args": args}))

    assert (201, args) == (answer.status_code, answer.json()["spec"]["code"]["args"])


@pytest.mark.parametrize("files", [
        [{"path": path, "sha256": "0" * 64, "size": 1}]
        for path in ("../x", "/etc/passwd", "a/../../x", "a\0b", "", "a\nb", "x" * 300)
    ]
    + [
        [{"path": "x", "sha256": "../../etc/passwd", "size": 1}],
        [{"path": "x", "sha256": "0" * 64, "size": -1}],
        [{"path": p, "sha256": "0" * 64, "size": 1} for p in ("a", "a")],
        [{"path": p, "sha256": "0" * 64, "size": 1} for p in ("a", "a/b")],
    ],
    ids=lambda value: repr(value)[:50],
)  # fmt: skip
def test_workspaces_that_cannot_be(host: Host, files: list[dict]) -> None:
    """A list of files whose names or contents cannot be is refused."""
    error = refused(host, "POST", "workspaces", json={"files": files})

    assert error["field"].startswith("files")


def test_a_workspace_over_the_limit(host: Host) -> None:
    """It is refused with its largest files and the way out; the limit is the host's."""
    files = [
        {"path": f"model-{n}.bin", "sha256": f"{n:064x}", "size": n * 100 * 2**20} for n in range(9)
    ]
    error = refused(host, "POST", "workspaces", json={"files": files})

    assert ("too_large", "workspace") == (error["code"], error["field"])
    assert "model-8.bin (800" in error["message"]
    assert ".dllabignore" in error["hint"]


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
        ("jobs/preflight?deep=2", "deep"),
        ("jobs/preflight?deep=yes", "deep"),
        ("jobs/preflight?deep=-1", "deep"),
    ],
)
def test_queries(host: Host, path: str, field: str) -> None:
    """Numbers are decimal and in range, keys are known and there once."""
    error = refused(host, "POST" if "preflight" in path else "GET", path)

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


@pytest.mark.parametrize("verb", ["pause", "resume", "rerun"])
def test_verbs_on_nothing(host: Host, verb: str) -> None:
    """Nothing can be done to what is not there."""
    for id in ("nosuch-bcdfghj", "..%2F..%2Fetc%2Fpasswd", "preflight"):
        assert "not_found" == refused(host, "POST", f"jobs/{id}/{verb}")["code"]


def test_bytes_that_are_no_text(host: Host) -> None:
    """An address that is not UTF-8 is refused and the server goes on."""
    for path in ("jobs/%ff", "jobs/%ff/logs", "jobs?%ff=1", "nowhere/%ff"):
        refused(host, "GET", path)
    refused(host, "POST", "jobs?no_track_activity=%ff", json={})
    assert host.ask("GET", "status").is_success


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
def test_these_take_nothing(host: Host, a_job: str, verb: str) -> None:
    """A body that would mean something is refused, and the job goes on."""
    refused(host, "POST", f"jobs/{a_job}/{verb}", json={"force": True})
    refused(host, "POST", f"jobs/{a_job}/{verb}?force=1")

    assert host.ask("GET", f"jobs/{a_job}").json()["state"] == "RUNNING"


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "jobs"), ("DELETE", "jobs"), ("PATCH", "jobs"), ("GET", "jobs/x/cancel")],
)
def test_methods(host: Host, method: str, path: str) -> None:
    """A method that an address does not take is refused in the same form."""
    answer = host.ask(method, path, json={"state": "SUCCEEDED"} if method != "GET" else None)

    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "invalid_request")
