"""What is measured becomes alerts of the people whom they concern."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from alarms import Machine, soon

from dllab_hub.errors import NotFound
from dllab_hub.specs import Code, Holder, Silence, TrainingSpec

SPEC = TrainingSpec(name="digits", image="here", code=Code(source="print()"))
Make = Callable[..., Any]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes machines that watch themselves, on the same disk."""
    made: list[Machine] = []

    async def machine(**changes: Any) -> Machine:
        new = Machine(tmp_path / "state", **changes.pop("options", {}))
        for name, value in changes.items():
            setattr(new, name, value)
        made.append(new)
        new.lab.start()
        return new

    yield machine
    for each in made:
        await each.lab.close()


async def test_a_lost_gpu_is_told_to_who_holds_it(make: Make) -> None:
    """It fires at once for the holder, and is over when the GPU is back; both are told once."""
    machine = await make()
    await soon(lambda: machine.reads > 3)
    assert {} == machine.rules()

    machine.lose(0)
    await soon(lambda: machine.rules("ada") == {"GPULost GPU-0": "firing"})
    (alert,) = machine.alerting.of("ada")
    assert ("GPU 0", "ada", "critical", "gpu") == (
        alert.name, alert.owner, alert.severity, alert.kind,
    )  # fmt: skip
    assert alert.message.startswith("GPU 0 is lost, or has to be reset")
    assert {} == machine.rules("grace")

    machine.heal(0)
    await soon(lambda: machine.rules("ada") == {"GPULost GPU-0": "resolved"})
    await asyncio.sleep(0.2)
    assert ["GPULost firing", "GPULost resolved"] == machine.told()


async def test_what_nobody_holds_concerns_the_administrator(make: Make) -> None:
    """An alert of a free GPU has no owner: only who sees everything sees it."""
    machine = await make()

    machine.lose(1)
    await soon(lambda: machine.rules() == {"GPULost GPU-1": "firing"})

    assert ({}, "") == (machine.rules("ada"), machine.alerting.of(None)[0].owner)


async def test_where_there_is_one_person_only(make: Make) -> None:
    """In a plain lab everything concerns its person."""
    machine = await make(options={"sole": "ada"})

    machine.lose(1)
    await soon(lambda: machine.rules("ada") == {"GPULost GPU-1": "firing"})


async def test_it_must_be_so_for_long_enough(make: Make) -> None:
    """A rule with a duration is pending until then, and forgotten when it was not so long."""
    machine = await make()
    machine.change(0, temperature=82)
    await soon(lambda: machine.rules() == {"GPUTemperatureHigh GPU-0": "pending"})
    assert ((), []) == (machine.alerting.of("ada"), machine.told())

    machine.change(0, temperature=80)
    await soon(lambda: machine.rules() == {})
    machine.change(0, temperature=82)
    await soon(lambda: machine.rules())
    machine.now += 301
    await soon(lambda: machine.rules() == {"GPUTemperatureHigh GPU-0": "firing"})
    assert "GPU 0 is at 82 °C." == machine.alerting.of("ada")[0].message


async def test_an_idle_gpu_that_is_held(make: Make) -> None:
    """The message says who holds how much of which GPU, for how long."""
    machine = await make()
    machine.change(0, utilization=0.0, memory_used=14_000_000_000, memory_total=80_000_000_000)
    await soon(lambda: machine.rules() == {"GPUIdleHeld GPU-0": "pending"})

    machine.now += 1801
    await soon(lambda: machine.rules() == {"GPUIdleHeld GPU-0": "firing"})

    (alert,) = machine.alerting.of("ada")
    assert "The lab work has held 14 GB of GPU 0 idle for 30 minutes." == alert.message


async def test_a_restart_forgets_nothing_and_tells_nothing_twice(make: Make) -> None:
    """What fired, since when, and what is silent is known to the next service. Of what is silent it
    is not told either that it is over.
    """
    machine = await make()
    machine.lose(0)
    machine.change(1, remap_failed=True)
    await soon(lambda: len(machine.rules()) == 2)
    quiet = next(a for a in machine.alerting.of(None) if a.rule == "GPURowRemapFailure")
    await machine.alerting.silence(None, quiet.id, Silence(minutes=60))
    await soon(lambda: len(machine.told()) == 2)
    before = machine.alerting.of(None)
    await machine.lab.close()

    after = await make(gpus=machine.gpus, now=machine.now)
    await soon(lambda: after.reads > 3 and after.rules())

    assert [(a.id, a.fired, a.silenced) for a in before] == [
        (a.id, a.fired, a.silenced) for a in after.alerting.of(None)
    ]
    assert [] == after.told()
    after.heal(0)
    after.change(1, remap_failed=False)
    await soon(lambda: set(after.rules().values()) == {"resolved"})
    await asyncio.sleep(0.2)
    assert ["GPULost resolved"] == after.told()


