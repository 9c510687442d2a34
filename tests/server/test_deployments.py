"""Deployments over HTTP, on both hosts."""

from __future__ import annotations

import json
import time

import pytest
from served import Host

from dllab_hub.backends.calls import Reply
from dllab_hub.specs import Deployment, DeploymentPage, DeploymentState, LogChunk

DEEP = "[" * 100_000 + "]" * 100_000


def refused(answer, status: int, field: str | None = None) -> str:
    """The sentence of an error of ours."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert field is None or field == error["field"]
    return str(error["message"])


def test_the_life_of_a_deployment(host: Host, publish, a_model: str) -> None:
    """Deploy, read, scale, replace, delete: every answer is a value of ours."""
    answer = host.ask("POST", "deployments", json={"name": a_model, "model": a_model})
    made = Deployment.from_wire(answer.json())
    assert (201, "ada", 1) == (answer.status_code, made.owner, made.version)
    assert host.endpoint("ada", a_model) == host.origin + made.url

    more = host.ask("POST", f"deployments/{a_model}/scale", json={"replicas": 3})
    assert 3 == len(Deployment.from_wire(more.json()).replicas)
    publish(host, a_model)
    host.ask("POST", "deployments", json={"name": a_model, "model": a_model})
    now = Deployment.from_wire(host.ask("GET", f"deployments/{a_model}").json())
    assert (2, made.created, made.url) == (now.version, now.created, now.url)
    events = host.ask("GET", f"deployments/{a_model}/events").json()["events"]
    assert ("Deployed", "Scaled") == (events[0]["reason"], events[2]["reason"])

    gone = host.ask("DELETE", f"deployments/{a_model}")
    assert (200, {"deleted": a_model}) == (gone.status_code, gone.json())
    refused(host.ask("GET", f"deployments/{a_model}"), 404)
    refused(host.ask("DELETE", f"deployments/{a_model}"), 404)
    assert host.ask("GET", f"models/{a_model}/versions").is_success


def test_the_life_of_a_canary(host: Host, publish, a_deployment: str) -> None:
    """Start one, change it, promote it, go back, end another: each answer is the deployment."""
    publish(host, a_deployment)
    at = f"deployments/{a_deployment}"

    def done(verb: str, **body) -> Deployment:
        answer = host.ask("POST", f"{at}/{verb}", json=body)
        assert answer.status_code == 200, answer.text
        made = Deployment.from_wire(answer.json())
        assert host.endpoint("ada", a_deployment) == host.origin + made.url
        return made

    begun = done("canary", version=2)
    assert (1, 2, 10, 0.05) == (
        begun.version, begun.canary.version, begun.canary.percent, begun.canary.max_errors,
    )  # fmt: skip
    assert [90, 10] == [each.percent for each in begun.versions]
    assert 40 == done("canary", version=2, percent=40, replicas=2).canary.percent
    promoted = done("promote")
    assert (2, 1, None) == (promoted.version, promoted.previous, promoted.canary)
    back = done("rollback")
    assert (1, 2, 1) == (back.version, back.previous, back.spec.version)
    done("canary", version=2)
    assert None is host.ask("POST", f"{at}/rollback").raise_for_status().json()["canary"]

    reasons = [event["reason"] for event in host.ask("GET", f"{at}/events").json()["events"]]
    assert ["Canary", "Canary", "Promoted", "RolledBack", "Canary", "RolledBack"] == [
        reason for reason in reasons if reason not in ("Deployed", "Ready")
    ]


def test_a_deployment_that_scales_by_itself(host: Host, a_model: str) -> None:
    """The bounds travel; what is scaled by hand must lie between them."""
    wish = {"name": a_model, "model": a_model, "autoscale": {"min": 0, "max": 2}}
    made = Deployment.from_wire(host.ask("POST", "deployments", json=wish).json())
    assert (0, 2, 4.0, 600.0) == (
        made.spec.autoscale.min, made.spec.autoscale.max,
        made.spec.autoscale.target, made.spec.autoscale.idle,
    )  # fmt: skip
    at = f"deployments/{a_model}/scale"
    assert 2 == host.ask("POST", at, json={"replicas": 2}).json()["wished"]

    assert "from 0 to 2" in refused(host.ask("POST", at, json={"replicas": 3}), 400, "replicas")


def test_pages(host: Host, a_deployment: str) -> None:
    """Deployments come by name, each with its URL; pages follow one another."""
    names = [f"{a_deployment}-{letter}" for letter in "abc"]
    for name in names:
        host.ask("POST", "deployments", json={"name": name, "model": a_deployment})
    page = host.ask("GET", "deployments", params={"limit": 2, "next": a_deployment})
    first = DeploymentPage.from_wire(page.json())
    second = host.ask("GET", "deployments", params={"limit": 1, "next": first.next}).json()

    assert (names[:2], names[1]) == ([each.name for each in first.deployments], first.next)
    assert names[2] == second["deployments"][0]["name"]
    assert host.endpoint("ada", names[2]) == host.origin + second["deployments"][0]["url"]


def test_logs(host: Host, a_deployment: str) -> None:
    """Of the newest replica, of a certain one, and of the balancer."""
    host.backend.serving.write_log("ada", a_deployment, "balancer", "up\n")
    at = f"deployments/{a_deployment}/logs"
    newest = LogChunk.from_wire(host.ask("GET", at).json())
    assert ("replica-2", True) == (newest.replica, newest.text.startswith("replica-2"))
    assert "up\n" == host.ask("GET", at, params={"replica": "balancer"}).json()["text"]
    tail = host.ask("GET", at, params={"replica": "balancer", "offset": -2}).json()
    assert "p\n" == tail["text"]


class TestPredict:
    """Asking a model through the interface."""

    @pytest.fixture
    def predict(self, host: Host, a_deployment: str):
        """Sends a body; the answer."""

        def predict(body, **more):
            kind = {"json" if isinstance(body, dict) else "content": body}
            return host.ask("POST", f"deployments/{a_deployment}/predict", **kind, **more)

        return predict

    def test_both_protocols(self, predict, a_deployment: str) -> None:
        """The words of the request choose the protocol; the model's own answer comes back."""
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2]}
        assert {"predictions": [[1.5, 2]]} == predict({"instances": [[1.5, 2]]}).json()
        answer = predict({"inputs": [tensor]})
        assert {"model_name": a_deployment, "outputs": [tensor]} == answer.json()
        assert "application/json" == answer.headers["content-type"]

    def test_one_version(self, host: Host, predict, publish, a_deployment: str) -> None:
        """``version`` says which one answers; one that does not serve is refused."""
        publish(host, a_deployment)
        assert predict({"instances": [1]}, params={"version": 1}).is_success
        wrong = predict({"instances": [1]}, params={"version": 2})
        assert "version 2 does not serve here" in refused(wrong, 400, "version")
        at = f"deployments/{a_deployment}"
        host.ask("POST", f"{at}/canary", json={"version": 2, "percent": 0})
        for _ in range(3):
            assert predict({"instances": [1]}, params={"version": 2}).is_success
        versions = host.ask("GET", at).json()["versions"]

        assert [(1, 1), (2, 3)] == [(each["version"], each["requests"]) for each in versions]

    @pytest.mark.parametrize("version", ["0", "-1", "x", "1.0", "", "9" * 30])
    def test_versions_that_are_none(self, predict, version: str) -> None:
        """What is no number of a version is refused with the field."""
        refused(predict({"instances": [1]}, params={"version": version}), 400, "version")

    def test_a_model_that_sleeps(self, host: Host, predict, a_deployment: str) -> None:
        """Without a replica the state says so in words, and a request starts one."""
        host.backend.serving.idle("ada", a_deployment)
        told = host.ask("GET", f"deployments/{a_deployment}").json()
        assert ("IDLE", 0, []) == (told["state"], told["wished"], told["replicas"])
        assert "the next request starts one" in told["reason"]

        assert predict({"instances": [1]}).is_success
        assert "READY" == host.ask("GET", f"deployments/{a_deployment}").json()["state"]

    def test_words_that_look_like_the_other_protocol(self, predict) -> None:
        """Only keys of the whole count, not names and not text inside."""
        tensor = {"name": "instances", "datatype": "BYTES", "shape": [1], "data": ["a"]}
        assert [tensor] == predict({"id": "instances", "inputs": [tensor]}).json()["outputs"]
        rows = [{"inputs": [1.0]}]
        assert {"predictions": rows} == predict({"instances": rows}).json()

    @pytest.mark.parametrize(
        "body",
        [b"", b"x", b"[]", b"null", b"{}", b'{"instances": []}', b'{"inputs": []}', b"\xff",
         b'{"instances": 1}', b'{"inputs": {}}', DEEP.encode(), b'{"instances": ' + DEEP.encode(),
         b'{"inputs": "instances", ' + DEEP.encode()],
        ids=lambda body: repr(body)[:30],
    )  # fmt: skip
    def test_what_the_model_refuses(self, predict, body: bytes) -> None:
        """The model server's sentence comes back in the form of our errors, within a second."""
        start = time.monotonic()
        message = refused(predict(body), 400)

        assert "instances" in message or "inputs" in message
        assert time.monotonic() - start < 1

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_large_body(self, predict, chunked: bool) -> None:
        """40 MB are refused within a second, announced or not."""
        pieces, seconds = [b"x" * 1_000_000] * 40, []
        whole = b"".join(pieces)
        for _ in range(3):  # Other work of the machine does not count.
            start = time.monotonic()
            answer = predict(iter(pieces) if chunked else whole)
            seconds.append(time.monotonic() - start)
            assert "8 MiB" in refused(answer, 413)

        assert min(seconds) < 1

    @pytest.mark.parametrize(
        ("reply", "status", "said"),
        [
            (Reply(400, b'{"error": "x: wants 64 numbers."}'), 400, "x: wants 64 numbers."),
            (Reply(422, b'{"detail": []}'), 400, "the model does not take this request."),
            (Reply(404, b"no"), 400, "the model does not take this request."),
            (Reply(413, b'{"error": "too much."}'), 413, "too much."),
            (Reply(500, b'{"error": "it broke."}'), 503, "it broke."),
            (Reply(503, b"<html>"), 503, "the model did not answer."),
            (Reply(502, b"[" * 100_000), 503, "the model did not answer."),
        ],
    )
    def test_errors_of_the_model_server(
        self, host: Host, predict, monkeypatch: pytest.MonkeyPatch, reply: Reply, status, said
    ) -> None:
        """Whatever a model server says is wrong becomes one of our errors."""

        async def call(*_) -> Reply:
            return reply

        monkeypatch.setattr(host.backend.serving, "_call", call)

        assert said == refused(predict({"instances": [1]}), status)

    def test_a_model_that_is_down(self, host: Host, predict, a_deployment: str) -> None:
        """Why nothing answers is said; once something does, it answers."""
        host.backend.serving.fail("ada", a_deployment, "replica-1 ended with exit code 1.")
        state = host.ask("GET", f"deployments/{a_deployment}").json()["state"]
        assert DeploymentState.FAILED == state
        assert "exit code 1" in refused(predict({"instances": [1]}), 503)

        host.backend.serving.recover("ada", a_deployment)
        assert {"predictions": [1]} == predict({"instances": [1]}).json()


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"name": "../x"}, "name"),
        ({"name": "<img src=x>"}, "name"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"model": "nosuch"}, "model"),
        ({"model": "../../etc"}, "model"),
        ({"version": 0}, "version"),
        ({"version": 2}, "version"),
        ({"version": "1"}, "version"),
        ({"version": True}, "version"),
        ({"replicas": 0}, "replicas"),
        ({"replicas": 33}, "replicas"),
        ({"replicas": 1.5}, "replicas"),
        ({"replicas": 10**30}, "replicas"),
        ({"autoscale": {}}, "autoscale.max"),
        ({"autoscale": 3}, "autoscale"),
        ({"autoscale": {"max": 0}}, "autoscale.max"),
        ({"autoscale": {"max": 33}}, "autoscale.max"),
        ({"autoscale": {"min": 3, "max": 2}}, "autoscale.min"),
        ({"autoscale": {"min": -1, "max": 2}}, "autoscale.min"),
        ({"autoscale": {"max": 2, "target": 0}}, "autoscale.target"),
        ({"autoscale": {"max": 2, "idle": 1}}, "autoscale.idle"),
        ({"autoscale": {"max": 2, "signal": "moon"}}, "autoscale.signal"),
        ({"autoscale": {"max": 2, "signal": "gpu"}}, "autoscale.target"),
        ({"autoscale": {"max": 2, "most": 3}}, "autoscale.most"),
        ({"owner": "grace"}, "owner"),
        ({"url": "https://evil.example/"}, "url"),
    ],
    ids=str,
)
def test_wishes_that_cannot_be(host: Host, a_model: str, wish: dict, field: str) -> None:
    """The error names the field; nothing is deployed."""
    before = host.ask("GET", "deployments?limit=500").json()
    answer = host.ask("POST", "deployments", json={"name": a_model, "model": a_model, **wish})

    assert "<img" not in refused(answer, 400, field)
    assert before == host.ask("GET", "deployments?limit=500").json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"[2]", ""),
        (b"{}", "replicas"),
        (b'{"replicas": 0}', "replicas"),
        (b'{"replicas": 33}', "replicas"),
        (b'{"replicas": "2"}', "replicas"),
        (b'{"replicas": true}', "replicas"),
        (b'{"replicas": 2.0}', "replicas"),
        (b'{"replicas": null}', "replicas"),
        (b'{"replicas": NaN}', ""),
        (b'{"replicas": 2, "version": 1}', ""),
    ],
)
def test_scaling_to_nonsense(host: Host, a_deployment: str, body: bytes, field: str) -> None:
    """What is no number of replicas is refused, and as many as before go on."""
    refused(host.ask("POST", f"deployments/{a_deployment}/scale", content=body), 400, field)

    assert 2 == host.ask("GET", f"deployments/{a_deployment}").json()["ready"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"[2]", ""),
        (b"{}", "version"),
        (b'{"version": 0}', "version"),
        (b'{"version": "2"}', "version"),
        (b'{"version": 3}', "version"),
        (b'{"version": 2, "percent": 100}', "percent"),
        (b'{"version": 2, "percent": -1}', "percent"),
        (b'{"version": 2, "percent": 10.5}', "percent"),
        (b'{"version": 2, "percent": NaN}', ""),
        (b'{"version": 2, "replicas": 0}', "replicas"),
        (b'{"version": 2, "replicas": 33}', "replicas"),
        (b'{"version": 2, "max_errors": 2}', "max_errors"),
        (b'{"version": 2, "max_slowdown": 0.5}', "max_slowdown"),
        (b'{"version": 2, "weight": 5}', "weight"),
        (b'{"version": 2, "version": 2}', ""),
    ],
)
def test_canaries_that_cannot_be(
    host: Host, publish, a_deployment: str, body: bytes, field: str
) -> None:
    """The error names the field, and there is no canary."""
    publish(host, a_deployment)
    refused(host.ask("POST", f"deployments/{a_deployment}/canary", content=body), 400, field)

    assert None is host.ask("GET", f"deployments/{a_deployment}").json()["canary"]


