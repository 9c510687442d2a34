"""Distributed training with real PyTorch below a real shim."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def steps(log: str) -> list[int]:
    return [int(line.split()[1]) for line in log.splitlines() if line.startswith("STEP")]


def test_a_killed_worker_costs_one_interval_at_most(
    job: Callable[..., Any], torch_python: str
) -> None:
    """After kill -9 of rank 1 all ranks resume from the last checkpoint; a cancel saves another."""
    made = job(
        TRAIN,
        replicas=2,
        python=torch_python,
        max_restarts=1,
        env={"PYTHONPATH": PACKAGE, "OMP_NUM_THREADS": "1"},
    ).start()
    made.wait_for("STEP 25 ")
    os.kill(made.replicas[1]["pid"], signal.SIGKILL)
    made.wait_for("STEP ", attempt=2)
    made.wait_for("STEP ", "worker-1", attempt=2)
    time.sleep(0.5)
    began = time.monotonic()
    made.signal(signal.SIGTERM)
    end = made.end()
    took = time.monotonic() - began

    last, resumed = steps(made.log())[-1], steps(made.log(attempt=2))
    assert resumed[0] == steps(made.log("worker-1", attempt=2))[0]
    assert 0 <= last - (resumed[0] - 1) < 10 + 1
    assert f"STEP {resumed[0]} {float(resumed[0])}" in made.log(attempt=2)  # The optimizer too.
    assert ("CANCELLED", 2) == (end["state"], end["attempt"])
    assert took < 5
    newest = max((made.run / "checkpoints").glob("step-*"))
    manifest = json.loads((newest / "MANIFEST.json").read_text())
    assert manifest["step"] in (resumed[-1], resumed[-1] + 1)
    assert manifest["step"] * 4 == manifest["extra"]["seen"]
    assert 3 == len(list((made.run / "checkpoints").glob("step-*")))
    progress = json.loads((made.run / "report.json").read_text())
    assert 100000 == progress["total"]
    assert progress["step"] <= manifest["step"]
