"""What no model can answer, and requests that mean harm, through everything before a model."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import garbage
import httpx
import pytest
from model_service import ModelService, model_service, private, until

MEGABYTE = 1_000_000
ROW = {"instances": [[1, 2, 3, 4]]}
PATHS = {"V1": "v1/models/net:predict", "V2": "v2/models/net/infer"}
BODIES = [
    pytest.param(protocol, body, id=f"{protocol} {name}")
    for protocol, bodies in (("V1", garbage.V1), ("V2", garbage.V2))
    for name, body in bodies.items()
]
Post = Callable[[str, bytes], httpx.Response]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, onnx_models: Path) -> Iterator[ModelService]:
    """The model ``net`` with one replica."""
    with model_service(tmp_path_factory.mktemp("garbage")) as service:
        service.serve(onnx_models / "net.onnx")
        assert 200 == service.v1(ROW).status_code
        yield service


@pytest.fixture(scope="module", params=["service", "balancer"])
def post(served: ModelService, request: pytest.FixtureRequest) -> Iterator[Post]:
    """Sends a body: at the address that programs are given, and past the service."""
    if request.param == "service":
        yield lambda path, body: served.ask(path, body)
        return
    transport = httpx.HTTPTransport(uds=str(served.socket()))
    with httpx.Client(transport=transport, base_url="http://balancer", timeout=60) as http:
        yield lambda path, body: http.post(f"/{path}", content=body)


def test_there_are_thirty() -> None:
    """Fifteen for each protocol."""
    assert (15, 15) == (len(garbage.V1), len(garbage.V2))


@pytest.mark.parametrize(("protocol", "body"), BODIES)
def test_a_body_that_no_model_can_answer(
    served: ModelService, post: Post, protocol: str, body: bytes
) -> None:
    """4xx with one short sentence, soon; the next good request is answered."""
    began = time.monotonic()
    answer = post(PATHS[protocol], body)
    took = time.monotonic() - began

    assert 400 <= answer.status_code < 500
    assert ["error"] == list(answer.json())
    assert len(answer.content) < 1000
    assert "Traceback" not in answer.text
    assert took < 3
    assert 200 == served.v1(ROW).status_code


def test_garbage_leaves_nothing_behind(served: ModelService) -> None:
    """Two rounds of all thirty, after a first one: each part soon holds what it held before, it is
    the same process, and no log has a traceback."""

    def everything() -> None:
        for protocol, bodies in (("V1", garbage.V1), ("V2", garbage.V2)):
            for body in bodies.values():
                assert served.ask(PATHS[protocol], body).is_client_error

    everything()
    time.sleep(2)
    before, replica = served.memory(), served.replica().pid
    for _ in range(2):
        everything()

    def grown() -> dict[str, int]:
        return {part: size - before[part] for part, size in served.memory().items()}

    until(lambda: max(grown().values()) < 15 * MEGABYTE, f"memory back to its base: {before}", 30)
    print({part: f"{size / MEGABYTE:+.1f} MB" for part, size in grown().items()})
    assert replica == served.replica().pid
    for name in ("replica-1", "balancer"):
        assert "Traceback" not in served.client.deployment_logs("net", replica=name).text
    assert "Traceback" not in served.log.read_text()


def raw(served: ModelService, head: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and all of the answer to a request written by hand."""
    host, port = served.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode("latin-1") + body)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return int(answer.split(b" ", 2)[1]), answer


def head(served: ModelService, path: str, length: int = 0, *more: str, method: str = "POST") -> str:
    """Of a request that ends its connection."""
    lines = (
        f"{method} {path} HTTP/1.1",
        "Host: there",
        f"Authorization: token {served.token}",
        f"Content-Length: {length}",
        "Connection: close",
        *more,
    )
    return "\r\n".join(lines) + "\r\n\r\n"


BASE = "/services/dllab/serve/ada/net"


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}//evil.example/v1/models/net:predict",
        f"{BASE}/%2e%2e/%2e%2e/grace/net/v1/models/net:predict",
        f"{BASE}/v1/%2e%2e/%2e%2e/metrics",
        f"{BASE}/v1/models/..%2f..%2fmetrics",
        f"{BASE}/@evil.example/v1/models/net:predict",
        f"{BASE}/http://evil.example/",
        f"{BASE}/v2/repository/models/net/unload",
        f"{BASE}/v2//repository/index",
        f"{BASE}/v2/%72epository/index",
        f"{BASE}/metrics",
        f"{BASE}/v1/models/net:predict%0d%0aX-Evil:%201",
        f"{BASE}/v1/models/net:predict%00",
        "/services/dllab/serve/grace/net/v1/models/net:predict",
        "/services/dllab/serve/ada/../ada/net/v1/models/net:predict",
        f"{BASE}/v1/models/{'a' * 5000}:predict",
    ],
)
def test_a_path_that_leads_elsewhere(served: ModelService, path: str) -> None:
    """There is nothing; the replica is never told another path than its own."""
    for method in ("GET", "POST"):
        body = json.dumps(ROW).encode() if method == "POST" else b""
        status, answer = raw(served, head(served, path, len(body), method=method), body)
        assert status in (400, 404), answer[:300]
        assert b"predictions" not in answer
        assert b"X-Evil" not in answer
    assert 200 == served.v1(ROW).status_code


