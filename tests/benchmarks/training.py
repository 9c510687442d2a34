"""Training against bare torchrun: first line, CPU of steps, kill to resumed step, supervisor."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil
from table import Row, Spread, pairs
from training_scripts import FIRST_LINE, LOGGING, PS, RESUME, STEPS

from dllab_hub import images
from dllab_hub.backends.local import LocalBackend
from dllab_hub.catalog import interpreter
from dllab_hub.specs import Code, JobState, Role, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir

PAIRS = 5
KILLS = 20
#: Steps between two checkpoints.
EVERY = 20
#: Seconds for which a supervisor is watched.
WATCHED = 30
WORKERS = (Role(replicas=2),)
PS_ROLES = (Role(name="chief"), Role(name="ps"), Role(name="worker"))


class Bench:
    """A `LocalBackend` on a state directory of its own, with the built environments."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = StateDir.at(root)
        self.backend = LocalBackend(self.state, gpus=lambda: (), grace=1.0)

    async def submit(
        self, source: str, roles: tuple[Role, ...] = WORKERS, **fields: object
    ) -> TrainingJob:
        wish = {"name": "bench", "image": "pytorch", "code": Code(source=source), "roles": roles}
        return await self.backend.submit("bench", TrainingSpec(**{**wish, **fields}))

    async def job(self, job: TrainingJob) -> TrainingJob:
        return await self.backend.get("bench", job.id)

    async def text(
        self, job: TrainingJob, pattern: str, attempt: int = 1, name: str = "worker-0"
    ) -> re.Match[str]:
        """Wait for a line of a replica's log."""
        log = self.state.jobs / job.id / "run" / "attempts" / str(attempt) / f"{name}.log"
        for _ in range(24_000):
            if log.exists() and (found := re.search(pattern, log.read_text())):
                return found
            await asyncio.sleep(0.005)
        raise AssertionError(f"{pattern} did not appear in {log}")

    async def end(self, job: TrainingJob, cancel: bool = False) -> TrainingJob:
        if cancel:
            await self.backend.cancel("bench", job.id)
        while not (now := await self.job(job)).state.is_terminal:
            await asyncio.sleep(0.02)
        return now

    def torchrun(self, source: str) -> subprocess.Popen[str]:
        script = self.root / "bare.py"
        script.write_text(source)
        return subprocess.Popen(
            [
                interpreter(self.state, "pytorch"),
                *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
                script,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        )

    def relaunch(
        self, source: str, image: str, environments: list[dict[str, str]], checkpoints: Path
    ) -> float:
        """Seconds from starting a gang by hand to its first step, from a copy of a checkpoint."""
        with tempfile.TemporaryDirectory(dir=self.root) as folder, ExitStack() as stack:
            shutil.copytree(checkpoints, f"{folder}/checkpoints")
            (Path(folder) / "train.py").write_text(source)
            shared = {"DLLAB_CHECKPOINT_DIR": f"{folder}/checkpoints", "PYTHONUNBUFFERED": "1"}
            shared |= {"DLLAB_CHECKPOINT_EVERY": str(EVERY), "CUDA_VISIBLE_DEVICES": ""}
            began = time.time()
            gang = [
                subprocess.Popen(
                    [interpreter(self.state, image), "train.py"],
                    cwd=folder,
                    env={**os.environ, **shared, **env},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
                for env in environments
            ]
            for process in reversed(gang):
                stack.callback(process.communicate)
                stack.callback(process.kill)
            assert gang[0].stdout is not None
            for line in gang[0].stdout:
                if found := re.match(r"STEP \d+ (\S+)", line):
                    return float(found[1]) - began
        raise AssertionError("the bare gang ended without a step")


def _ports(count: int) -> list[int]:
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in found]


def _ranks() -> list[dict[str, str]]:
    """Environments of two bare ranks."""
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_ports(1)[0]), "WORLD_SIZE": "2"}
    shared |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "LOCAL_WORLD_SIZE": "2"}
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]


