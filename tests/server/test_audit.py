"""Who changed something, and who was refused: the lines that the lab service writes of it."""

from __future__ import annotations

import json
import logging
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from served import Host, StubHub, until
from service_process import Start, up
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from dllab_hub.client import Client
from dllab_hub.errors import DLLabError
from dllab_hub.server.audit import Audit, Deed

KEYS = ["time", "person", "verb", "path", "status", "code", "made", "address"]
API = "/services/dllab/dllab/api/"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the lines are."""
    return tmp_path / "audit.jsonl"


@pytest.fixture
def audit(service: Host, file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Audit]:
    """What the lab service tells, from now on and for this test."""
    audit = Audit(file)
    monkeypatch.setattr(service.lab, "audit", audit)
    yield audit
    audit.close()


def lines(audit: Audit, file: Path, last: str) -> list[dict[str, Any]]:
    """All lines, when the one of that path is there."""
    until(lambda: file.exists() and last in file.read_text())
    audit.close()
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_what_is_written(service: Host, audit: Audit, file: Path, wish) -> None:
    """Each changing request is a line: who, what, where, how it ended, and the new job."""
    id = service.ask("POST", "jobs", json=wish()).json()["id"]
    service.ask("GET", f"jobs/{id}")
    service.ask("POST", "jobs/quote", json=wish())
    service.ask("POST", f"jobs/{id}/cancel")
    service.ask("POST", f"jobs/{id}/cancel", token="grace-token")
    service.ask("POST", "jobs", json={"name": "digits"})
    service.ask("DELETE", f"jobs/{id}/files")

    found = lines(audit, file, f"{id}/files")
    assert [
        ("ada", "POST", "jobs", 201, "", id),
        ("ada", "POST", f"jobs/{id}/cancel", 200, "", ""),
        ("grace", "POST", f"jobs/{id}/cancel", 404, "not_found", ""),
        ("ada", "POST", "jobs", 400, "invalid_request", ""),
    ] == [
        (x["person"], x["verb"], x["path"].removeprefix(API), x["status"], x["code"], x["made"])
        for x in found[:-1]
    ]
    assert all(KEYS == list(entry) for entry in found)
    assert {""} == {entry["address"] for entry in found}
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


def test_whom_it_refused(service: Host, audit: Audit, file: Path, monkeypatch) -> None:
    """A refusal is a line whatever the verb; a token that nobody knows names nobody."""
    service.ask("GET", "jobs", token="wrong")
    service.http.get("gpus")
    authorizer = service.app.settings["authorizer"]
    monkeypatch.setattr(authorizer.__class__, "is_authorized", lambda *_: False)
    service.ask("GET", "status")

    found = lines(audit, file, "api/status")
    assert [("", "jobs"), ("", "gpus"), ("ada", "status")] == [
        (entry["person"], entry["path"].removeprefix(API)) for entry in found
    ]
    assert {(403, "access_denied", "GET")} == {
        (entry["status"], entry["code"], entry["verb"]) for entry in found
    }


def test_predictions_are_none_of_it(service: Host, audit: Audit, file: Path, publish) -> None:
    """What is asked of models is not written, only who was refused there."""
    publish(service, "audited")
    service.ask("POST", "deployments", json={"name": "audited", "model": "audited"})
    rows = {"instances": [[1.0]]}
    answers = [
        service.ask("POST", "deployments/audited/predict", json=rows),
        service.ask("POST", service.endpoint("ada", "audited", "v1/models/audited:predict"),
                    json=rows),
    ]  # fmt: skip
    assert [200, 200] == [answer.status_code for answer in answers]
    service.ask("POST", service.endpoint("ada", "audited", "v1/models/audited:predict"), "wrong")
    service.ask("DELETE", "deployments/audited")

    found = lines(audit, file, '"DELETE"')
    assert [
        ("ada", "POST", 201, ""),
        ("ada", "POST", 201, "audited"),
        ("", "POST", 403, ""),
        ("ada", "DELETE", 200, ""),
    ] == [(entry["person"], entry["verb"], entry["status"], entry["made"]) for entry in found]


@pytest.mark.parametrize("text", ['\n{"person": "root"}\n', "\r\n", "\x1b[2J", "‮\u2028", "\0"])
def test_nobody_writes_a_line_of_their_own(
    service: Host, audit: Audit, file: Path, a_hub: StubHub, text: str
) -> None:
    """Whatever is in a name or an address, it is one line of printable ASCII."""
    token = f"odd-{len(text)}-{ord(text[0])}"
    a_hub.add(token, f"odd{text}")
    service.ask("POST", f"jobs/{quote(text)}/cancel", token=token)
    service.ask("POST", f"jobs/{quote(text).lower()}/ä/cancel", token=token)
    service.ask("POST", "jobs/last/cancel", token=token)

    found = lines(audit, file, "jobs/last/")
    assert 3 == len(found) == file.read_bytes().count(b"\n")
    assert {f"odd{text}"} == {entry["person"] for entry in found}
    assert all(32 <= byte < 127 or byte == 10 for byte in file.read_bytes())


def test_a_line_is_short(audit: Audit, file: Path) -> None:
    """Names and addresses of any length make lines of a few kilobytes."""
    audit.note(Deed("é" * 100_000, "POST" * 1000, "/é" * 100_000, 404, "x" * 999, "y" * 9999))
    (found,) = lines(audit, file, "POST")

    assert len(file.read_bytes()) < 6000
    assert "é" * 255 == found["person"]


def test_no_secret_is_in_it(service: Host, audit: Audit, file: Path, a_hub, wish) -> None:
    """Tokens, queries, bodies and cookies are not written, wherever they came."""
    a_hub.add("canary-1", "ada")
    more = {"headers": {"Cookie": "x=canary-2", "User-Agent": "canary-3"}}
    service.ask("POST", "jobs?token=canary-4&x=canary-5", token="canary-1",
                json=wish(env={"KEY": "canary-6"}), **more)  # fmt: skip
    service.ask("POST", "jobs", token="canary-1", json=wish(env={"KEY": "canary-7"}), **more)
    service.ask("POST", "jobs/last/cancel", token="canary-8", **more)

    assert 3 == len(lines(audit, file, "jobs/last/"))
    assert b"canary" not in file.read_bytes()


def test_the_service_writes_it(start: Start, client: Client, log: Path, tmp_path: Path) -> None:
    """The lab service of a hub has the file below its state, whole when it has ended."""
    process = start()
    up(client, process)
    with pytest.raises(DLLabError):
        client.cancel("last-b2c3d4f")
    process.terminate()
    assert 0 == process.wait(10)

    file = tmp_path / "state" / "audit.jsonl"
    (entry,) = [json.loads(line) for line in file.read_text().splitlines() if "last-" in line]
    assert ("ada", "POST", 404) == (entry["person"], entry["verb"], entry["status"])
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert "audit log" not in log.read_text()


def test_old_files_are_put_aside(file: Path) -> None:
    """Six files at most, none much larger than it may be, no line torn or lost before that."""
    written = 0
    audit = Audit(file, largest=2000)
    for n in range(200):
        audit.note(Deed("ada", "POST", f"/{n}", 200))
        before, written = written, n
        if n % 10 == 9:
            until(lambda n=n: f'"/{n}"' in newest(file))
    audit.close()
    assert before < written

    kept = sorted(file.parent.iterdir())
    assert [file.name, *(f"{file.name}.{n}" for n in range(1, 6))] == [path.name for path in kept]
    assert all(path.stat().st_size <= 2000 + 1700 for path in kept)
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in kept}
    oldest_first = [*reversed(kept[1:]), kept[0]]
    numbers = [
        int(json.loads(line)["path"][1:])
        for path in oldest_first
        for line in path.read_text().splitlines()
    ]
    assert list(range(numbers[0], 200)) == numbers


def newest(file: Path) -> str:
    """What is in it, or nothing while it is put aside."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def test_a_disk_that_is_full(
    service: Host, audit: Audit, file: Path, caplog: pytest.LogCaptureFixture, wish
) -> None:
    """Requests are answered as ever, the trouble is said once, and how many lines are missing."""
    file.parent.rename(file.parent.with_name("away"))
    with caplog.at_level(logging.ERROR, "dllab_hub.server.audit"):
        for _ in range(3):
            assert 201 == service.ask("POST", "jobs", json=wish()).status_code
        until(lambda: audit._unwritten == 3)
    assert 1 == len(caplog.records)
    assert "cannot be written: No such file" in caplog.text
    file.parent.with_name("away").rename(file.parent)
    service.ask("POST", "jobs/last/cancel")

    found = lines(audit, file, "jobs/last/")
    assert 3 == found[0]["lost"]
    assert 2 == len(found)


