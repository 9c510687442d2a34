"""The endpoints themselves, on both hosts: what is passed on, what comes back, what never does."""

from __future__ import annotations

import socket
import time

import pytest
from served import Host, browser

from dllab_hub.backends.calls import Call, Reply
from dllab_hub.server.body import MAX_BODY_BYTES
from dllab_hub.specs import DeploymentState


@pytest.fixture
def predict_at(host: Host, a_deployment: str) -> str:
    """Address of the V1 protocol."""
    return host.endpoint("ada", a_deployment, f"v1/models/{a_deployment}:predict")


@pytest.fixture
def calls(host: Host, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What reaches the model from now on."""
    seen: list[Call] = []
    call = type(host.backend.serving)._call

    async def watch(self, owner: str, name: str, given: Call) -> Reply:
        seen.append(given)
        return await call(self, owner, name, given)

    monkeypatch.setattr(type(host.backend.serving), "_call", watch)
    return seen


def refused(answer, status: int) -> str:
    """The sentence of an error of ours."""
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["message"])


def test_both_protocols(host: Host, a_deployment: str, predict_at: str) -> None:
    """The model's own words, its version, and nothing kept."""
    v1 = host.ask("POST", predict_at, json={"instances": [[1.0]]})
    assert ({"predictions": [[1.0]]}, "1") == (v1.json(), v1.headers["x-model-version"])
    assert ("application/json", "no-store") == (
        v1.headers["content-type"],
        v1.headers["cache-control"],
    )
    at = host.endpoint("ada", a_deployment, f"v2/models/{a_deployment}")
    tensor = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}
    assert [tensor] == host.ask("POST", f"{at}/infer", json={"inputs": [tensor]}).json()["outputs"]
    assert host.ask("GET", f"{at}/ready").json()["ready"] is True


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_anothers_address_is_not_ones_own(
    host: Host, a_deployment: str, calls: list[Call], method: str
) -> None:
    """Who has a deployment of that name too is not answered by it at somebody else's address."""
    for path in ("", f"v1/models/{a_deployment}:predict"):
        if path or method == "GET":
            answer = host.ask(method, host.endpoint("grace", a_deployment, path), json={})
            assert "no such deployment" in refused(answer, 404)
    assert [] == calls


def test_what_there_is_to_ask(host: Host, a_deployment: str) -> None:
    """The bare address says what the model takes and where; with a slash and without."""
    bare = host.endpoint("ada", a_deployment)
    about = host.ask("GET", bare).json()

    assert (a_deployment, "ada", 1, DeploymentState.READY) == (
        about["name"], about["owner"], about["version"], about["state"],
    )  # fmt: skip
    assert [{"name": "x", "datatype": "FP32", "shape": [None, 64]}] == about["inputs"]
    assert ["y"] == [tensor["name"] for tensor in about["outputs"]]
    for url in about["urls"].values():
        assert host.origin + url in (
            f"{bare}v1/models/{a_deployment}:predict",
            f"{bare}v2/models/{a_deployment}/infer",
        )
    assert about == host.ask("GET", bare.removesuffix("/")).json()


def test_what_the_model_hears(host: Host, predict_at: str, calls: list[Call]) -> None:
    """Body and kind of it; never who asked, a cookie, or what a proxy has added."""
    headers = {
        "Cookie": "a=secret", "X-XSRFToken": "secret", "X-Forwarded-For": "secret",
        "Proxy-Authorization": "secret", "Content-Type": "application/json; charset=utf-8",
    }  # fmt: skip
    host.ask("POST", predict_at, content=b'{"instances": [1]}', headers=headers)
    (call,) = calls

    assert (b'{"instances": [1]}', "POST") == (call.body, call.method)
    assert {"content-type", "accept"} == set(call.headers)
    assert "application/json; charset=utf-8" == call.headers["content-type"]


