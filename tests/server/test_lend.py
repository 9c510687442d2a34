"""A lab lends its GPUs, in both hosts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from served import Host

from dllab_hub.client import Client
from dllab_hub.specs import Holder


@pytest.fixture
def a_lab(host: Host) -> Iterator[str]:
    """Id of a lab of the person who asks, with a GPU."""
    owner = host.ask("GET", "status").json()["user"]
    host.backend.hold("GPU-9", Holder(kind="lab", owner=owner, name="mine", id="mine-1"))
    yield "mine-1"
    host.backend.hold("GPU-9", None)


def test_lend_and_take_back(host: Host, a_lab: str) -> None:
    """The answer is what is free then, with the lab as it lends or does not."""
    for lend in (True, False):
        answer = host.ask("PUT", "gpus/lend", json={"lab": a_lab, "lend": lend})

        assert 200 == answer.status_code
        (mine,) = (h for h in answer.json()["holders"] if h["id"] == a_lab)
        assert (lend, None) == (mine["lend"], mine["lent_to"])


def test_from_a_notebook(host: Host, a_lab: str) -> None:
    """The client says the same."""
    with closing(Client(host.url, host.token)) as client:
        seen = client.lend(a_lab)

    assert [True] == [holder.lend for holder in seen.holders if holder.id == a_lab]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"lab": "another-1", "lend": True}, 404, "lab"),
        ({"lab": "nosuch", "lend": True}, 404, "lab"),
        ({"lab": "<b>", "lend": True}, 404, "lab"),
        ({"lab": "mine-1", "lend": 1}, 400, "lend"),
        ({"lab": 7, "lend": True}, 400, "lab"),
        ({"lab": "mine-1"}, 400, "lend"),
        ({"lab": "mine-1", "lend": True, "owner": "ada"}, 400, "owner"),
    ],
)
def test_what_is_refused(host: Host, a_lab: str, body: dict, status: int, field: str) -> None:
    """Another person's lab is none, and a bad wish names its field; nothing is lent."""
    other = Holder(kind="lab", owner="somebody-else", name="hers", id="another-1")
    host.backend.hold("GPU-8", other)
    answer = host.ask("PUT", "gpus/lend", json=body)
    held = host.backend._holders()
    host.backend.hold("GPU-8", None)

    assert (status, field) == (answer.status_code, answer.json()["error"]["field"])
    assert "<b>" not in answer.text
    assert not any(holder.lend for holder in held.values())
