"""Rank 3 of 4 of real distributed PyTorch fails, or hangs: the cause is found, no collateral."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import dllab_hub
from dllab_hub.specs import Cause, Code, Role

#: Read before every test is rid of the variables of a lab.
PYTHON = os.environ.get("DLLAB_TEST_PYTHON", "")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PYTHON, reason="needs DLLAB_TEST_PYTHON: a Python with torch"),
]
HEAD = """import os, time, torch, torch.distributed as dist
from torch import nn
dist.init_process_group("gloo")
rank = dist.get_rank()
net = nn.parallel.DistributedDataParallel(nn.Linear(20, 10))
def step(width=20): net(torch.randn(4, width)).sum().backward()
for n in range(3): step()
print("trained", flush=True)
"""
FAILURES = {
    "shape": (
        "step(21 if rank == 3 else 20)\nstep()",
        (Cause.SHAPE, "worker-3"),
        "at train.py line 6: mat1 and mat2 shapes cannot be multiplied (4x21 and 20x10): "
        "the input has 21 features, and the layer takes 20.",
    ),
    "disk": (
        "if rank == 3: torch.save(net.state_dict(), '/dev/full')\nstep()",
        (Cause.DISK_FULL, "worker-3"),
        "worker-3 could not write at train.py line 9",
    ),
    "memory": (
        "if rank == 3: torch.ones(1 << 48)\nstep()",
        (Cause.OUT_OF_MEMORY, "worker-3"),
        "worker-3 did not get the memory it asked for at train.py line 9",
    ),
    "early": (
        "if rank == 3: os._exit(0)\nfor n in range(1000): step()",
        (Cause.PEER, None),
        "lost its connection to another replica at train.py line 6; worker-3 had ended by then.",
    ),
}


@pytest.fixture
async def backend(a_state, running, monkeypatch):
    """A backend whose image has torch; jobs import this checkout."""
    monkeypatch.setenv("PYTHONPATH", str(Path(dllab_hub.__file__).parents[1]))
    async with running(a_state, python=PYTHON) as backend:
        yield backend


def wish(make_spec, source: str, **more):
    return make_spec(code=Code(source=HEAD + source), roles=(Role(replicas=4),), **more)


@pytest.mark.parametrize("what", FAILURES)
async def test_rank_3_of_4(backend, make_spec, until, what):
    """The others say that they lost a peer; that is not taken for the cause."""
    source, who, said = FAILURES[what]
    job = await backend.submit("ada", wish(make_spec, source))

    async def over():
        now = await backend.get("ada", job.id)
        return now if now.state.is_terminal else None

    found = (await until(over, 150)).diagnosis
    assert found
    assert who == (found.cause, found.replica if who[1] else None), found
    assert said in found.message


async def test_rank_3_of_4_hangs(backend, make_spec, until):
    """While three wait in the backward pass for its gradients, the line it is in is told."""
    source = "if rank == 3: time.sleep(600)\nstep()"
    job = await backend.submit("ada", wish(make_spec, source, stall_after=60))

    async def told():
        now = await backend.get("ada", job.id)
        return now if now.diagnosis and now.diagnosis.replica else None

    found = (await until(told, 170)).diagnosis
    assert (Cause.STALLED, "worker-3") == (found.cause, found.replica)
    assert "worker-3 is at train.py line 9" in found.message
    assert "while 3 others wait in backward." in found.message
