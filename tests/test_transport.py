"""The one transport: how it says what went wrong, where it goes, and where it does not."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import pytest

from dllab_hub import exchange
from dllab_hub.errors import (
    AccessDenied,
    Conflict,
    DLLabError,
    InvalidRequest,
    NoCapacity,
    NotFound,
    StorageFull,
    TooLarge,
    Unavailable,
)
from dllab_hub.specs import TrainingJob
from dllab_hub.transport import AsyncTransport, Transport, path


class _Parrot(BaseHTTPRequestHandler):
    """Answers what it was told to."""

    answer: tuple[int, str, dict[str, str]] = (200, "{}", {})
    seen: list[tuple[str, str, str, bytes]]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, self.headers.get("Authorization", ""), body))
        status, text, headers = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        return

    def address_string(self) -> str:
        return ""


class _OnSocket(UnixStreamServer):
    server_name, server_port = "", 0


@contextmanager
def serving(server: Any, *, handler: type[_Parrot]) -> Iterator[type[_Parrot]]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def parrot() -> Iterator[Any]:
    """A server; ``url``, ``answer`` and ``seen``."""
    handler = type("Parrot", (_Parrot,), {"seen": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    handler.url = f"http://127.0.0.1:{server.server_port}/x/dllab/api/"  # type: ignore[attr-defined]
    with serving(server, handler=handler):
        yield handler


def ask(
    face: str, url: str, *args: Any, token: str = "a-token", verb: str = "ask", **more: Any
) -> Any:
    """The same question through one of the two faces."""
    if face == "sync":
        with Transport(url, token) as transport:
            return getattr(transport, verb)(*args, **more)

    async def run() -> Any:
        transport = AsyncTransport(url, token)
        try:
            return await getattr(transport, verb)(*args, **more)
        finally:
            await transport.close()

    return asyncio.run(run())


@pytest.fixture(params=["sync", "async"])
def face(request: pytest.FixtureRequest) -> str:
    """Each of the two."""
    return str(request.param)


def test_what_is_sent(parrot: Any, face: str) -> None:
    """Method, address, token, query and body arrive as they were meant."""
    ask(face, parrot.url, "GET", "jobs", dict, state=("A", "B"), limit=5, next=None, replica="")
    ask(face, parrot.url.rstrip("/"), "POST", path("jobs", "a b/ü"), dict, body={"n": 1})
    ask(face, parrot.url, "GET", "status", dict, token="")

    (first, second, third) = parrot.seen
    assert first[:3] == (
        "GET", "/x/dllab/api/jobs?state=A&state=B&limit=5&replica=", "token a-token",
    )  # fmt: skip
    assert second[:2] == ("POST", "/x/dllab/api/jobs/a%20b%2F%C3%BC")
    assert json.loads(second[3]) == {"n": 1}
    assert third[2] == ""


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("no.", hint="do.", field="roles.0.gpus", line=3),
        AccessDenied("no."),
        NotFound("no."),
        Conflict("no."),
        NoCapacity("no.", hint="wait."),
        TooLarge("no."),
        Unavailable("no."),
        StorageFull("no."),
        DLLabError("no."),
    ],
)
def test_errors_arrive_as_they_were_raised(parrot: Any, face: str, error: DLLabError) -> None:
    """Class, message, hint, field and line survive the journey."""
    parrot.answer = (error.status, json.dumps(error.to_wire()), {})

    with pytest.raises(type(error)) as caught:
        ask(face, parrot.url, "GET", "jobs", dict)
    assert type(caught.value) is type(error)
    assert caught.value.to_wire() == error.to_wire()


@pytest.mark.parametrize(
    ("status", "text", "kind", "word"),
    [
        (200, "<html>", Unavailable, "status 200"),
        (200, "", Unavailable, "status 200"),
        (200, "[" * 100_000, Unavailable, "status 200"),
        (302, "", Unavailable, "status 302"),
        (401, "<html>", AccessDenied, "token"),
        (403, '{"message": "Forbidden"}', AccessDenied, "token"),
        (404, "<html>", Unavailable, "status 404"),
        (404, '{"error": "no"}', Unavailable, "status 404"),
        (500, "oops", Unavailable, "status 500"),
        (502, "<html>", Unavailable, "does not answer now"),
        (503, "<html>", Unavailable, "does not answer now"),
        (599, "", Unavailable, "status 599"),
    ],
)
def test_answers_of_others(
    parrot: Any, face: str, status: int, text: str, kind: type[DLLabError], word: str
) -> None:
    """A proxy, a login page or another server is told apart from a lab."""
    parrot.answer = (status, text, {"Location": "http://evil.example/"} if status == 302 else {})

    with pytest.raises(kind, match=word) as caught:
        ask(face, parrot.url, "GET", "jobs", dict)
    assert caught.value.hint
    assert len(parrot.seen) == 1  # No redirect is followed: the token stays here.


def test_an_answer_of_another_version(parrot: Any, face: str) -> None:
    """A value with a key that this version does not know is no fault of who asked."""
    parrot.answer = (200, '{"id": "x", "colour": "red"}', {})

    with pytest.raises(Unavailable, match="not understood"):
        ask(face, parrot.url, "GET", "jobs/x", TrainingJob.from_wire)


def test_nobody_there(face: str) -> None:
    """A closed port is named, with what to do next."""
    with pytest.raises(Unavailable, match=r"nothing answers at http://127\.0\.0\.1:1/") as caught:
        ask(face, "http://127.0.0.1:1/dllab/api/", "GET", "status", dict)
    assert caught.value.hint


def test_no_answer(face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs is not waited for without end; one that hangs up is told apart."""
    monkeypatch.setattr(exchange, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Unavailable, match="no answer came in time"):
            ask(face, url, "GET", "status", dict)

    monkeypatch.setattr(exchange, "TIMEOUT", 5)
    with socket.create_server(("127.0.0.1", 0)) as rude:
        url = f"http://127.0.0.1:{rude.getsockname()[1]}/"
        thread = threading.Thread(target=lambda: rude.accept()[0].close())
        thread.start()
        with pytest.raises(Unavailable, match="broke off"):
            ask(face, url, "GET", "status", dict)
        thread.join()


