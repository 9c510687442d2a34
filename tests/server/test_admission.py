"""Who may ask a deployment, over HTTP on both hosts: people of the hub, and programs with a key."""

from __future__ import annotations

import httpx
import pytest
from served import Host, StubHub, until


@pytest.fixture
def predict_at(host: Host, a_deployment: str) -> str:
    """Address of the V1 protocol."""
    return host.endpoint("ada", a_deployment, f"v1/models/{a_deployment}:predict")


@pytest.fixture
def a_key(host: Host, a_deployment: str) -> dict:
    """A key of ada's deployment."""
    answer = host.ask("POST", f"deployments/{a_deployment}/keys", json={"title": "shop"})
    assert answer.status_code == 201
    return answer.json()


@pytest.fixture
def with_key():
    """Asks with nothing but a key, as a program outside the hub does."""

    def ask(url: str, key: str, method: str = "POST", **more) -> httpx.Response:
        headers = {"X-DLLab-Key": key, **more.pop("headers", {})}
        more.setdefault("json", {"instances": [[1.0]]})
        with httpx.Client(trust_env=False, timeout=20) as http:
            return http.request(method, url, headers=headers, **more)

    return ask


def said(answer: httpx.Response, status: int) -> str:
    """The sentence of an error."""
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["message"])


def test_a_key_and_no_token(host, a_deployment, predict_at, a_key, with_key):
    """It opens the deployment and its first page, without why it is as it is; its use is shown."""
    v1 = with_key(predict_at, a_key["key"])
    about = with_key(host.endpoint("ada", a_deployment), a_key["key"], "GET", json=None)
    (known,) = host.ask("GET", f"deployments/{a_deployment}/access").json()["keys"]
    host.backend.serving.fail("ada", a_deployment, "my lab has the GPU.")
    told = [
        host.ask("GET", host.endpoint("ada", a_deployment)).json()["reason"],
        with_key(host.endpoint("ada", a_deployment), a_key["key"], "GET", json=None).json()[
            "reason"
        ],
    ]

    assert ["my lab has the GPU.", ""] == told
    assert (200, {"predictions": [[1.0]]}) == (v1.status_code, v1.json())
    assert (200, "ada") == (about.status_code, about.json()["owner"])
    assert known["used"] is not None
    assert "key" not in known


@pytest.mark.parametrize("key", ["", "x", "dlk_00000000_" + "x" * 43, "é", "dlk_" + "x" * 10_000])
def test_a_key_that_is_none(host, predict_at, a_key, with_key, key):
    """It is refused, and a good token beside it does not help."""
    headers = {"Authorization": f"token {host.token}", "X-DLLab-Key": key.encode()}
    answer = httpx.post(predict_at, json={"instances": [[1.0]]}, headers=headers, trust_env=False)
    assert "key opens nothing" in said(answer, 403)


def test_a_key_opens_one_thing(host, publish, a_deployment, a_key, with_key):
    """Neither another deployment, nor one that is not there, nor the interface."""
    publish(host, "other-one")
    wish = {"name": "other-one", "model": "other-one"}
    assert host.ask("POST", "deployments", json=wish).status_code == 201
    for name in ("other-one", "nosuch", "..%2Fx"):
        url = host.endpoint("ada", name, "v1/models/x:predict")
        assert "key opens nothing" in said(with_key(url, a_key["key"]), 403)
    for path in ("deployments", f"deployments/{a_deployment}", "status"):
        answer = with_key(f"{host.url}{path}", a_key["key"], "GET", json=None)
        assert answer.status_code == 403, path


def test_a_revoked_key(host, a_deployment, predict_at, a_key, with_key):
    """From the next request on it opens nothing; revoking it again is 404."""
    at = f"deployments/{a_deployment}/keys/{a_key['id']}"
    assert with_key(predict_at, a_key["key"]).status_code == 200
    assert {"revoked": a_key["id"]} == host.ask("DELETE", at).json()
    said(with_key(predict_at, a_key["key"]), 403)
    said(host.ask("DELETE", at), 404)


def test_a_large_body_with_a_wrong_key(predict_at, with_key):
    """It is refused for the key, and nothing of the body is looked at."""
    answer = with_key(predict_at, "dlk_x", content=b"x" * (1 << 20), json=None)
    said(answer, 403)