async def test_silence(make: Make) -> None:
    """Who wants to hear nothing is told nothing, the administrator is; when that is over and it
    still fires, they are told.
    """
    machine = await make()
    machine.change(0, temperature=86)
    await soon(lambda: machine.rules())
    id = next(a.id for a in machine.alerting.of(None, pending=True) if "Critical" in a.rule)
    silent = await machine.alerting.silence("ada", id, Silence(minutes=10))
    assert silent.silenced == pytest.approx(machine.now + 600, abs=60)

    machine.now += 100
    await soon(lambda: machine.rules().get("GPUTemperatureCritical GPU-0") == "firing")
    await asyncio.sleep(0.2)
    assert [{""}] == machine.backend.notices.told_to
    for viewer in ("grace", "root"):
        with pytest.raises(NotFound):
            await machine.alerting.silence(viewer, id, Silence())
    machine.now += 600
    await soon(lambda: {"ada"} in machine.backend.notices.told_to)
    assert machine.alerting.of("ada")[0].silenced is None


async def test_without_a_gpu_none_is_read(make: Make) -> None:
    """A machine without a GPU is asked once; jobs are looked at nevertheless."""
    machine = await make(gpus=[])
    await soon(lambda: machine.reads)
    await asyncio.sleep(0.3)  # The sampler has fallen asleep.
    reads = machine.reads

    job = await machine.backend.submit("ada", SPEC)
    machine.backend.report(job.id, 3)
    record = machine.backend._records[job.id]
    late = record.job.progress.model_copy(update={"time": machine.now - 5000, "interval": 1.0})
    record.job = record.job.model_copy(update={"progress": late})
    await soon(lambda: machine.rules("ada") == {f"TrainingStalled {job.id}": "firing"})

    assert reads == machine.reads
    machine.backend.finish(job.id)
    await soon(lambda: machine.rules("ada") == {f"TrainingStalled {job.id}": "resolved"})


async def test_the_administrators_thresholds(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """They hold as soon as they are written; while they are wrong, those from before do."""
    machine = await make()
    machine.change(0, temperature=70)
    catalog = machine.state.root / "catalog.toml"
    await soon(lambda: machine.reads > 3)
    assert {} == machine.rules()

    catalog.write_text("[alerts.GPUTemperatureHigh]\nabove = 65\nfor = 0\n")
    await soon(lambda: machine.rules() == {"GPUTemperatureHigh GPU-0": "firing"})
    catalog.write_text("[alerts.GPUTemperatureHigh]\nabove = 'hot'\n")
    await soon(lambda: "alerts.GPUTemperatureHigh.above" in caplog.text)
    assert {"GPUTemperatureHigh GPU-0": "firing"} == machine.rules()
    catalog.write_text("[alerts.GPUTemperatureHigh]\noff = true\n")
    await soon(lambda: machine.rules() == {"GPUTemperatureHigh GPU-0": "resolved"})


async def test_the_holder_changes(make: Make) -> None:
    """An alert goes to whoever has the GPU now, also one who borrows it."""
    machine = await make()
    machine.lose(0)
    await soon(lambda: machine.rules("ada"))

    job = Holder(kind="job", owner="grace", name="digits", id="digits-bcdfghj")
    machine.holders = {"GPU-0": Holder(kind="lab", owner="grace", lent_to=job)}
    machine.lab.forget_holders()
    await soon(lambda: machine.rules("grace") and not machine.rules("ada"))


async def test_a_damaged_file_is_put_aside(make: Make, tmp_path: Path) -> None:
    """Then alerts begin anew."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "alerts.json").write_text('{"alerts": [3]}')

    machine = await make()
    machine.lose(0)
    await soon(lambda: machine.rules() == {"GPULost GPU-0": "firing"})

    assert 1 == len(list((tmp_path / "state").glob("alerts.json.damaged-*")))
