"""Alerts about very many things at once keep nobody waiting."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alarms import machines, soon

from dllab_hub.metrics.samples import owner_hash
from dllab_hub.server.concerning import World
from dllab_hub.specs import (
    Code,
    Deployment,
    DeploymentSpec,
    DeploymentState,
    Gpu,
    GpuReport,
    GpuState,
    JobState,
    TrainingJob,
    TrainingSpec,
)

Make = Callable[..., Any]
SPEC = TrainingSpec(name="digits", image="here", code=Code(source="print()"))


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    async with machines(tmp_path / "state") as made:
        yield made


class Counted(tuple[Any, ...]):
    """Counts how often somebody goes through it."""

    times = 0

    def __iter__(self) -> Iterator[Any]:
        self.times += 1
        return super().__iter__()


def test_nobody_goes_through_all_for_each() -> None:
    """However many alerts there are, what they are about is looked for once."""
    ids = [f"digits-{n:07}" for n in range(50)]
    jobs = Counted(
        TrainingJob(id=id, owner="ada", spec=SPEC, state=JobState.RUNNING, created=1.0)
        for id in ids
    )
    spec = DeploymentSpec(name="digits", model="digits")
    deployments = Counted(
        [
            Deployment(
                name="digits", owner="ada", spec=spec, version=1, state=DeploymentState.STARTING,
                created=1.0, updated=1.0,
            )
        ]
    )  # fmt: skip
    gpus = tuple(Gpu(index=n, uuid=f"GPU-{n}", name="H100") for n in range(50))
    report = GpuReport(state=GpuState.OK, time=1.0, gpus=gpus)
    world = World(1.0, report, {}, jobs, deployments)

    assert ids == [world.job(id).id for id in ids]  # type: ignore[union-attr]
    for _ in range(10):
        found = world.deployment(f"{owner_hash('ada')}/digits")
        assert found is not None
        assert found.owner == "ada"
    assert list(gpus) == [world.gpu(gpu.uuid) for gpu in gpus]
    assert (None, None, None) == (world.job("x"), world.deployment("x"), world.gpu("x"))

    assert (1, 1) == (jobs.times, deployments.times)


async def test_rules_are_evaluated_aside(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on the event loop, which has people to serve."""
    machine = await make()
    await soon(lambda: machine.reads > 2)
    threads: set[threading.Thread] = set()
    observe = machine.alerting._engine.observe

    def seen(*args: Any) -> Any:
        threads.add(threading.current_thread())
        return observe(*args)

    monkeypatch.setattr(machine.alerting._engine, "observe", seen)
    await soon(lambda: threads)

    assert threading.main_thread() not in threads
