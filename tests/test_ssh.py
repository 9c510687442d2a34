"""What of a lab's address and answer becomes lines of a person's ssh configuration."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dllab_hub.errors import InvalidRequest, Unavailable
from dllab_hub.ssh import Way, config, door, lab_url

KEY = "ssh-ed25519 " + "A" * 64
WAY = Way("ada", "dllab-ada", "/user/ada/dllab/ssh/", (KEY,))


@pytest.mark.parametrize(
    ("page", "lab"),
    [
        ("https://h/user/ada/lab/tree/a.ipynb?reset#x", "https://h/user/ada/"),
        (" https://h/user/ada/dllab/ ", "https://h/user/ada/"),
        ("https://h/pre/user/ada/gpu/lab", "https://h/pre/user/ada/gpu/"),
        ("https://h/user/lab/", "https://h/user/lab/"),
        ("https://h/user/tree/lab/tree/doc/x", "https://h/user/tree/"),
        ("https://h/user/ada", "https://h/user/ada/"),
        ("http://127.0.0.1:8888/lab", "http://127.0.0.1:8888/"),
    ],
)
def test_the_address_of_any_page(page: str, lab: str) -> None:
    """Every page of a lab leads to it, also when its person is called as a page is."""
    assert lab == lab_url(page)


@pytest.mark.parametrize(
    "text", ["hub.example", "ftp://h/", "https://", "https://a@h/", "http://h:x/"]
)
def test_what_is_no_address(text: str) -> None:
    """It is refused before anything is asked."""
    with pytest.raises(InvalidRequest):
        lab_url(text)


def test_the_lines_stand_for_themselves() -> None:
    """They are added to files whose last line has no end, and a percent sign stays one."""
    lines = config(WAY, "https://h/user/a%20b/", Path("/home/50%/x y"), "mine")

    assert lines.startswith("\nHost mine\n")
    assert "'/home/50%%/x y' https://h/user/a%%20b/\n" in lines
    assert 'UserKnownHostsFile "/home/50%%/x y/known_hosts"\n' in lines


@pytest.mark.parametrize(
    ("alias", "identity"),
    [("a b", ""), ("-x", ""), ("a\nHost *", ""), ("a", 'x"\n    LocalCommand y')],
)
def test_no_line_is_smuggled_in(alias: str, identity: str) -> None:
    """A name or path that would be more than that is refused."""
    with pytest.raises(InvalidRequest):
        config(WAY, "https://h/", Path("/x"), alias, identity)


DOOR = {"user": WAY.user, "alias": WAY.alias, "path": WAY.path, "host_keys": [KEY]}


class _Lab(BaseHTTPRequestHandler):
    """Says what `WAY` says, or, without its token, what a sign-in page says."""

    def do_GET(self) -> None:
        good = self.headers["Authorization"] == "token good"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"ssh": DOOR}).encode() if good else b"<html>Sign in")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def signed_by_itself(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of a lab whose certificate nobody knows, and the certificate."""
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    made += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), _Lab) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/user/ada/", certificate
        server.shutdown()
        thread.join()


def test_a_certificate_of_ones_own(
    signed_by_itself: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said what is wrong, and what to set; with that the lab is reached, if it is one."""
    url, certificate = signed_by_itself
    with pytest.raises(Unavailable, match=r"certificate of 127\.0\.0\.1.*not trusted") as caught:
        door(url, "good")
    assert "SSL_CERT_FILE" in caught.value.hint

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert WAY == door(url, "good")
    with pytest.raises(Unavailable, match="no lab answers at"):
        door(url, "other")