def test_headers_that_lie(served: ModelService) -> None:
    """Another host, another address, an override of the method and a second length change
    nothing, or are refused; what we say about ourselves does not name them."""
    body = json.dumps(ROW).encode()
    path = f"{BASE}/v1/models/net:predict"
    for line in (
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: host=evil.example",
        "X-HTTP-Method-Override: DELETE",
        "X-Original-URL: /v2/repository/index",
        "Content-Encoding: identity",
    ):
        status, answer = raw(served, head(served, path, len(body), line), body)
        assert (200, True) == (status, b"predictions" in answer), answer[:300]
        assert b"evil.example" not in answer
    for line in ("Content-Length: 3", "Transfer-Encoding: chunked", "Transfer-Encoding: xchunked"):
        status, answer = raw(served, head(served, path, len(body), line), body)
        assert 400 <= status < 500, answer[:300]
    status, answer = raw(served, head(served, BASE, 0, "X-Forwarded-Host: evil.example",
                                      method="GET"))  # fmt: skip
    assert 200 == status
    assert b"evil.example" not in answer
    assert 200 == served.v1(ROW).status_code


def test_a_body_that_is_announced_as_a_gigabyte(served: ModelService) -> None:
    """It is refused before it comes."""
    began = time.monotonic()
    status, answer = raw(
        served, head(served, f"{BASE}/v1/models/net:predict", 10**9), b'{"instances": [['
    )

    assert 413 == status, answer[:300]
    assert time.monotonic() - began < 2


def test_a_gigabyte_that_does_not_say_so(served: ModelService) -> None:
    """A body in pieces is refused while it comes, and the service does not keep it."""
    before, sent = private(served.process.pid), 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * MEGABYTE

    # Who is cut off while they still send may not read why.
    with suppress(httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadError):
        answer = served.http.post(served.url(PATHS["V1"]), content=pieces())
        assert 413 == answer.status_code
    assert sent < 100
    until(
        lambda: private(served.process.pid) - before < 15 * MEGABYTE,
        "the service's memory back",
        20,
    )
    assert 200 == served.v1(ROW).status_code


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_a_compressed_bomb(served: ModelService, encoding: str) -> None:
    """A hundred megabytes in a hundred kilobytes are not unpacked."""
    bomb = gzip.compress(b'{"instances": [[' + b"1," * 50 * MEGABYTE + b"1]]}", 9)
    before = served.memory()
    began = time.monotonic()
    answer = served.ask(PATHS["V1"], bomb, **{"Content-Encoding": encoding})

    assert 400 <= answer.status_code < 500
    assert time.monotonic() - began < 2
    until(
        lambda: all(size - before[part] < 15 * MEGABYTE for part, size in served.memory().items()),
        "memory back to its base",
        20,
    )


def test_half_a_body_and_no_end(served: ModelService, onnx_models: Path) -> None:
    """Senders that stop in the middle keep nobody else from being answered."""
    host, port = served.address.removeprefix("http://").split(":")
    start = head(served, f"{BASE}/v1/models/net:predict", 1000).encode() + b'{"instances": '
    stuck = [socket.create_connection((host, int(port)), timeout=20) for _ in range(50)]
    try:
        for connection in stuck:
            connection.sendall(start)
        took: list[float] = []
        for _ in range(20):
            began = time.monotonic()
            assert 200 == served.v1(ROW).status_code
            took.append(time.monotonic() - began)
    finally:
        for connection in stuck:
            connection.close()

    assert sorted(took)[10] < 0.5


def test_the_answer_names_no_other_person(served: ModelService) -> None:
    """For somebody else the deployment is not there, whatever they send."""
    other: Any = {"Authorization": "token nobodys"}
    for path in PATHS.values():
        answer = served.http.post(served.url(path), content=b"{}", headers=other)
        assert answer.status_code in (401, 403)
        assert "ada" not in answer.text
