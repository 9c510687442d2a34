"""Who may come in, at every address of both hosts."""

from __future__ import annotations

import pytest
from served import SCOPE, Host, StubHub, browser

ERROR = {"code", "message", "hint", "field", "line"}
MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
VERBS = [
    ("GET", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/rerun"), ("POST", "/cancel"),
    ("GET", "/events"), ("GET", "/logs"), ("GET", "/checkpoints"),
]  # fmt: skip


def refused(answer, *status: int) -> dict:
    """The error of an answer that is one of ours and says nothing else."""
    assert answer.status_code in status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == ERROR
    assert "Traceback" not in answer.text
    return error


@pytest.mark.parametrize("token", ["", "wrong", "a-jupyter-toke", "ä"])
def test_no_route_without_the_right_token(host: Host, token: str) -> None:
    """Without a token, and with a wrong one, every address of the live table refuses."""
    routes = list(host.patterns())
    assert len(routes) >= 39
    assert {"GET", "POST"} <= {method for method, path in routes if "/serve/" in path}
    for method, path in routes:
        headers = [(b"authorization", f"token {token}".encode())] if token else []
        answer = host.http.request(method, path, headers=headers)
        assert refused(answer, 403)["code"] == "access_denied"


def test_every_verb_asks_the_authorizer(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is known but not allowed is refused at every address."""
    authorizer = host.app.settings["authorizer"]
    monkeypatch.setattr(authorizer.__class__, "is_authorized", lambda *_: False)

    for method, path in host.patterns():
        refused(host.ask(method, path), 403)


def test_cookies_without_xsrf(jupyter: Host) -> None:
    """A page of another origin can send the cookie and nothing else: nothing happens."""
    headers = browser(jupyter)
    cookie = {"Cookie": headers["Cookie"]}
    for method, path in jupyter.patterns():
        if method in MUTATING:
            error = refused(jupyter.http.request(method, path, headers=cookie), 403)
            assert "XSRF" in error["message"]


def test_a_wrong_xsrf_token(jupyter: Host, wish, count) -> None:
    """A made-up token is as good as none."""
    before = count(jupyter)
    headers = {**browser(jupyter), "X-XSRFToken": "2|aaaaaaaa|bbbb|1"}

    refused(jupyter.http.post("jobs", headers=headers, json=wish()), 403)
    assert count(jupyter) == before


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_another_origin(jupyter: Host, wish, count, origin: str) -> None:
    """A request that a browser sends for another origin is refused, XSRF token or not."""
    before = count(jupyter)
    headers = {**browser(jupyter), "Origin": origin}

    for method, path in jupyter.patterns():
        refused(jupyter.http.request(method, path, headers=headers), 404)
    refused(jupyter.http.post("jobs", headers=headers, json=wish()), 404)
    assert count(jupyter) == before


def test_another_host_name(jupyter: Host) -> None:
    """A name that was made to point to this machine opens nothing."""
    refused(jupyter.ask("GET", "status", headers={"Host": "evil.example"}), 403)


def test_cookies_as_jupyterlab_sends_them(jupyter: Host, wish) -> None:
    """With cookie and XSRF token everything works."""
    headers = {**browser(jupyter), "Origin": jupyter.origin}

    assert jupyter.http.get("status", headers=headers).json()["user"] == "ada"
    assert jupyter.http.post("jobs", headers=headers, json=wish()).status_code == 201


def test_the_service_takes_no_cookies(service: Host, jupyter: Host) -> None:
    """Cookies mean nothing to the service, whatever they are called."""
    for cookie in (browser(jupyter)["Cookie"], "jupyterhub-session-id=x; service-dllab=ada-token"):
        headers = {"Cookie": f"{cookie}; _xsrf=x", "X-XSRFToken": "x"}
        for method, path in service.patterns():
            refused(service.http.request(method, path, headers=headers), 403)


def test_the_service_takes_no_token_in_the_address(service: Host) -> None:
    """Addresses are logged and remembered; a token in one does not count."""
    refused(service.http.get("status", params={"token": "ada-token"}), 403)


@pytest.mark.parametrize(
    ("kind", "scopes"),
    [
        ("service", (SCOPE,)),
        ("user", ()),
        ("user", ("self", "access:servers")),
        ("user", ("access:services!service=other",)),
    ],
)
def test_tokens_that_may_not(service: Host, a_hub: StubHub, kind: str, scopes) -> None:
    """A service's token, and a person's that may not access this service, are refused."""
    a_hub.add(f"{kind}-{scopes}", "mallory", kind, scopes)

    for method, path in service.patterns():
        refused(service.ask(method, path, token=f"{kind}-{scopes}"), 403)


@pytest.mark.parametrize("scope", [SCOPE, "access:services"])
def test_tokens_that_may(service: Host, a_hub: StubHub, scope: str) -> None:
    """The scope of this service, or of all, lets a person in under the hub's name."""
    a_hub.add(f"token-{scope}", "eve", scopes=(scope,))

    assert service.ask("GET", "status", token=f"token-{scope}").json()["user"] == "eve"
    headers = {"Authorization": f"Bearer token-{scope}"}
    assert service.http.get("status", headers=headers).json()["user"] == "eve"


def test_the_hub_is_asked_once(service: Host, a_hub: StubHub) -> None:
    """The hub's answer counts for half a minute, a refusal too."""
    a_hub.add("busy", "busy")
    before = a_hub.asked
    for _ in range(5):
        service.ask("GET", "status", token="busy")
        service.ask("GET", "status", token="not-busy")

    assert a_hub.asked == before + 2


def test_a_hub_in_trouble(service: Host, a_hub: StubHub) -> None:
    """When the hub cannot say who somebody is, nobody new comes in."""
    a_hub.broken = True
    try:
        answer = service.ask("GET", "status", token="somebody-new")
    finally:
        a_hub.broken = False

    assert "hub" in refused(answer, 503)["message"]


def test_two_people(service: Host, wish) -> None:
    """Another person's job is answered, byte for byte, like one that never was."""
    id = service.ask("POST", "jobs", json=wish()).json()["id"]
    for method, rest in VERBS:
        hers = service.ask(method, f"jobs/{id}{rest}", token="grace-token")
        none = service.ask(method, f"jobs/digits-zzzzzzz{rest}", token="grace-token")
        refused(hers, 404)
        assert hers.content == none.content
        assert service.ask(method, f"jobs/{id}{rest}").is_success
    hers, none = (
        service.ask("POST", "jobs", "grace-token", json=wish(checkpoint_from=other))
        for other in (id, "digits-zzzzzzz")
    )
    assert "checkpoint_from" == refused(hers, 400)["field"]
    assert hers.content == none.content
    page = service.ask("GET", "jobs", params={"limit": 500}, token="grace-token").json()
    assert id not in [job["id"] for job in page["jobs"]]
    assert id in [job["id"] for job in service.ask("GET", "jobs?limit=500").json()["jobs"]]


DEPLOYED = [
    ("GET", "", None), ("POST", "/scale", {"replicas": 1}), ("GET", "/logs", None),
    ("GET", "/events", None), ("POST", "/predict", {"instances": [1]}), ("DELETE", "", None),
]  # fmt: skip


def test_models_and_deployments_of_two_people(service: Host, a_hub, publish, a_name: str) -> None:
    """Another person's model or deployment is answered, byte for byte, like one that never was."""
    wish = {"name": a_name, "model": a_name}
    assert publish(service, a_name).status_code == 201
    assert service.ask("POST", "deployments", json=wish).status_code == 201
    for method, rest, body in DEPLOYED:
        for endpoint in (f"deployments/{a_name}{rest}", f"models/{a_name}/versions"):
            hers = service.ask(method, endpoint, json=body, token="grace-token")
            there = endpoint.replace(a_name, "nosuch")
            none = service.ask(method, there, json=body, token="grace-token")
            assert hers.status_code in (404, 405) or endpoint.startswith("models")
            if (method, endpoint[0]) != ("POST", "m"):
                refused(hers, 404, 405)
                assert hers.content == none.content
    for page in ("deployments", "models"):
        found = service.ask("GET", f"{page}?limit=500", token="grace-token").json()[page]
        assert a_name not in [each["name"] for each in found]
    # The same names are hers to use, and change nothing of his.
    assert 400 == service.ask("POST", "deployments", json=wish, token="grace-token").status_code
    publish(service, a_name, token="grace-token")
    publish(service, a_name, token="grace-token")
    hers = service.ask("POST", "deployments", json=wish, token="grace-token").json()
    his = service.ask("GET", f"deployments/{a_name}").json()
    assert ("grace", 2, "ada", 1) == (hers["owner"], hers["version"], his["owner"], his["version"])
    assert service.ask("DELETE", f"deployments/{a_name}", token="grace-token").is_success
    assert "READY" == service.ask("GET", f"deployments/{a_name}").json()["state"]


def test_endpoints_of_two_people(service: Host, publish, a_name: str) -> None:
    """Another person's endpoint is not there, whoever it is asked as, under any of its names."""
    publish(service, a_name)
    service.ask("POST", "deployments", json={"name": a_name, "model": a_name})
    body = {"instances": [1]}
    for owner, token in (("ada", "grace-token"), ("grace", "ada-token"), ("grace", "grace-token")):
        for method, path in (
            ("GET", ""), ("GET", f"v2/models/{a_name}/ready"),
            ("POST", f"v1/models/{a_name}:predict"), ("POST", f"v2/models/{a_name}/infer"),
        ):  # fmt: skip
            none = service.ask(method, service.endpoint("eve", "nosuch", path), json=body)
            hers = service.ask(
                method, service.endpoint(owner, a_name, path), json=body, token=token
            )
            refused(hers, 404)
            assert hers.content == none.content
    for token, status in (("ada-token", 200), ("wrong", 403)):
        at = service.endpoint("ada", a_name, f"v1/models/{a_name}:predict")
        assert status == service.ask("POST", at, json=body, token=token).status_code
    assert 403 == service.http.post(at, json=body).status_code
    assert 403 == service.http.post(at, json=body, params={"token": "ada-token"}).status_code
    assert 1 == service.ask("GET", f"deployments/{a_name}").json()["traffic"]["requests"]


def test_another_persons_page(service: Host, wish) -> None:
    """What continues one person's list is nothing for another."""
    for _ in range(2):
        service.ask("POST", "jobs", json=wish())
    following = service.ask("GET", "jobs", params={"limit": 1}).json()["next"]

    answer = service.ask("GET", "jobs", params={"next": following}, token="grace-token")
    assert refused(answer, 400)["field"] == "next"


def test_who_one_is_does_not_come_from_the_request(service: Host, wish, count) -> None:
    """No field, parameter or header makes a person another."""
    before = count(service)
    for more in ({"owner": "ada"}, {"user": "ada"}):
        assert service.ask("POST", "jobs", token="grace-token", json=wish(**more)).is_error
    assert count(service) == before
    headers = {"X-Forwarded-User": "ada", "X-JupyterHub-User": "ada", "Remote-User": "ada"}
    answer = service.ask("GET", "status", token="grace-token", headers=headers)
    assert answer.json()["user"] == "grace"


def test_the_address_of_the_service(service: Host) -> None:
    """The address itself says what this is; whatever is not there is the same error as anywhere."""
    about = service.http.get(f"{service.origin}/services/dllab/")

    assert about.json()["name"] == "dllab-hub lab service"
    for path in ("/", "/services/dllab/x", "/services/other/dllab/api/status", "/hub/api"):
        for method in ("GET", "POST", "DELETE"):
            refused(service.http.request(method, service.origin + path), 404)


def test_headers_of_every_answer(host: Host) -> None:
    """No answer is guessed at or kept, good or bad."""
    for method, path in host.patterns():
        for token in (None, "wrong"):
            answer = host.ask(method, path, token=token)
            kind = (
                "application/yaml" if answer.is_success and "yaml" in path else "application/json"
            )
            assert answer.headers["content-type"] == kind
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
