"""What the service knows of one unit: pauses, restarts, and what it takes over."""

from __future__ import annotations

import os
import time

import pytest

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.serving.kit import Kit
from dllab_hub.backends.local.serving.unit import Unit
from dllab_hub.backends.local.shims import Shims

ME = Account(None, os.geteuid(), os.getegid(), "/")


@pytest.fixture
def unit(tmp_path):
    """A unit that was never started."""
    made = Unit(tmp_path / "replica-1", "test-replica-1", ME, Shims())
    made.create("digits", 3)
    return made


def test_a_new_unit_starts_at_once(unit, tmp_path):
    """It is due; there is nothing to say of it, and the service's files are its own."""
    assert unit.is_due
    assert (False, "") == (unit.look().alive, unit.look().reason)
    assert ["run", "shim.lock", "unit.json"] == sorted(os.listdir(tmp_path / "replica-1"))
    assert 0o600 == (tmp_path / "replica-1" / "unit.json").stat().st_mode & 0o777


def test_pauses_grow(unit):
    """After each failure in a row the pause is twice as long, up to a minute."""
    pauses = []
    for _ in range(9):
        unit.failed(4, "it is broken.")
        pauses.append(round(unit.known.due - time.time()))
        assert not unit.is_due

    assert [1, 2, 4, 8, 16, 32, 60, 60, 60] == pauses
    assert (9, 27) == (unit.known.failures, unit.known.restarts)
    assert "it is broken." == unit.look().reason


def test_a_pause_can_be_ended(unit):
    """Who asks again does not wait; a clock that was set back makes no pause longer."""
    unit.failed(1, "it is broken.")
    unit.hurry()
    hurried = unit.is_due
    unit.keep(due=time.time() + 3600)

    assert hurried
    assert unit.is_due


def test_what_it_was_made_for(unit, tmp_path):
    """It is known again with what it gets; one of an older release gets nothing of its own."""
    made = Unit(tmp_path / "replica-2", "test-replica-2", ME, Shims())
    made.create("digits", 3, kit=Kit(gpus=2, cpus=4, batch=32, wait=0.005))
    again = Unit(tmp_path / "replica-2", "test-replica-2", ME, Shims())
    again.load()
    old = tmp_path / "replica-1" / "unit.json"
    old.write_text('{"model": "digits", "version": 3, "pool": "replicas"}')
    unit.load()

    assert made.known == again.known
    assert Kit(gpus=2, cpus=4, batch=32, wait=0.005) == again.known.kit
    assert Kit() == unit.known.kit


def test_the_next_service_knows_the_same(unit, tmp_path):
    """What is kept is there again; a key from another release does no harm."""
    unit.failed(4, "it is broken.")
    unit.keep(draining=True)
    text = (tmp_path / "replica-1" / "unit.json").read_text()
    (tmp_path / "replica-1" / "unit.json").write_text(text[:-1] + ', "colour": "blue"}')
    again = Unit(tmp_path / "replica-1", "test-replica-1", ME, Shims())
    again.load()

    assert unit.known == again.known