def test_canaries_that_are_in_the_way(host: Host, a_deployment: str) -> None:
    """The version that serves, and an end of what has not begun, are conflicts with a way out."""
    at = f"deployments/{a_deployment}"
    for verb, body in (("canary", {"version": 1}), ("promote", {}), ("rollback", {})):
        answer = host.ask("POST", f"{at}/{verb}", json=body)
        refused(answer, 409)
        assert answer.json()["error"]["hint"]

    assert 2 == host.ask("GET", at).json()["ready"]


@pytest.mark.parametrize("verb", ["promote", "rollback"])
def test_promoting_takes_nothing(host: Host, publish, a_deployment: str, verb: str) -> None:
    """A body that would mean something is refused, and the canary goes on."""
    publish(host, a_deployment)
    at = f"deployments/{a_deployment}"
    host.ask("POST", f"{at}/canary", json={"version": 2})
    for body in (b'{"version": 1}', b"[]", b"x", b"null"):
        refused(host.ask("POST", f"{at}/{verb}", content=body), 400)
    refused(host.ask("POST", f"{at}/{verb}?force=1"), 400, "force")
    assert 2 == host.ask("GET", at).json()["canary"]["version"]

    assert host.ask("POST", f"{at}/{verb}", content=b"{}").is_success


def test_deleting_takes_nothing(host: Host, a_deployment: str) -> None:
    """A body that would mean something is refused, and the deployment goes on."""
    at = f"deployments/{a_deployment}"
    refused(host.ask("DELETE", at, content=json.dumps({"force": True})), 400)
    refused(host.ask("DELETE", f"{at}?force=1"), 400, "force")
    refused(host.ask("DELETE", at, content=b"x" * 9_000_000), 413)
    assert host.ask("GET", at).is_success
    assert host.ask("DELETE", at, content=b"{}").is_success


