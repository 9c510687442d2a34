"""Receivers that take their time keep neither the lab nor other people waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from receivers import Hook, hook

from dllab_hub.backends.local.notices import local as notices
from dllab_hub.backends.local.notices import webhook
from dllab_hub.backends.local.notices.ledger import Ledger
from dllab_hub.backends.local.notices.sending import NotSent
from dllab_hub.backends.local.notices.webhook import post
from dllab_hub.specs import NoticeWish
from dllab_hub.state import StateDir

SECRET = "a secret of more than sixteen"


@pytest.fixture
def receiver() -> Iterator[Hook]:
    with hook() as made:
        yield made


@pytest.fixture
def allowed(a_state: StateDir) -> None:
    a_state.root.mkdir(exist_ok=True)
    (a_state.root / "catalog.toml").write_text('[notices]\nallow = ["127.0.0.1"]\n')


def test_a_name_with_many_addresses(monkeypatch):
    """The limit is for all addresses of a name together."""
    monkeypatch.setattr(webhook, "_PATIENCE", 1.0)
    many = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"8.8.{n}.8", 80)) for n in range(20)]

    def silent(address, timeout):
        time.sleep(min(timeout, 0.5))
        raise TimeoutError

    monkeypatch.setattr(webhook.socket, "getaddrinfo", lambda *_, **__: many)
    monkeypatch.setattr(webhook.socket, "create_connection", silent)
    began = time.monotonic()
    with pytest.raises(NotSent):
        post("http://many.example/", b"{}", SECRET, 1, ())

    assert time.monotonic() - began < 3


async def test_a_slow_receiver_of_one_person(local, allowed, receiver: Hook):
    """Many letters to somebody whose receiver hangs do not keep those of others back."""
    let_go = threading.Event()
    with hook() as slow:
        slow.act = lambda _: let_go.wait(20)
        await local.backend.notices.set("ada", NoticeWish(webhook=slow.url))
        await local.backend.notices.set("grace", NoticeWish(webhook=receiver.url))
        for _ in range(6):
            await local.over(await local.submit("ada", code=3))
        await local.over(await local.submit("grace", code=3))
        try:
            await asyncio.to_thread(receiver.until, 1, 5)
        finally:
            let_go.set()


async def test_a_letter_that_fails_otherwise(local, allowed, receiver: Hook, monkeypatch):
    """What nobody has thought of is not tried again at once, and for ever."""
    tries = []

    def broken(state, letter, settings):
        tries.append(letter.id)
        raise RuntimeError("cannot start new thread")

    monkeypatch.setattr(notices, "carry", broken)
    await local.backend.notices.set("ada", NoticeWish(webhook=receiver.url))
    await local.over(await local.submit("ada", code=3))
    await asyncio.sleep(2)

    assert 1 == len(tries)


def test_a_trial_that_was_cut_short(tmp_path: Path):
    """A test that a service was sending when it went down is not shown as under way for ever."""
    ledger = Ledger(tmp_path / "notices")
    ledger.open()
    ledger.write("ada", "test", "webhook", b"{}")
    ledger.close()
    ledger.open()
    (found,) = ledger.deliveries("ada")
    ledger.close()

    assert ("failed", "the lab was stopped meanwhile.") == (found.state, found.message)
