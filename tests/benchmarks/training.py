"""Training against bare torchrun: first line, CPU per step, kill to resumed step."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from table import Row, Spread, pairs

from dllab_hub.backends.local import LocalBackend
from dllab_hub.catalog import interpreter
from dllab_hub.specs import Code, JobState, Role, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir

PAIRS = 5
FIRST_LINE = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
if dist.get_rank() == 0:
    print("READY", flush=True)
dist.barrier()
"""
STEPS = """
import os, resource, torch, torch.distributed as dist
dist.init_process_group("gloo")
torch.set_num_threads(1)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(512, 512))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
def step():
    optimizer.zero_grad()
    model(torch.ones(64, 512)).sum().backward()
    optimizer.step()
for _ in range(20):
    step()
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
began = cpu()
for n in range(400):
    step()
    if n % 10 == 0:
        print("step", n, flush=True)
if dist.get_rank() == 0:
    print("CPU", (cpu() - began) / 400, flush=True)
dist.barrier()
"""
RESUME = """
import time, torch, torch.distributed as dist
from dllab_hub.runtime.checkpoint import Checkpointer
dist.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(16, 1))
state = Checkpointer(model=model)
first = state.restore()
for step in range(first + 1, 100000):
    loss = model(torch.ones(4, 16)).sum()
    loss.backward()
    state.step(step)
    if dist.get_rank() == 0:
        print(f"STEP {step} {time.time()}", flush=True)
    time.sleep(0.02)
"""


class Bench:
    """A `LocalBackend` on a state directory of its own, with the built environments."""

    def __init__(self, root: Path) -> None:
        self.state = StateDir.at(root)
        self.backend = LocalBackend(self.state, gpus=lambda: ())
        self.python = interpreter(self.state, "pytorch")

    async def submit(self, source: str, **fields: object) -> TrainingJob:
        spec = TrainingSpec.from_wire(
            {
                "name": "bench",
                "image": "pytorch",
                "code": Code(source=source).to_wire(),
                "roles": [Role(replicas=2).to_wire()],
                **fields,
            }
        )
        return await self.backend.submit("bench", spec)

    async def text(self, job: TrainingJob, pattern: str, attempt: int = 1) -> re.Match[str]:
        """Wait for a line of rank 0's log."""
        log = self.state.jobs / job.id / "run" / "attempts" / str(attempt) / "worker-0.log"
        for _ in range(60_000):
            if log.exists() and (found := re.search(pattern, log.read_text())):
                return found
            await asyncio.sleep(0.005)
        raise AssertionError(f"{pattern} did not appear")

    async def end(self, job: TrainingJob) -> TrainingJob:
        while not (now := await self.backend.get("bench", job.id)).state.is_terminal:
            await asyncio.sleep(0.02)
        return now

    def torchrun(self, source: str, root: Path) -> subprocess.Popen[str]:
        script = root / "bare.py"
        script.write_text(source)
        return subprocess.Popen(
            [
                self.python,
                *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
                script,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        )


def _wait_for(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(pattern, line):
            process.stdout.read()
            process.wait()
            return found
    raise AssertionError(f"torchrun ended without {pattern}")


async def _measure(root: Path) -> list[Row]:
    bench = Bench(root)
    await bench.backend.start()
    ours: list[float] = []
    bare: list[float] = []
    cpu_ours: list[float] = []
    cpu_bare: list[float] = []
    resumed: list[float] = []
    relaunch: list[float] = []
    try:
        for _ in range(PAIRS):
            began = time.monotonic()
            process = bench.torchrun(FIRST_LINE, root)
            assert process.stdout is not None
            process.stdout.readline()
            bare.append(time.monotonic() - began)
            process.communicate()
            began = time.monotonic()
            job = await bench.submit(FIRST_LINE)
            await bench.text(job, "READY")
            ours.append(time.monotonic() - began)
            await bench.end(job)
        for _ in range(PAIRS):
            cpu_bare.append(float(_wait_for(bench.torchrun(STEPS, root), r"CPU (\S+)")[1]) * 1e3)
            job = await bench.submit(STEPS, env={"OMP_NUM_THREADS": "1"})
            cpu_ours.append(float((await bench.text(job, r"CPU (\S+)"))[1]) * 1e3)
            await bench.end(job)
        for _ in range(PAIRS):
            job = await bench.submit(RESUME, checkpoint_every=20)
            # A bare relaunch: process start to the first step, with nothing to restore.
            launched = (await bench.backend.get("bench", job.id)).started or time.time()
            relaunch.append(float((await bench.text(job, r"STEP 1 (\S+)"))[1]) - launched)
            await bench.text(job, r"STEP 45 ")
            worker = (await bench.backend.get("bench", job.id)).replicas[1]
            assert worker.pid is not None
            killed = time.time()
            os.kill(worker.pid, signal.SIGKILL)
            step = await bench.text(job, r"STEP (\d+) (\S+)", attempt=2)
            resumed.append(float(step[2]) - killed)
            assert int(step[1]) >= 41, step[0]
            await bench.backend.cancel("bench", job.id)
            assert (await bench.end(job)).state == JobState.CANCELLED
    finally:
        await bench.backend.close()
    first, peer = Spread(tuple(ours), "s"), Spread(tuple(bare), "s")
    cpu, cpu_peer = Spread(tuple(cpu_ours), "ms"), Spread(tuple(cpu_bare), "ms")
    back, again = Spread(tuple(resumed), "s"), Spread(tuple(relaunch), "s")
    return [
        Row(
            "training: submit to first line of rank 0, against bare torchrun",
            first,
            peer,
            "<= torchrun",
            pairs(first, peer, "difference") <= 0,
        ),
        Row(
            "training: CPU of one rank per training step, against bare torchrun",
            cpu,
            cpu_peer,
            "<= 1.03x",
            pairs(cpu, cpu_peer, "ratio") <= 1.03,
        ),
        Row(
            "training: kill -9 of a worker to the first resumed step, against a bare relaunch",
            back,
            again,
            "<= relaunch + 1 s",
            pairs(back, again, "difference") <= 1.0,
        ),
    ]


def rows() -> Iterator[Row]:
    """Measure."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as root:
        yield from asyncio.run(_measure(Path(root)))