@pytest.mark.parametrize(
    "name",
    ["nosuch", "%2e%2e", "..%2F..%2Fetc", "%00", "Digits", "x" * 5000, "%3Cimg%3E"],
    ids=lambda text: text[:20],
)
@pytest.mark.parametrize(
    ("method", "rest"),
    [("GET", ""), ("DELETE", ""), ("POST", "/scale"), ("GET", "/logs"), ("GET", "/events"),
     ("POST", "/predict"), ("POST", "/canary"), ("POST", "/promote"), ("POST", "/rollback")],
)  # fmt: skip
def test_names_of_nothing(host: Host, name: str, method: str, rest: str) -> None:
    """What is no name is not found, and not echoed."""
    bodies = {
        "/scale": b'{"replicas": 1}', "/predict": b'{"instances": [1]}',
        "/canary": b'{"version": 1}',
    }  # fmt: skip
    path = f"deployments/{name}{rest}"
    message = refused(host.ask(method, path, content=bodies.get(rest, b"")), 404)

    assert "img" not in message


@pytest.mark.parametrize(
    ("query", "field"),
    [("offset=9223372036854775808", "offset"), ("limit=0", "limit"), ("limit=1048577", "limit"),
     ("attempt=1", "attempt"), ("follow=1", "follow")],
)  # fmt: skip
def test_pieces_of_logs(host: Host, a_deployment: str, query: str, field: str) -> None:
    """A piece that cannot be there is refused."""
    refused(host.ask("GET", f"deployments/{a_deployment}/logs?{query}"), 400, field)


@pytest.mark.parametrize("replica", ["..%2F..%2Fetc", "replica-9", "%00", "worker-0"])
def test_logs_of_nobody(host: Host, a_deployment: str, replica: str) -> None:
    """There is no log of what is no replica."""
    answer = host.ask("GET", f"deployments/{a_deployment}/logs?replica={replica}")

    refused(answer, 404, "replica")


@pytest.mark.parametrize("what", ["models", "deployments"])
@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("next=../x", "next"),
     ("next=", "next"), ("state=READY", "state")],
)  # fmt: skip
def test_lists(host: Host, what: str, query: str, field: str) -> None:
    """Pages that cannot be are refused."""
    refused(host.ask("GET", f"{what}?{query}"), 400, field)
