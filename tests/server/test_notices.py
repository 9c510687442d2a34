"""How a person is told, over REST."""

from __future__ import annotations

import pytest
from served import Host

URL = "https://hooks.example.org/x"


@pytest.fixture(autouse=True)
def _nothing_is_left(service: Host, jupyter: Host):
    yield
    for host in (service, jupyter):
        host.backend.notices._settings.clear()


def test_settings_and_a_test(host: Host) -> None:
    """What is put is what is got, but for the secret, which only the answer that made it has."""
    assert 200 == host.ask("GET", "notices").status_code
    assert host.ask("GET", "notices").json()["webhook"] is None
    put = host.ask("PUT", "notices", json={"webhook": URL, "on": ["failed"]}).json()
    assert (URL, ["failed"], True) == (put["webhook"], put["on"], put["has_secret"])
    assert len(put["secret"]) >= 32
    got = host.ask("GET", "notices").json()
    assert (None, True) == (got["secret"], got["has_secret"])
    tested = host.ask("POST", "notices/test").json()
    assert ("test", "webhook", "sent") == tuple(
        tested["deliveries"][0][key] for key in ("kind", "by", "state")
    )


def test_nothing_set_nothing_sent(host: Host) -> None:
    """A test without an address is a conflict."""
    answer = host.ask("POST", "notices/test")
    assert (409, "conflict") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"secret": "short"}, "secret"),
        ({"webhook": "x" * 2001}, "webhook"),
        ({"webhook": 3}, "webhook"),
        ({"on": ["everything"]}, "on.0"),
        ({"on": ["failed"] * 7}, "on"),
        ({"email": ["a@b.org"]}, "email"),
        ({"mail": "a@b.org"}, "mail"),
        ([], ""),
    ],
)
def test_wrong_wishes(host: Host, wish: object, field: str) -> None:
    """What is wrong is named, and nothing changes."""
    answer = host.ask("PUT", "notices", json=wish)
    assert (400, field) == (answer.status_code, answer.json()["error"]["field"])
    assert host.ask("GET", "notices").json()["webhook"] is None


def test_each_person_has_their_own(service: Host) -> None:
    """Nobody sees or changes what another person has set."""
    service.ask("PUT", "notices", json={"webhook": URL})
    assert service.ask("GET", "notices", "grace-token").json()["webhook"] is None
    assert 409 == service.ask("POST", "notices/test", "grace-token").status_code
