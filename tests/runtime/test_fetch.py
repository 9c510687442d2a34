"""How a job's files come into its pod, from a real HTTP server."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.runtime import fetch


class Service(HTTPServer):
    """Answers with what was put into ``answers``, one after the other."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, bytes, int]] = []
        self.tokens: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/files"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self.server.tokens.append(self.headers["Authorization"])
        status, body, length = self.server.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not a word among those of the tests."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(fetch, "_PAUSES", (0.01, 0.01))
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def archive(*members: tarfile.TarInfo, name: str = "train.py") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
        for member in members:
            tar.addfile(member)
    return file.getvalue()


def got(service: Service, into: Path) -> int:
    return fetch.main(str(into), {"DLLAB_FETCH_URL": service.url, "DLLAB_FETCH_TOKEN": "mine"})


def test_files_come_with_the_token(service: Service, tmp_path: Path) -> None:
    """The archive's files are there, and the service saw the job's token."""
    body = archive()
    service.answers = [(200, body, len(body))]

    assert 0 == got(service, tmp_path)
    assert "hello" == (tmp_path / "train.py").read_text()
    assert ["Bearer mine"] == service.tokens


def test_it_tries_again_while_the_service_is_away(service: Service, tmp_path: Path) -> None:
    """A 503 and an answer that ends in the middle are no reason to give up."""
    body = archive()
    service.answers = [(503, b"", 0), (200, body[:-9], len(body)), (200, body, len(body))]

    assert 0 == got(service, tmp_path)
    assert "hello" == (tmp_path / "train.py").read_text()


def test_a_refusal_is_final(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a token that opens nothing it ends at once, with a sentence and without the token."""
    service.answers = [(403, b"", 0)]

    assert 1 == got(service, tmp_path)
    said = capsys.readouterr().err
    assert "dllab: the job's files did not come: the lab service answers 403 Forbidden.\n" == said


@pytest.mark.parametrize("evil", ["../out", "/tmp/out", "link", "device"])
def test_an_archive_cannot_leave(service: Service, tmp_path: Path, evil: str) -> None:
    """Paths that lead out, links and devices are refused, and nothing is outside."""
    if evil == "link":
        member = tarfile.TarInfo("link")
        member.type, member.linkname = tarfile.SYMTYPE, "../../etc"
        body = archive(member)
    elif evil == "device":
        member = tarfile.TarInfo("device")
        member.type = tarfile.CHRTYPE
        body = archive(member)
    else:
        body = archive(name=evil)
    service.answers = [(200, body, len(body))] * 3
    into = tmp_path / "in"
    into.mkdir()

    code = got(service, into)

    assert not (tmp_path / "out").exists()
    assert not Path("/tmp/out").exists()
    assert 1 == code


def test_nothing_is_told_without_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    """A pod that lacks the variables says which one."""
    assert 2 == fetch.main("/nowhere", {})
    assert "dllab: DLLAB_FETCH_URL is not set.\n" == capsys.readouterr().err