def test_errors_of_the_model_server(
    host: Host, predict_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come back as they are, and with nothing that a model server may not say."""

    async def call(*_) -> Reply:
        headers = {"Content-Type": "text/html", "Set-Cookie": "a=1", "X-Model-Version": "7",
                   "Content-Length": "99999", "Transfer-Encoding": "chunked"}  # fmt: skip
        return Reply(422, b"<script>", headers)

    monkeypatch.setattr(host.backend.serving, "_call", call)
    answer = host.ask("POST", predict_at, json={})

    assert (422, b"<script>", "7") == (
        answer.status_code,
        answer.content,
        answer.headers["x-model-version"],
    )
    # Never a page that a browser would draw under the hub's name.
    assert ("application/octet-stream", "nosniff") == (
        answer.headers["content-type"],
        answer.headers["x-content-type-options"],
    )
    assert "a=1" not in answer.headers.get("set-cookie", "")


def test_a_model_that_is_down(host: Host, a_deployment: str, predict_at: str) -> None:
    """Why nothing answers is said in our form."""
    host.backend.serving.fail("ada", a_deployment, "replica-1 ended with exit code 1.")

    assert "exit code 1" in refused(host.ask("POST", predict_at, json={"instances": [1]}), 503)
    assert "FAILED" == host.ask("GET", host.endpoint("ada", a_deployment)).json()["state"]


@pytest.mark.parametrize(
    "path",
    ["metrics", "docs", "openapi.json", "v3/models", "v1/..", "v1/../../grace/x", "v1/%2e%2e/x",
     "v1/..%2fx", "..%2f..%2fx/v1", "v1//models", "v1/models%00", "v1/models%0a", "v1\\..\\x",
     "v2/.", "v1/models?x", "v1/%3Cscript%3E", "v2x", "v1/"],
)  # fmt: skip
def test_other_addresses(host: Host, a_deployment: str, calls: list[Call], path: str) -> None:
    """Only the two protocols are passed on, and never a way out of them."""
    # By hand: the library would tidy the path up before it is sent.
    port = int(host.origin.rsplit(":", 1)[1])
    at = host.endpoint("ada", a_deployment, path.replace("?x", "%3Fx")).removeprefix(host.origin)
    with socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(
            f"GET {at} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
            f"Authorization: token {host.token}\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: sender.recv(65536), b""))

    assert b"404" == answer.split()[1]
    assert b"not_found" in answer
    assert b"script" not in answer
    assert [] == calls


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_methods(host: Host, predict_at: str, calls: list[Call], method: str) -> None:
    """A model is read and asked, nothing else."""
    assert 405 == host.ask(method, predict_at, json={}).status_code
    assert [] == calls


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "in pieces"])
def test_a_large_body(host: Host, predict_at: str, calls: list[Call], chunked: bool) -> None:
    """40 MB are refused within a second and never reach the model; the connection may go on."""
    pieces, seconds = [b"x" * 1_000_000] * 40, []
    whole = b"".join(pieces)
    for _ in range(3):  # Other work of the machine does not count.
        start = time.monotonic()
        answer = host.ask("POST", predict_at, content=iter(pieces) if chunked else whole)
        seconds.append(time.monotonic() - start)
        assert "8 MiB" in refused(answer, 413)

    assert min(seconds) < 1
    assert [] == calls
    assert "close" != answer.headers.get("connection")


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "in pieces"])
def test_a_body_without_end(host: Host, predict_at: str, calls: list[Call], chunked: bool) -> None:
    """What is far above the limit is not even let pass: the connection ends."""
    pieces = [b"x" * 1_000_000] * 200
    answer = host.ask("POST", predict_at, content=iter(pieces) if chunked else b"".join(pieces))

    assert "8 MiB" in refused(answer, 413)
    assert "close" == answer.headers["connection"]
    assert [] == calls


def test_the_largest_body(host: Host, predict_at: str) -> None:
    """All that is below the limit reaches the model."""
    body = b'{"instances": ["' + b"x" * (MAX_BODY_BYTES - 19) + b'"]}'

    assert MAX_BODY_BYTES == len(body)
    assert host.ask("POST", predict_at, content=body).is_success
    refused(host.ask("POST", predict_at, content=body + b" "), 413)


class TestOneVersion:
    """A program may say which of a deployment's versions is to answer."""

    @pytest.fixture
    def beside(self, host: Host, publish, a_deployment: str) -> str:
        """A deployment of version 1 that has version 2 as a canary to compare."""
        publish(host, a_deployment)
        body = {"version": 2, "percent": 0}
        assert host.ask("POST", f"deployments/{a_deployment}/canary", json=body).is_success
        return a_deployment

    @pytest.mark.parametrize(
        ("path", "called"),
        [
            ("v1/models/{}:predict?version=2", "v1/models/{}:predict"),
            ("v1/models/{}/versions/2:predict", "v1/models/{}:predict"),
            ("v1/models/{}/versions/2:predict?version=2", "v1/models/{}:predict"),
            ("v2/models/{}/infer?version=2", "v2/models/{}/infer"),
            ("v2/models/{}/versions/2/infer", "v2/models/{}/infer"),
        ],
    )
    def test_ways_to_say_it(
        self, host: Host, beside: str, calls: list[Call], path: str, called: str
    ) -> None:
        """In the query, or where the protocols have it in the path; the replica hears of none."""
        key = "instances" if path.startswith("v1") else "inputs"
        answer = host.ask(
            "POST", host.endpoint("ada", beside, path.format(beside)), json={key: [1]}
        )

        assert (200, "2") == (answer.status_code, answer.headers["x-model-version"])
        assert [(called.format(beside), 2)] == [(call.path, call.version) for call in calls]

    def test_reading(self, host: Host, beside: str, calls: list[Call]) -> None:
        """Whether a version is ready is asked in the same way."""
        at = host.endpoint("ada", beside, f"v2/models/{beside}/versions/1/ready")

        assert host.ask("GET", at).json()["ready"] is True
        assert [(f"v2/models/{beside}/ready", 1)] == [(call.path, call.version) for call in calls]

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("v1/models/{}/versions/3:predict", "version 3 does not serve here"),
            ("v1/models/{}:predict?version=3", "version 3 does not serve here"),
            ("v1/models/{}:predict?version=0", "from 1 up"),
            ("v1/models/{}:predict?version=two", "whole number"),
            ("v1/models/{}/versions/2:predict?version=1", "another one than that of the address"),
        ],
    )
    def test_versions_that_do_not_serve(
        self, host: Host, beside: str, path: str, said: str
    ) -> None:
        """They are refused with the field, and nothing is answered by another one."""
        answer = host.ask(
            "POST", host.endpoint("ada", beside, path.format(beside)), json={"instances": [1]}
        )

        assert said in refused(answer, 400)
        assert "version" == answer.json()["error"]["field"]
        versions = host.ask("GET", f"deployments/{beside}").json()["versions"]
        assert [0, 0] == [each["requests"] for each in versions]

    @pytest.mark.parametrize("version", ["0", "02", "x", "", "1" * 40])
    def test_paths_that_name_no_version(self, host: Host, beside: str, version: str) -> None:
        """They are the model server's affair, which knows no such address."""
        path = f"v1/models/{beside}/versions/{version}:predict"

        assert 404 == host.ask("POST", host.endpoint("ada", beside, path), json={}).status_code

    def test_what_there_is(self, host: Host, beside: str) -> None:
        """The bare address says which versions serve, and how much each gets."""
        about = host.ask("GET", host.endpoint("ada", beside)).json()

        assert [(1, 100), (2, 0)] == [
            (each["version"], each["percent"]) for each in about["versions"]
        ]


def test_queries(host: Host, predict_at: str, calls: list[Call]) -> None:
    """The protocols know none but which version is to answer."""
    refused(host.ask("POST", f"{predict_at}?x=1", json={"instances": [1]}), 400)

    assert [] == calls


def test_a_connection_is_kept(host: Host, predict_at: str) -> None:
    """An answer, and an error too, leave the connection open for the next question."""
    for body in ({"instances": [1]}, {"instances": []}):
        assert "close" != host.ask("POST", predict_at, json=body).headers.get("connection")


def test_a_page_of_a_browser(jupyter: Host, a_name: str, publish) -> None:
    """A page with cookie and XSRF token may ask; one without the token may not."""
    publish(jupyter, a_name)
    jupyter.ask("POST", "deployments", json={"name": a_name, "model": a_name})
    at = jupyter.endpoint("ada", a_name, f"v1/models/{a_name}:predict")
    headers = {**browser(jupyter), "Origin": jupyter.origin}

    assert jupyter.http.post(at, json={"instances": [1]}, headers=headers).is_success
    del headers["X-XSRFToken"]
    refused(jupyter.http.post(at, json={"instances": [1]}, headers=headers), 403)
