"""A mixed load of labs, jobs and loans never gives a GPU to two, or more CPUs than there are."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from dllab_hub.backends.local import draft
from dllab_hub.errors import Conflict, NoCapacity, NotFound
from dllab_hub.leases import LeaseDir
from dllab_hub.lockfile import is_held, lock
from dllab_hub.specs import JobState, Preflight, Role

ALL = ("GPU-0", "GPU-1", "GPU-2", "GPU-3")
CPUS = 6
PEOPLE = ("ada", "eve", "grace")
#: Takes a lock of its own for each GPU that it was given; who finds one taken says so. Rank 0
#: speaks for the job: the others see its GPUs too. It sits on them for a moment, and may fail.
WORKER = """
import fcntl, os, random, sys, time
at, job = sys.argv[1], os.environ["DLLAB_JOB_ID"]
files = []
if os.environ["RANK"] == "0":
    for uuid in filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")):
        files.append(open(f"{at}/{uuid}.use", "a+"))
        try:
            fcntl.flock(files[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            open(f"{at}/double-{uuid}-{job}", "w").close()
        open(f"{at}/used-{uuid}", "w").close()
time.sleep(random.uniform(0, 0.4))
sys.exit(random.random() < 0.15)
"""


class Load:
    """Does what people do, at random but by a seed."""

    def __init__(self, backend, leases: LeaseDir, at: Path, make_spec, seed: int) -> None:
        self.backend, self.leases, self.at, self.make_spec = backend, leases, at, make_spec
        self.chance = random.Random(seed)
        self.jobs: list[tuple[str, str]] = []
        self.labs: list[tuple] = []
        self.did: Counter[str] = Counter()
        self.most_cpus = 0.0

    async def step(self) -> None:
        """One thing."""
        verbs = ("submit",) * 5 + ("pause", "resume", "resume", "cancel", "open_lab", "close_lab")
        verb = self.chance.choice((*verbs, "lend"))
        with suppress(Conflict, NoCapacity, NotFound):
            await getattr(self, verb)()
            self.did[verb] += 1

    async def submit(self) -> None:
        live = await self.live()
        if len(live) > 10:
            return
        replicas, gpus = self.chance.choice(
            [(1, 0), (1, 1), (2, 1), (1, 2), (3, 1), (1, 4), (2, 0)]
        )
        owner = self.chance.choice(PEOPLE)
        role = Role(replicas=replicas, gpus=gpus, processes=1)
        job = await self.backend.submit(
            owner,
            self.make_spec(
                source=WORKER,
                roles=(role,),
                max_restarts=1,
                priority=self.chance.randint(-1, 1),
                args=(str(self.at),),
            ),
        )
        self.jobs.append((owner, job.id))

    async def pause(self) -> None:
        await self.backend.pause(*self.chance.choice(self.jobs or [("ada", "nosuch-bcdfghj")]))

    async def resume(self) -> None:
        await self.backend.resume(*self.chance.choice(self.jobs or [("ada", "nosuch-bcdfghj")]))

    async def cancel(self) -> None:
        await self.backend.cancel(*self.chance.choice(self.jobs or [("ada", "nosuch-bcdfghj")]))

    async def open_lab(self) -> None:
        """A lab that never lends uses its GPU as a job does; one that may lend only holds it."""
        if len(self.labs) > 2:
            return
        owner, lends = self.chance.choice(PEOPLE), self.chance.random() < 0.5
        id = f"lab-{self.did['open_lab']}"
        holder = {"kind": "lab", "owner": owner, "name": id, "id": id, "lend": lends}
        lease = self.leases.take(ALL, self.chance.randint(1, 2), holder)
        uses = ExitStack()
        for uuid in () if lends else lease.uuids:
            file = uses.enter_context((self.at / f"{uuid}.use").open("a+"))
            if not lock(file.fileno()):
                (self.at / f"double-{uuid}-{id}").touch()
        self.labs.append((owner, id, lends, lease, uses))

    async def close_lab(self) -> None:
        if self.labs:
            *_, lease, uses = self.labs.pop(self.chance.randrange(len(self.labs)))
            uses.close()  # It has stopped using them before it gives them back.
            lease.release()

    async def lend(self) -> None:
        mine = [lab for lab in self.labs if lab[2]]
        if mine:
            owner, id, *_ = self.chance.choice(mine)
            await self.backend.lend(owner, id, self.chance.random() < 0.7)

    async def live(self) -> list:
        return [
            job
            for owner in PEOPLE
            for job in (await self.backend.list(owner, limit=500)).jobs
            if job.state in (JobState.PENDING, JobState.RUNNING, JobState.RESTARTING)
        ]

    async def check(self) -> None:
        """No two that run have a GPU in common, and their CPUs are there."""
        queue = self.backend.machine.queue  # On its thread: all in the same moment.
        live = await self.backend._keep(lambda: [one.job for one in queue._live.values()])
        live = [job for job in live if job.state is not JobState.PENDING]
        uuids = [uuid for job in live for uuid in {u for r in job.replicas for u in r.gpus}]
        cpus = sum(min(job.spec.cpus, CPUS) for job in live)
        self.most_cpus = max(self.most_cpus, cpus)
        assert len(set(uuids)) == len(uuids), uuids
        assert cpus <= CPUS

    async def run(self, seconds: float) -> None:
        """So long, and until everything has been done once."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up or len(self.did) < 7:
            await self.step()
            await self.check()
            await asyncio.sleep(self.chance.uniform(0, 0.05))

    async def settle(self, seconds: float) -> None:
        """Labs close; what waits gets its turn; nothing is left over."""
        while self.labs:
            await self.close_lab()
        give_up = time.monotonic() + seconds
        while await self.live():
            await self.check()
            assert time.monotonic() < give_up, [(j.id, j.reason) for j in await self.live()]
            await asyncio.sleep(0.1)


async def booked(a_state, running, make_spec, tmp_path, seed: int, seconds: float) -> None:
    at = tmp_path / f"use-{seed}"
    at.mkdir()
    leases = LeaseDir(a_state.leases)

    def wish(source, args, **more):
        spec = make_spec(source=source, **more)
        return spec.model_copy(update={"code": spec.code.model_copy(update={"args": args})})

    async with running(a_state, gpus=lambda: ALL, cpus=CPUS, grace=0.5) as backend:
        load = Load(backend, leases, at, wish, seed)
        await load.run(seconds)
        await load.settle(60)
        ended = [await backend.get(owner, id) for owner, id in load.jobs]
        states = Counter(job.state.value for job in ended)
        give_up = time.monotonic() + 10
        while any(leases.held(ALL).values()) and time.monotonic() < give_up:
            await asyncio.sleep(0.05)

    assert [] == sorted(path.name for path in at.glob("double-*"))
    assert dict.fromkeys(ALL) == leases.held(ALL)
    assert not any(is_held(at / f"{uuid}.use") for uuid in ALL)
    # It was a load: all GPUs and most CPUs were used, and everything was done.
    assert {f"used-{uuid}" for uuid in ALL} == {path.name for path in at.glob("used-*")}
    assert load.most_cpus >= CPUS - 1
    assert states["SUCCEEDED"] > 3, states


@pytest.fixture(autouse=True)
def no_look(monkeypatch):
    """The look at the code takes a third of a second; here it is about what comes after it."""

    async def nothing(*args, **kwargs):
        return Preflight(seconds=0.0)

    monkeypatch.setattr(draft, "run_preflight", nothing)


async def test_a_short_load(a_state, running, make_spec, tmp_path):
    """In some seconds of it nothing is double-booked, and everything ends."""
    await booked(a_state, running, make_spec, tmp_path, seed=5, seconds=5)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(4))
async def test_a_long_load(a_state, running, make_spec, tmp_path, seed):
    """Nor in a minute for each of four seeds."""
    await booked(a_state, running, make_spec, tmp_path, seed=seed, seconds=60)