def test_no_half_line_is_left(tmp_path: Path) -> None:
    """When only a part of the lines finds room, what was there before stays readable."""
    program = """
import resource, sys
from pathlib import Path
from dllab_hub.server.audit import Audit, Deed
audit = Audit(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for n in range(20):
    audit.note(Deed("ada", "POST", f"/{n}", 200))
    while not audit._lines.empty(): pass
audit.close()
"""
    file = tmp_path / "audit.jsonl"
    subprocess.run([sys.executable, "-c", program, str(file)], check=True, capture_output=True)

    text = file.read_text()
    assert 0 < len(text) <= 1000
    assert text.endswith("}\n")
    assert all(json.loads(line)["person"] == "ada" for line in text.splitlines())


def test_a_torn_line_ends_where_it_ends(file: Path) -> None:
    """After a crash of the machine in the middle of a line the next one is a line of its own."""
    file.write_text('{"time": "2026')
    audit = Audit(file)
    audit.note(Deed("ada", "POST", "/", 200))
    audit.close()

    torn, whole = file.read_text().splitlines()
    assert '{"time": "2026' == torn
    assert "ada" == json.loads(whole)["person"]


class Stuck(Audit):
    """The disk does not answer until it is let go."""

    go = threading.Event()

    def _append(self, lines: Any) -> None:
        self.go.wait(20)
        super()._append(lines)


