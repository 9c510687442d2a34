"""Alerts by webhook: who is told while settings are wrong, and how often at most."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from receivers import Hook, hook

from dllab_hub.specs import Alert, NoticeWish
from dllab_hub.state import StateDir

ALLOW = '[notices]\nallow = ["127.0.0.1"]\n'


@pytest.fixture
def receiver() -> Iterator[Hook]:
    with hook() as made:
        yield made


@pytest.fixture
def rules(a_state: StateDir):
    """Writes what the administrator says."""

    def write(text: str = "") -> None:
        a_state.root.mkdir(exist_ok=True)
        (a_state.root / "catalog.toml").write_text(ALLOW + text)

    write()
    return write


def alert(number: int = 0, **changes) -> Alert:
    said = {
        "id": f"GPULost-{number:010}",
        "rule": "GPULost",
        "severity": "critical",
        "state": "firing",
        "kind": "gpu",
        "owner": "ada",
        "message": "GPU 0 cannot be read.",
        "since": 1000.0,
        "fired": 1000.0,
    }
    return Alert(**{**said, **changes})


async def test_a_mistake_in_the_settings_loses_no_letter(local, rules, receiver: Hook, caplog):
    """What the administrator said before holds; the log says once what is wrong."""
    rules(f"[alerts]\nwebhook = '{receiver.url}'\n")
    assert {"", "ada"} == await local.backend.notices.tell(alert(1))
    await asyncio.to_thread(receiver.until, 1)

    rules(f"[alerts]\nwebhok = '{receiver.url}'\n")
    for number in (2, 3):
        assert {"", "ada"} == await local.backend.notices.tell(alert(number))
    await asyncio.to_thread(receiver.until, 3)

    assert 1 == caplog.text.count("alerts.webhok")


async def test_what_was_wrong_from_the_start(local, rules, receiver: Hook):
    """Nobody knows where to: the administrator is told when that is mended."""
    rules(f"[alerts]\nwebhok = '{receiver.url}'\n")
    assert {"ada"} == await local.backend.notices.tell(alert())
    rules(f"[alerts]\nwebhook = '{receiver.url}'\n")

    assert {"", "ada"} == await local.backend.notices.tell(alert())
    await asyncio.to_thread(receiver.until, 1)


async def test_only_those_who_are_named(local, rules, receiver: Hook):
    """Who is not to be told gets nothing, whoever the alert concerns; only the administrator reads
    whose it is."""
    rules(f"[alerts]\nwebhook = '{receiver.url}admin'\n")
    await local.backend.notices.set("ada", NoticeWish(webhook=receiver.url))
    await local.backend.notices.tell(alert(1), {"ada"})
    await asyncio.to_thread(receiver.until, 1)
    await local.backend.notices.tell(alert(2), {""})
    await asyncio.to_thread(receiver.until, 2)
    await asyncio.sleep(0.2)

    assert [None, "ada"] == [json.loads(body).get("owner") for _, body in receiver.posts]


async def test_what_is_critical_is_told_nevertheless(local, rules, receiver: Hook, monkeypatch):
    """It has a limit of its own, above that of all others."""
    monkeypatch.setattr("dllab_hub.backends.local.notices.local._MOST", 2)
    monkeypatch.setattr("dllab_hub.backends.local.notices.local._MOST_CRITICAL", 4)
    await local.backend.notices.set("ada", NoticeWish(webhook=receiver.url))
    for number in range(4):
        await local.backend.notices.tell(alert(number, severity="warning"))
    for number in range(4, 8):
        await local.backend.notices.tell(alert(number))
    await asyncio.to_thread(receiver.until, 4)
    await asyncio.sleep(0.3)

    said = [json.loads(body)["severity"] for _, body in receiver.posts]
    assert ["critical", "critical", "warning", "warning"] == sorted(said)