def test_people_of_the_hub(service: Host, a_hub: StubHub, publish):
    """Everyone, or a group, may ask when it is open to them; a closed one is not there."""
    host = service
    a_hub.add("vision-token", "vera", groups=["vision"])
    publish(host, "shared-one")
    wish = {"name": "shared-one", "model": "shared-one"}
    assert host.ask("POST", "deployments", json=wish).status_code == 201
    at = host.endpoint("ada", "shared-one", "v1/models/shared-one:predict")
    others = ("grace-token", "vision-token")

    def answers() -> list[int]:
        rows = {"instances": [[1.0]]}
        direct = [host.ask("POST", at, token, json=rows).status_code for token in others]
        path = "deployments/shared-one/predict?owner=ada"
        by_api = [host.ask("POST", path, token, json=rows).status_code for token in others]
        about = [host.ask("GET", "endpoints/ada/shared-one", token).status_code for token in others]
        assert direct == by_api == about
        return direct

    def listed(token: str) -> list[str]:
        found = host.ask("GET", "endpoints", token).json()["endpoints"]
        return [f"{each['owner']}/{each['name']}" for each in found]

    assert [404, 404] == answers()
    host.ask("PUT", "deployments/shared-one/access", json={"who": "groups", "groups": ["vision"]})
    assert [404, 200] == answers()
    assert ([], ["ada/shared-one"]) == (listed("grace-token"), listed("vision-token"))
    host.ask("PUT", "deployments/shared-one/access", json={"who": "everyone"})
    assert [200, 200] == answers()
    host.ask("PUT", "deployments/shared-one/access", json={"who": "owner"})
    assert [404, 404] == answers()


def test_others_may_only_ask(service: Host, publish):
    """Open to everyone, it can be seen, scaled, opened and deleted by its owner only."""
    host = service
    publish(host, "asked-only")
    wish = {"name": "asked-only", "model": "asked-only"}
    assert host.ask("POST", "deployments", json=wish).status_code == 201
    host.ask("PUT", "deployments/asked-only/access", json={"who": "everyone"})
    at = "deployments/asked-only"
    for method, path, body in (
        ("GET", at, None),
        ("DELETE", at, None),
        ("POST", f"{at}/scale", {"replicas": 3}),
        ("GET", f"{at}/access", None),
        ("PUT", f"{at}/access", {"who": "owner"}),
        ("POST", f"{at}/keys", {"title": "x"}),
        ("GET", f"{at}/logs", None),
    ):
        said(host.ask(method, path, "grace-token", json=body), 404)


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PUT", "access", {"who": "world"}, "who"),
        ("PUT", "access", {"who": "groups"}, "groups"),
        ("PUT", "access", {"who": "everyone", "x": 1}, "x"),
        ("POST", "keys", {}, "title"),
        ("POST", "keys", {"title": "x", "lifetime": 1}, "lifetime"),
        ("POST", "keys", {"title": "x" * 81}, "title"),
        ("POST", "keys", {"title": "<b>\n"}, "title"),
    ],
)
def test_bad_wishes(host, a_deployment, method, path, body, field):
    """Each is refused with the field, and changes nothing."""
    before = host.ask("GET", f"deployments/{a_deployment}/access").json()
    answer = host.ask(method, f"deployments/{a_deployment}/{path}", json=body)

    said(answer, 400)
    assert field == answer.json()["error"]["field"]
    assert before == host.ask("GET", f"deployments/{a_deployment}/access").json()


def test_keys_are_in_the_audit_log_by_their_id_only(
    host, a_deployment, a_key, predict_at, with_key
):
    """What is logged of requests with a key never holds the key."""
    seen = []

    class Audit:
        def note(self, deed):
            seen.append(deed)

        def address(self, request):
            return ""

        def close(self):
            """Nothing is open."""

    before, host.lab.audit = host.lab.audit, Audit()
    try:
        with_key(predict_at, a_key["key"])
        with_key(predict_at, a_key["key"] + "x")
        host.ask("DELETE", f"deployments/{a_deployment}/keys/{a_key['id']}")
        # It is noted when the answer is on its way; that of the key's making may come late too.
        until(lambda: [deed.verb for deed in seen][-1:] == ["DELETE"])
    finally:
        host.lab.audit = before

    assert [403, 200] == [deed.status for deed in seen][-2:]  # Of the first, nothing is noted.
    assert 3 >= len(seen)
    assert a_key["key"].rpartition("_")[2] not in repr(seen)