def test_a_disk_that_hangs(file: Path) -> None:
    """Nobody waits for it, no more than some lines wait for it, and the rest are counted."""
    audit = Stuck(file, waiting=10)
    for n in range(1000):
        audit.note(Deed("ada", "POST", f"/{n}", 200))
    assert audit._lines.qsize() <= 10
    audit.go.set()
    until(lambda: audit._lines.empty())
    audit.note(Deed("ada", "POST", "/last", 200))
    audit.close()

    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert "/last" == found[-1]["path"]
    assert 1001 == sum(entry.get("lost", 1) for entry in found)


def test_strangers_do_not_fill_it(service: Host, audit: Audit, file: Path, monkeypatch) -> None:
    """Of those whom nobody knows a hundred a minute are written; of the others all."""
    monkeypatch.setattr("dllab_hub.server.audit.time.monotonic", lambda: 600.0)
    for _ in range(120):
        service.ask("GET", "status", token="wrong")
    service.ask("POST", "jobs/last/cancel")

    found = lines(audit, file, "jobs/last/")
    assert 100 == sum(entry.get("person") == "" for entry in found)
    assert 1 == sum(entry.get("person") == "ada" for entry in found)
    assert 20 == found[-1]["left_out"]


@pytest.mark.parametrize(
    ("trust", "peer", "forwarded", "seen"),
    [
        (False, "127.0.0.1", ["10.0.0.7"], ""),
        (False, "10.1.2.3", ["10.0.0.7"], "10.1.2.3"),
        (True, "127.0.0.1", ["6.6.6.6, 10.0.0.7"], "10.0.0.7"),
        (True, "127.0.0.1", ["6.6.6.6", "fe80::7"], "fe80::7"),
        (True, "127.0.0.1", ['x" {}'], ""),
        (True, "10.1.2.3", [], "10.1.2.3"),
        (False, "", [], ""),
    ],
)
def test_where_it_came_from(
    file: Path, trust: bool, peer: str, forwarded: list[str], seen: str
) -> None:
    """The last word of a proxy that is one; what a stranger writes about themselves is nothing."""
    headers = HTTPHeaders()
    for value in forwarded:
        headers.add("X-Forwarded-For", value)
    start = RequestStartLine("GET", "/", "HTTP/1.0")
    request = HTTPServerRequest(start_line=start, headers=headers)
    request.remote_ip = peer

    assert seen == Audit(file, trust_proxy=trust).address(request)