def _tasks() -> list[dict[str, str]]:
    """Environments of a bare chief, parameter server and worker."""
    names = [role.name for role in PS_ROLES]
    cluster = {
        name: [f"127.0.0.1:{port}"] for name, port in zip(names, _ports(len(names)), strict=True)
    }
    return [
        {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": name, "index": 0}})}
        for name in names
    ]


def _wait_for(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(pattern, line):
            process.stdout.read()
            process.wait()
            return found
    raise AssertionError(f"torchrun ended without {pattern}")


async def _first_line(bench: Bench) -> Row:
    ours, bare = [], []
    for _ in range(PAIRS):
        began = time.monotonic()
        process = bench.torchrun(FIRST_LINE)
        assert process.stdout is not None
        process.stdout.readline()
        bare.append(time.monotonic() - began)
        process.communicate()
        began = time.monotonic()
        job = await bench.submit(FIRST_LINE)
        await bench.text(job, "READY")
        ours.append(time.monotonic() - began)
        await bench.end(job)
    first, peer = Spread(tuple(ours), "s"), Spread(tuple(bare), "s")
    holds = pairs(first, peer, "difference") <= 0
    what = "training: submit to first line of rank 0, against bare torchrun"
    return Row(what, first, peer, "<= torchrun", holds)


async def _steps(bench: Bench) -> Row:
    ours, bare = [], []
    for _ in range(PAIRS):
        bare.append(float(_wait_for(bench.torchrun(STEPS), r"CPU (\S+)")[1]))
        job = await bench.submit(STEPS, env={"OMP_NUM_THREADS": "1"})
        ours.append(float((await bench.text(job, r"CPU (\S+)"))[1]))
        await bench.end(job)
    cpu, peer = Spread(tuple(ours), "s"), Spread(tuple(bare), "s")
    holds = pairs(cpu, peer, "ratio") <= 1.03
    what = "training: CPU of 1,000 steps, both ranks and what supervises them, against torchrun"
    return Row(what, cpu, peer, "<= 1.03x", holds)


async def _resumes(
    bench: Bench, source: str, roles: tuple[Role, ...], victims: tuple[str, ...], **fields: str
) -> list[Row]:
    """Kill one after the other of the victims; every other time, start the same gang by hand."""
    ours, bare, good = [], [], 0
    name = f"{roles[0].name}-0"
    image, strategy = fields["image"], fields["strategy"]
    job = await bench.submit(source, roles, checkpoint_every=EVERY, max_restarts=KILLS, **fields)
    checkpoints = bench.state.jobs / job.id / "run" / "checkpoints"
    first = 1
    for attempt in range(1, KILLS + 1):
        await bench.text(job, rf"STEP {first + EVERY + 5} ", attempt, name)
        alive = {one.name: one.pid for one in (await bench.job(job)).replicas if one.pid}
        killed = time.time()
        os.kill(alive[victims[attempt % len(victims)]], signal.SIGKILL)
        step = await bench.text(job, r"STEP (\d+) (\S+)", attempt + 1, name)
        ours.append(float(step[2]) - killed)
        log = checkpoints.parent / "attempts" / str(attempt) / f"{name}.log"
        last, first = int(re.findall(r"STEP (\d+) ", log.read_text())[-1]), int(step[1])
        good += last - EVERY <= first - 1 <= last
        if attempt % 4 == 0:
            environments = _tasks() if strategy == "ps" else _ranks()
            again = asyncio.to_thread(bench.relaunch, source, image, environments, checkpoints)
            bare.append(await again)
    assert (await bench.end(job, cancel=True)).state == JobState.CANCELLED
    back, peer = Spread(tuple(ours), "s"), Spread(tuple(bare), "s")
    counted = Spread((good,), f"of {KILLS}")
    holds = back.median - peer.median <= 1.0
    what = f"training: kill -9 in {strategy} to the first resumed step, against a bare relaunch"
    whole = f"training: kills in {strategy} that cost an interval at most"
    return [
        Row(what, back, peer, "<= relaunch + 1 s", holds),
        Row(whole, counted, None, f"{KILLS} of {KILLS}", good == KILLS),
    ]


async def _supervisor(bench: Bench) -> list[Row]:
    """A supervisor of two workers that say and report something ten times a second."""
    job = await bench.submit(LOGGING)
    await bench.text(job, "step 20")
    about = json.loads((bench.state.jobs / job.id / "run" / "shim.json").read_text())
    shim = psutil.Process(about["pid"])
    resident, shares = [], []
    for _ in range(3):
        before, began = sum(shim.cpu_times()[:2]), time.monotonic()
        await asyncio.sleep(WATCHED / 3)
        used = sum(shim.cpu_times()[:2]) - before
        shares.append(100 * used / (time.monotonic() - began))
        resident.append(shim.memory_info().rss / 1e6)
    await bench.end(job, cancel=True)
    memory, share = Spread(tuple(resident), "MB"), Spread(tuple(shares), "%")
    small, quiet = memory.median <= 30, statistics.mean(shares) <= 0.5
    return [
        Row("training: a job's supervisor, resident", memory, None, "<= 30 MB", small),
        Row("training: a job's supervisor, of a core", share, None, "<= 0.5 %", quiet),
    ]


def _is_built(state: StateDir, image: str) -> bool:
    return any(env.ready for env in images.find(state) if env.image.name == image)


async def _measure(root: Path) -> list[Row]:
    bench = Bench(root)
    await bench.backend.start()
    ps: Mapping[str, str] = {"image": "tensorflow", "strategy": "ps"}
    try:
        rows = [await _first_line(bench), await _steps(bench), *await _supervisor(bench)]
        rows += await _resumes(
            bench, RESUME, WORKERS, ("worker-1", "worker-0"), image="pytorch", strategy="allreduce"
        )
        if _is_built(bench.state, "tensorflow"):
            rows += await _resumes(bench, PS, PS_ROLES, ("ps-0", "worker-0", "chief-0"), **ps)
        else:
            why = "there is no TensorFlow environment; dllab env build tensorflow makes it"
            rows.append(Row("training: kill -9 in ps to the first resumed step", why=why))
    finally:
        for job in (await bench.backend.list("bench")).jobs:
            await bench.backend.cancel("bench", job.id)  # Nothing of it, unless it failed.
        await bench.backend.close()
    return rows


def rows() -> Iterator[Row]:
    """Measure."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as root:
        yield from asyncio.run(_measure(Path(root)))
