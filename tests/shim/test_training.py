"""Distributed training with real PyTorch below a real shim."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dllab_hub

PACKAGE = str(Path(dllab_hub.__file__).parents[1])
TRAIN = """
    import os, time, torch, torch.distributed as dist
    from dllab_hub.runtime.checkpoint import Checkpointer
    from dllab_hub.runtime.report import report
    dist.init_process_group("gloo")
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(model.parameters())
    state = Checkpointer(model=model, optimizer=optimizer)
    first = state.restore()
    for step in range(first + 1, 100000):
        optimizer.zero_grad()
        loss = model(torch.ones(4, 16)).pow(2).mean()
        loss.backward()
        optimizer.step()
        state.step(step, seen=step * 4)
        report(step, total=100000, loss=loss)
        print("STEP", step, float(optimizer.state_dict()["state"][0]["step"]), flush=True)
        time.sleep(0.005)
    """
NAMES = ("worker-0.0", "worker-0.1", "worker-1.0", "worker-1.1")


def steps(log: str) -> list[int]:
    return [int(line.split()[1]) for line in log.splitlines() if line.startswith("STEP")]


@pytest.mark.timeout(400)
def test_a_killed_worker_costs_one_interval_at_most(
    job: Callable[..., Any], torch_python: str
) -> None:
    """After kill -9 of one of four ranks all resume from the last checkpoint; a cancel saves."""
    made = job(
        TRAIN,
        roles=[{"name": "worker", "replicas": 2, "processes": 2, "cpus": 2.0}],
        python=torch_python,
        max_restarts=1,
        env={"PYTHONPATH": PACKAGE},
    ).start()
    made.wait_for("STEP 25 ", "worker-0.0", timeout=80)  # Four times all of torch.
    os.kill(made.replicas[3]["pid"], signal.SIGKILL)
    for name in NAMES:
        made.wait_for("STEP ", name, attempt=2, timeout=80)
    time.sleep(0.5)
    made.signal(signal.SIGTERM)
    end = made.end()

    last = steps(made.log("worker-0.0"))[-1]
    resumed = steps(made.log("worker-0.0", attempt=2))
    assert {resumed[0]} == {steps(made.log(name, attempt=2))[0] for name in NAMES}
    assert 0 <= last - (resumed[0] - 1) < 10 + 1
    # The optimizer too.
    assert f"STEP {resumed[0]} {float(resumed[0])}" in made.log("worker-0.0", attempt=2)
    assert ("CANCELLED", 2) == (end["state"], end["attempt"])
    assert 143 == made.replicas[0]["exit_code"]  # It was not waited for in vain.
    newest = max((made.run / "checkpoints").glob("step-*"))
    manifest = json.loads((newest / "MANIFEST.json").read_text())
    assert manifest["step"] in (resumed[-1], resumed[-1] + 1)
    assert manifest["step"] * 4 == manifest["extra"]["seen"]
    assert 3 == len(list((made.run / "checkpoints").glob("step-*")))
    progress = json.loads((made.run / "reports" / "worker-0.0.json").read_text())
    assert 100000 == progress["total"]
    assert progress["step"] <= manifest["step"]
