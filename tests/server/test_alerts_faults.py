"""Alerts while something of the machine itself is broken: its driver, its disk, its clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from alarms import Machine, machines, soon

from dllab_hub.specs import GpuState, Holder

Make = Callable[..., Any]
LOST, HOT = "GPULost GPU-0", "GPUTemperatureHigh GPU-0"


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    async with machines(tmp_path / "state") as made:
        yield made


def kept(machine: Machine, rule: str) -> bool:
    """Whether an alert of that rule is written down."""
    path = machine.state.root / "alerts.json"
    return path.exists() and rule in path.read_text()


@pytest.mark.parametrize("fault", [GpuState.FAILED, GpuState.DRIVER_MISMATCH, GpuState.NO_GPU])
async def test_while_the_gpus_cannot_be_read(make: Make, fault: GpuState) -> None:
    """Alerts stay as they are: neither over, nor told anew, nor nearer to firing."""
    machine = await make()
    machine.lose(0)
    machine.change(1, temperature=82)
    await soon(lambda: len(machine.rules()) == 2)
    before = machine.alerting.of(None, pending=True)

    machine.fault = fault
    reads = machine.reads
    await soon(lambda: machine.reads > reads + 4)
    machine.now += 1000
    await soon(lambda: machine.reads > reads + 9)
    assert before == machine.alerting.of(None, pending=True)
    machine.fault = None
    reads = machine.reads
    await soon(lambda: machine.reads > reads + 4)

    # Nobody knows how hot it was meanwhile.
    assert {LOST: "firing", "GPUTemperatureHigh GPU-1": "pending"} == machine.rules()
    assert ["GPULost firing"] == machine.told()


async def test_a_gpu_that_is_there_no_more(make: Make) -> None:
    """A machine that had one and has none is broken, also after a restart, and is looked at often:
    a driver that was unloaded may come back."""
    machine = await make()
    (machine.state.root / "catalog.toml").write_text("[alerts.SamplerStale]\nabove = 0.5\n")
    await soon(lambda: machine.reads > 3)
    await machine.lab.close()

    after = await make(gpus=[], now=machine.now)
    await soon(lambda: after.rules() == {"SamplerStale": "firing"})
    after.gpus = machine.gpus
    await soon(lambda: after.rules() == {"SamplerStale": "resolved"})


async def test_a_restart_takes_long(make: Make) -> None:
    """What was pending begins anew: nobody has measured for how long it was so."""
    machine = await make()
    machine.change(0, temperature=82)
    await soon(lambda: kept(machine, "GPUTemperatureHigh"))
    await machine.lab.close()

    after = await make(gpus=machine.gpus, now=machine.now + 400)
    await soon(lambda: after.reads > 5)

    assert {HOT: "pending"} == after.rules()
    assert after.alerting.of(None, pending=True)[0].since > machine.now + 300


async def test_a_short_restart(make: Make) -> None:
    """What is pending goes on, as Prometheus does over a scrape that it missed."""
    machine = await make()
    machine.change(0, temperature=82)
    await soon(lambda: kept(machine, "GPUTemperatureHigh"))
    await machine.lab.close()

    after = await make(gpus=machine.gpus, now=machine.now + 250)
    await soon(lambda: after.reads > 5)
    after.now += 60

    await soon(lambda: after.rules() == {HOT: "firing"})


async def test_the_clock_is_set_back(make: Make) -> None:
    """It is looked on, and what is pending fires in time."""
    machine = await make()
    machine.change(0, temperature=82)
    await soon(lambda: machine.rules() == {HOT: "pending"})
    machine.now -= 3600

    machine.lose(1)
    await soon(lambda: machine.rules().get("GPULost GPU-1") == "firing")
    machine.now += 301
    await soon(lambda: machine.rules().get(HOT) == "firing")


async def test_a_full_disk_keeps_an_action_waiting(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is done when it can be written down that it is."""
    machine = await make()
    machine.holders = {"GPU-0": Holder(kind="job", owner="ada", name="digits", id="digits-bcdfghj")}
    (machine.state.root / "catalog.toml").write_text("[alerts.actions]\nGPULost = 'relaunch'\n")
    begun: list[Any] = []
    monkeypatch.setattr(machine.alerting, "_begin", lambda *what: begun.append(what))
    save, full = machine.alerting._file.save, True

    def saves(kept: Any) -> None:
        if full and kept.acts:
            raise OSError(28, "No space left on device")
        save(kept)

    monkeypatch.setattr(machine.alerting._file, "save", saves)
    machine.lose(0)
    await soon(lambda: machine.rules() == {LOST: "firing"})
    await asyncio.sleep(0.3)
    assert [] == begun

    full = False
    await soon(lambda: begun)
    await asyncio.sleep(0.3)
    assert 1 == len(begun)


@pytest.mark.parametrize(
    "wrong",
    [
        {"since": None},
        {"since": "now"},
        {"value": None},
        {"fired": None},
        {"fired": "x"},
        {"state": "quiet"},
        {"rule": 3},
        {"labels": []},
    ],
)
async def test_a_file_with_something_else_in_it(
    make: Make, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    """It is put aside, and alerts begin anew, instead of failing at each look."""
    machine = await make()
    machine.lose(0)
    await soon(lambda: machine.rules() == {LOST: "firing"})
    path = tmp_path / "state" / "alerts.json"
    await soon(lambda: kept(machine, "GPULost"))
    await machine.lab.close()
    data = json.loads(path.read_text())
    data["alerts"][0]["standing"] |= wrong
    path.write_text(json.dumps(data))

    after = await make(gpus=machine.gpus, now=machine.now)
    await soon(lambda: after.rules() == {LOST: "firing"} and after.told())

    assert 1 == len(list((tmp_path / "state").glob("alerts.json.damaged-*")))
