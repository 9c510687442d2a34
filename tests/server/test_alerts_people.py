"""Who is told of an alert, who wants to hear nothing of it, and what becomes of that later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from alarms import Machine, machines, soon

from dllab_hub.specs import Act, Holder, Silence

Make = Callable[..., Any]
IDLE = "GPUIdleHeld GPU-0"


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    async with machines(tmp_path / "state") as made:
        yield made


def hand(machine: Machine, owner: str, id: str = "theirs-bcdfghj") -> None:
    """The first GPU is another lab's from now on."""
    machine.holders = {"GPU-0": Holder(kind="lab", owner=owner, name="theirs", id=id)}
    machine.lab.forget_holders()


def letters(machine: Machine) -> list[tuple[str, set[str]]]:
    """What was told to whom; the administrator has an empty name."""
    notices = machine.backend.notices
    return [
        (alert.state, set(people))
        for alert, people in zip(notices.told, notices.told_to, strict=True)
    ]


async def test_a_silence_is_a_persons_own(make: Make) -> None:
    """It keeps nothing from the administrator, and nothing from who has the GPU next."""
    machine = await make()
    machine.change(0, temperature=86)
    await soon(lambda: "GPUTemperatureCritical GPU-0" in machine.rules("ada"))
    id = next(a.id for a in machine.alerting.of("ada", pending=True) if "Critical" in a.rule)
    await machine.alerting.silence("ada", id, Silence(minutes=600))
    assert machine.alerting._seen_by(None, machine.alerting.of(None, pending=True)[0]).silenced is (
        None
    )
    machine.now += 61
    await soon(lambda: letters(machine) == [("firing", {""})])

    hand(machine, "grace")
    await soon(lambda: letters(machine) == [("firing", {""}), ("firing", {"grace"})])
    assert machine.alerting.of("grace")[0].silenced is None
    hand(machine, "ada")  # It is hers again, and her silence was for the first time.
    await soon(lambda: letters(machine)[2:] == [("firing", {"ada"})])

    machine.change(0, temperature=50)
    await soon(lambda: letters(machine)[3:] == [("resolved", {"", "ada", "grace"})])


async def test_an_administrators_silence_is_everybodys(make: Make) -> None:
    """Nobody is told then, not even that it is over."""
    machine = await make()
    machine.change(0, temperature=86)
    await soon(lambda: "GPUTemperatureCritical GPU-0" in machine.rules())
    for alert in machine.alerting.of(None, pending=True):
        await machine.alerting.silence(None, alert.id, Silence(minutes=600))
    machine.now += 61
    await soon(lambda: machine.rules("ada").get("GPUTemperatureCritical GPU-0") == "firing")
    assert machine.alerting.of("ada")[0].silenced
    machine.change(0, temperature=50)
    await soon(lambda: "firing" not in machine.rules().values())
    await asyncio.sleep(0.2)

    assert [] == machine.told()


async def test_it_is_not_said_to_be_over_to_who_is_silent(make: Make) -> None:
    """Others hear that it is."""
    machine = await make()
    machine.lose(0)
    await soon(lambda: letters(machine) == [("firing", {"", "ada"})])
    await machine.alerting.silence("ada", machine.alerting.of("ada")[0].id, Silence())

    machine.heal(0)

    await soon(lambda: letters(machine)[1:] == [("resolved", {""})])


async def test_who_holds_it_idle(make: Make) -> None:
    """Another holder begins anew; the one before is told that it is over."""
    machine = await make()
    machine.change(0, utilization=0.0)
    await soon(lambda: machine.rules() == {IDLE: "pending"})
    machine.now += 1801
    await soon(lambda: letters(machine) == [("firing", {"", "ada"})])

    hand(machine, "ada", id="another-bcdfghj")
    await soon(lambda: machine.rules() == {IDLE: "pending"})
    assert [("resolved", {"", "ada"})] == letters(machine)[1:]
    machine.now += 1790
    await asyncio.sleep(0.2)
    assert {IDLE: "pending"} == machine.rules()
    machine.now += 20
    await soon(lambda: letters(machine)[2:] == [("firing", {"", "ada"})])


async def test_what_was_done_is_not_told_to_the_next(make: Make) -> None:
    """It names what another has: it stays while nobody has the GPU, and goes with the next."""
    machine = await make()
    machine.lose(0)
    await soon(lambda: machine.rules("ada"))
    alert = machine.alerting.of("ada")[0]
    act = Act(time=1.0, action="relaunch", outcome="done", message="secret-bcdfghj goes on.")

    class Done:
        did = type("Did", (), {"action": "relaunch"})
        alert = machine.alerting.of("ada")[0]

    async def acts(*_: Any) -> Act:
        return act

    machine.alerting._acting.act = acts
    machine.alerting._begin(Done, None)
    await soon(lambda: machine.alerting.of("ada")[0].act == act)

    machine.holders = {}
    machine.lab.forget_holders()
    await soon(lambda: not machine.rules("ada"))
    assert act == machine.alerting.of(None)[0].act
    hand(machine, "grace")
    await soon(lambda: machine.rules("grace"))
    assert alert.id == machine.alerting.of("grace")[0].id
    assert machine.alerting.of("grace")[0].act is None
    assert machine.alerting.of(None)[0].act is None