@pytest.mark.parametrize(
    "url", ["", "localhost:8888", "ftp://x/", "http://", "http://[", "http://x:99999999/", "/x"]
)
def test_addresses_that_are_none(url: str) -> None:
    """What is no address says so before anything is sent."""
    with pytest.raises(Unavailable, match="not an http URL"):
        Transport(url, "")


@pytest.mark.parametrize("token", ["a\nb", "ä", "a\r\nX: y"])
def test_tokens_that_are_none(token: str) -> None:
    """A token cannot smuggle a header."""
    with pytest.raises(Unavailable, match="token"):
        Transport("http://127.0.0.1:1/", token)


def test_no_proxy_for_this_machine(parrot: Any, face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment never sees what is said on this machine."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert ask(face, parrot.url, "GET", "status", dict) == {}


def test_a_unix_socket(tmp_path: Path, face: str) -> None:
    """A Jupyter server that listens on a socket is reached through it."""
    handler = type("Parrot", (_Parrot,), {"seen": []})
    at = tmp_path / "jupyter.sock"
    with serving(_OnSocket(str(at), handler), handler=handler):
        url = f"http+unix://{str(at).replace('/', '%2F')}/user/ada/dllab/api/"
        assert ask(face, url, "GET", "status", dict) == {}
    assert handler.seen[0][1] == "/user/ada/dllab/api/status"


@pytest.mark.parametrize(
    "id", ["", ".", "..", "../../etc", "a/b", "a?b", "a#b", "a%2Fb", "é", "\0"]
)
def test_an_id_is_one_segment(parrot: Any, face: str, id: str) -> None:
    """Whatever an id is, the request goes to that job and to nothing else."""
    ask(face, parrot.url, "GET", path("jobs", id, "logs"), dict)

    parts = parrot.seen[0][1].split("/")
    assert ["", "x", "dllab", "api", "jobs"] == parts[:5]
    assert (7, "logs") == (len(parts), parts[6])
    assert not set("?#") & set(parts[5])


def test_a_file_is_sent_in_pieces(parrot: Any, face: str, tmp_path: Path) -> None:
    """A file arrives whole, with its length and as whoever sends it; the answer is read."""
    file = tmp_path / "net.onnx"
    file.write_bytes(bytes(range(256)) * 10_000)
    parrot.answer = (201, '{"version": 3}', {})

    answer = ask(face, parrot.url, path("models", "a/b", "versions"), file, dict, verb="upload")
    assert {"version": 3} == answer
    assert [("POST", "/x/dllab/api/models/a%2Fb/versions", "token a-token")] == [
        seen[:3] for seen in parrot.seen
    ]
    assert file.read_bytes() == parrot.seen[0][3]


def test_a_file_that_is_refused(parrot: Any, face: str, tmp_path: Path) -> None:
    """A refusal before the last byte is read is heard; a file that is not there is not sent."""
    handler = type("Early", (parrot,), {"rfile": None, "seen": []})

    def refuse(self: Any) -> None:
        """Answers without a look at the body, and hangs up."""
        self.close_connection = True
        text = json.dumps(TooLarge("too much.").to_wire()).encode()
        self.send_response(413)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    handler.do_POST = refuse  # type: ignore[attr-defined]
    file = tmp_path / "net.onnx"
    file.write_bytes(b"x" * 100_000)
    with serving(server := HTTPServer(("127.0.0.1", 0), handler), handler=handler):
        url = f"http://127.0.0.1:{server.server_port}/"
        with pytest.raises((TooLarge, Unavailable)):
            ask(face, url, "models/m/versions", file, dict, verb="upload")

    with pytest.raises(InvalidRequest, match=r"gone\.onnx cannot be read: no such file") as caught:
        ask(face, parrot.url, "models/m/versions", tmp_path / "gone.onnx", dict, verb="upload")
    assert "file" == caught.value.field
    with pytest.raises(InvalidRequest, match=r"cannot be read: embedded null byte"):
        ask(face, parrot.url, "models/m/versions", tmp_path / "a\0.onnx", dict, verb="upload")
    assert [] == parrot.seen


@pytest.mark.parametrize("status", [200, 302, 404, 413, 503])
def test_bytes_as_they_are(parrot: Any, face: str, status: int) -> None:
    """What lies beside the interface is asked with the token; its answer comes unread."""
    parrot.answer = (status, "no JSON", {"X-Model-Version": "2"})

    answer = ask(
        face, parrot.url, "POST", "/x/serve/ada/net/v1/models/net:predict?a=b", b"{}",
        {"X-Mine": "1"}, verb="raw",
    )  # fmt: skip
    assert (status, b"no JSON", "2") == (
        answer.status, answer.body, answer.headers["x-model-version"],
    )  # fmt: skip
    assert [
        ("POST", "/x/serve/ada/net/v1/models/net:predict?a=b", "token a-token", b"{}")
    ] == parrot.seen


@pytest.mark.parametrize(
    "where",
    [
        "",
        "x",
        "http://evil.example/",
        "/a/../b",
        "/a/%2e%2E/b",
        "/..%2fb",
        "/.",
        "/a\nb",
        "/\u00e9",
    ],
)
def test_paths_that_lead_elsewhere(parrot: Any, face: str, where: str) -> None:
    """No path leaves the origin, climbs, or smuggles a line: nothing is sent."""
    with pytest.raises(NotFound):
        ask(face, parrot.url, "GET", where, verb="raw")
    assert [] == parrot.seen


def test_a_path_that_looks_like_a_host(parrot: Any, face: str) -> None:
    """Two slashes at the beginning name no other machine."""
    assert 200 == ask(face, parrot.url, "GET", "//evil.example/x", verb="raw").status
    assert "//evil.example/x".lstrip("/") == parrot.seen[0][1].lstrip("/")


@pytest.mark.parametrize("verb", ["raw", "upload"])
def test_nobody_takes_it(face: str, verb: str, tmp_path: Path) -> None:
    """A closed port is said by the other two ways of asking, too."""
    file = tmp_path / "x"
    file.touch()
    args = ("GET", "/x") if verb == "raw" else ("x", file, dict)
    with pytest.raises(Unavailable, match="nothing answers") as caught:
        ask(face, "http://127.0.0.1:1/dllab/api/", *args, verb=verb)

    # A page has no kernel that could be restarted.
    assert ("kernel" in caught.value.hint) is (face == "sync")
