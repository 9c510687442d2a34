"""`Live` decides by what is seen of a deployment; the deployment itself is none here."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any

import pytest

from dllab_hub.backends.calls import Call, Reply
from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.serving import live as live_module
from dllab_hub.backends.local.serving.caller import BalancerCaller
from dllab_hub.backends.local.serving.live import Live
from dllab_hub.backends.local.serving.view import view
from dllab_hub.backends.local.serving.wish import Wish
from dllab_hub.errors import Unavailable
from dllab_hub.specs import (
    Autoscale,
    Canary,
    DeploymentReplica,
    DeploymentSpec,
    ReplicaState,
    Traffic,
)

SPEC = DeploymentSpec(name="digits", model="digits", autoscale=Autoscale(min=0, max=2, idle=10))
CALL = Call("POST", "v1/models/digits:predict", b"{}")


class Seen(SimpleNamespace):
    """What a controller says of itself, and what was done with it."""

    def scale(self, replicas: int, why: str) -> None:
        self.did = (replicas, why)


def a_live(tmp_path, *ready: int, canary: int | None = None, **changes: Any) -> Live:
    """Of version 1, with a replica that answers of each of these versions."""
    wish = Wish.new("ada", Account(None, os.getuid(), os.getgid(), "/"), SPEC, 1)
    if canary is not None:
        wish = wish.with_canary(Canary(version=canary))
    replicas = tuple(
        DeploymentReplica(name=f"replica-{n}", version=version, state=ReplicaState.READY)
        for n, version in enumerate(ready, 1)
    )
    seen = view(wish, replicas, failing=False, outdated=False, balancer="", traffic=None)
    controller = Seen(
        wish=wish,
        seen=seen.model_copy(update=changes),
        trouble_of_canary="",
        did=None,
    )
    caller = BalancerCaller(tmp_path / "s", os.getuid())
    return Live(controller, asyncio.Semaphore(1), caller)


def decided(live: Live) -> Any:
    """What a look decides to do."""
    if (do := live.next()) is not None:
        do()
    return live.controller.did


async def test_to_zero(tmp_path):
    """Nobody has asked for as long as was wished: no replica; a wish counts as if somebody had."""
    live = a_live(tmp_path, 1)
    live.record.last -= 11
    assert (0, "Nobody has asked for a while.") == decided(live)

    again = a_live(tmp_path, 1)
    again.record.last -= 11
    again.record.touch()
    assert None is decided(again)


async def test_not_before_it_answers(tmp_path):
    """One that still starts does not go to sleep: nobody could have asked it."""
    live = a_live(tmp_path)
    live.record.last -= 11

    assert None is decided(live)


async def test_a_canary_is_not_alone(tmp_path):
    """While there is a canary the other version keeps a replica."""
    live = a_live(tmp_path, 1, 2, canary=2)
    live.record.last -= 11

    assert None is decided(live)


async def test_a_version_that_is_taking_over(tmp_path, monkeypatch):
    """Who asks for a version never gets the answer of another one."""
    live = a_live(tmp_path, 1)

    async def other(*_: Any, **__: Any) -> Reply:
        return Reply(200, b"{}", {"x-model-version": "7"})

    monkeypatch.setattr(live._caller, "ask", other)
    with pytest.raises(Unavailable, match="version 1 is just taking over"):
        await live.ask(Call(CALL.method, CALL.path, CALL.body, version=1))
    assert 200 == (await live.ask(CALL)).status


async def test_not_too_many_wait(tmp_path, monkeypatch):
    """Of those who ask while the first replica starts so many wait, and no longer than said."""
    monkeypatch.setattr(live_module, "_MOST_WAITING", 2)
    monkeypatch.setattr(live_module, "_START", 0.2)
    live = a_live(tmp_path)

    said = await asyncio.gather(*(live.ask(CALL) for _ in range(3)), return_exceptions=True)
    assert [
        "2 requests wait already while the first replica starts.",
        "no replica answered within 0 seconds of the request.",
        "no replica answered within 0 seconds of the request.",
    ] == sorted(exc.message for exc in said)
    assert live.wake.is_set()
    assert 0 == live.record.inflight


async def test_errors_that_nobody_saw(tmp_path):
    """Answers after which it was asked again are taken off; a balancer counts anew when it is
    started again."""
    live = a_live(tmp_path, 1, traffic=Traffic(requests=10, failed=3))
    live._caller.repeated = 2
    seen = live.seen(live.controller.seen).traffic
    assert (8, 1) == (seen.requests, seen.failed)

    fresh = live.controller.seen.model_copy(update={"traffic": Traffic(requests=4, failed=1)})
    seen = live.seen(fresh).traffic
    assert (4, 1) == (seen.requests, seen.failed)
