"""How often deployments are looked at: those that wait, those that hang, those of others."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest
from serving_place import ServingPlace, local_serving, until

from dllab_hub.backends.local.serving.balancer import Balancer
from dllab_hub.backends.local.serving.controller import Controller
from dllab_hub.errors import Conflict, Unavailable
from dllab_hub.specs import DeploymentState


async def test_a_broken_deployment_costs_little(a_state, onnx_models, monkeypatch):
    """While a replica waits for its next attempt nobody looks ten times a second."""
    async with local_serving(a_state) as serving:
        await ServingPlace(serving, onnx_models).publish()
    looks = 0
    tick = Controller.tick

    def counted(self):
        nonlocal looks
        looks += 1
        return tick(self)

    monkeypatch.setattr(Controller, "tick", counted)
    async with local_serving(a_state, interpreter=lambda *_: Path("/bin/false")) as serving:
        place = ServingPlace(serving, onnx_models)
        await place.deploy()
        controller = serving._live["ada", "digits"].controller

        async def waits_long() -> bool:
            (one,) = tuple(controller._fleet) or (None,)
            return one is not None and one.unit.waits and one.unit.known.failures >= 3

        await until(waits_long)
        before = looks
        await asyncio.sleep(2)
        during = looks - before
        now = await place.get()
        await place.clear()

    assert during <= 6
    assert DeploymentState.FAILED is now.state


async def test_asking_again_ends_every_pause(local, monkeypatch):
    """Who deploys the same again does not wait for the balancer's next attempt either."""
    await local.publish()

    def missing(self):
        raise Unavailable("HAProxy is not there.")

    with monkeypatch.context() as without:
        without.setattr(Balancer, "command", missing)
        await local.deploy()
        front = local.serving._live["ada", "digits"].controller._front

        async def failed_often() -> bool:
            return front.unit.known.failures >= 4 and front.unit.waits

        await until(failed_often)
        due = front.unit.known.due
    start = time.time()
    await local.deploy()
    await local.ready()

    assert start < due - 5
    assert time.time() < due


async def test_all_deployments_of_a_person_hang(a_state, onnx_models, monkeypatch):
    """However many of one person's deployments hang, another person's are looked after."""
    hanging, released = threading.Event(), threading.Event()

    def tick(self):
        if self.wish.owner == "ada" and hanging.is_set():
            released.wait(30)
        return self.seen

    async with local_serving(a_state) as serving:
        ada = ServingPlace(serving, onnx_models)
        grace = ServingPlace(serving, onnx_models, "grace")
        await ada.publish()
        await grace.publish()
        monkeypatch.setattr(Controller, "tick", tick)
        try:
            for number in range(10):
                await ada.deploy(name=f"net-{number}")
            hanging.set()
            await asyncio.sleep(1)  # A look at each of them has begun, or waits.
            start = time.monotonic()
            await grace.deploy()
            await grace.get()
            took = time.monotonic() - start
        finally:
            released.set()

    assert took < 2


async def test_a_name_with_something_damaged(a_state, onnx_models):
    """What cannot be taken over keeps its name and nothing else; deploying says why."""
    damaged = a_state.deployments / "ada" / "digits"
    (damaged / "units").mkdir(parents=True)
    (damaged / "deployment.json").write_text("{")
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        await place.publish()
        with pytest.raises(Conflict, match="damaged"):
            await place.deploy()
        names = sorted(path.name for path in damaged.parent.iterdir())

    assert ["digits"] == names
    assert not list(a_state.sockets.glob("*"))
