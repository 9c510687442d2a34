"""Twenty rounds of all that happens to the replicas of a deployment while people ask it, with
digits and with a megabyte in each request: no request fails."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from model_service import LARGE, SMALL, Callers, ModelService, model_service, until

from dllab_hub.specs import Deployment, DeploymentSpec, DeploymentState

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

ROUNDS = int(os.environ.get("DLLAB_SERVING_ROUNDS", "20"))
#: Matrix: no request for it within so many seconds, and another replica in its place within these.
_MOVED, _REPLACED = 10.0, 60.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, onnx_models: Path) -> Iterator[ModelService]:
    """Two versions of one model."""
    with model_service(tmp_path_factory.mktemp("rounds")) as made:
        made.publish(onnx_models / "id_DOUBLE.onnx")
        made.publish(onnx_models / "id_DOUBLE.onnx")
        yield made


def deploy(service: ModelService, replicas: int, version: int = 1) -> Deployment:
    """The deployment, as the round before has left it or not."""
    service.client.deploy(
        DeploymentSpec(name="net", model="net", version=version, replicas=replicas)
    )
    return service.ready()


def scale(service: ModelService, callers: Callers, chance: random.Random) -> str:
    """One, three, one."""
    began = time.monotonic()
    service.client.scale("net", 3)
    service.ready()
    up = time.monotonic() - began
    callers.more()
    service.client.scale("net", 1)
    service.ready()
    callers.more()
    return f"three after {up:.1f} s, one after {time.monotonic() - began:.1f} s"


def roll(service: ModelService, callers: Callers, chance: random.Random) -> str:
    """To the other version."""
    began = time.monotonic()
    before = service.client.deployment("net")
    now = deploy(service, before.spec.replicas, 3 - before.version)
    callers.more()
    assert before.version != now.version
    return f"version {now.version} after {time.monotonic() - began:.1f} s"


def kill(service: ModelService, callers: Callers, chance: random.Random) -> str:
    """kill -9 of one of two, at any moment of its work."""
    before = service.ready()
    victim = chance.choice(before.replicas)
    time.sleep(chance.uniform(0, 0.3))
    os.kill(victim.pid or 0, signal.SIGKILL)
    return _replaced(service, callers, victim.pid)


def stop(service: ModelService, callers: Callers, chance: random.Random) -> str:
    """SIGSTOP of one of two: the other one answers soon, and it is replaced."""
    before = service.ready()
    victim = chance.choice(before.replicas)
    time.sleep(chance.uniform(0, 0.3))
    began = time.monotonic()
    os.kill(victim.pid or 0, signal.SIGSTOP)
    callers.all_more()
    moved = time.monotonic() - began
    said = _replaced(service, callers, victim.pid)
    assert moved < _MOVED
    return f"everybody is answered after {moved:.1f} s, {said}"


def _replaced(service: ModelService, callers: Callers, pid: int | None) -> str:
    began = time.monotonic()

    def back() -> bool:
        now = service.client.deployment("net")
        return now.state is DeploymentState.READY and pid not in {r.pid for r in now.replicas}

    until(back, "another replica in its place", 150)
    took = time.monotonic() - began
    callers.more()
    assert took < _REPLACED
    return f"replaced after {took:.1f} s"


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["digits", "1 MB"])
@pytest.mark.parametrize(
    ("event", "replicas"),
    [(scale, 1), (roll, 2), (kill, 2), (stop, 2)],
    ids=["scale", "roll", "kill", "stop"],
)
def test_twenty_rounds(
    service: ModelService,
    body: bytes,
    event: Callable[[ModelService, Callers, random.Random], str],
    replicas: int,
) -> None:
    """No request fails in any round."""
    chance = random.Random(20)
    answered, longest, bad = 0, 0.0, {}
    service.clear()  # The pauses of replicas that were killed often are another test's.
    for number in range(1, ROUNDS + 1):
        deploy(service, replicas, service.client.deployment("net").version if answered else 1)
        with Callers(service, body) as callers:
            said = event(service, callers, chance)
        answered += callers.answers.total()
        longest = max(longest, *callers.seconds)
        if callers.wrong:
            bad[number] = callers.wrong
        print(f"    {event.__name__} {number}: {said}; {callers}", flush=True)
    print(
        f"{event.__name__}, {len(body)} bytes, {ROUNDS} rounds: {answered} answers, "
        f"longest {longest:.1f} s, rounds with a failed request: {bad or 'none'}"
    )

    assert {} == bad
