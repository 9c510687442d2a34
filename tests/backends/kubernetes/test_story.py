"""The story of training on a real cluster with JobSet's controller and one node that runs pods.

The node is this machine (see `real_cluster`), so the claim is a directory of it. It says nothing of
several nodes, of a network file system or of GPUs that exist.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cluster_person import SERVERS
from real_cluster import WHY_NOT, Namespace, a_namespace

from dllab_hub.errors import InvalidRequest, NotFound
from dllab_hub.specs import Code, JobState, Role, TrainingJob, TrainingSpec

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "none"),
]
#: Rank 0 adds up what the others say, and tells them; rank 0 of the first attempt saves.
ALLREDUCE = """
import os, pathlib, socket, time
saved = pathlib.Path(os.environ["DLLAB_CHECKPOINT_DIR"]) / "step"
step = int(saved.read_text()) if saved.exists() else 0
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    with socket.create_server(("", where[1])) as server:
        others = [server.accept()[0] for _ in range(world - 1)]
        total = sum(int(other.recv(10)) for other in others)
        for other in others:
            other.sendall(str(total).encode())
else:
    for _ in range(300):
        try:
            with socket.create_connection(where, timeout=30) as other:
                other.sendall(str(rank).encode())
                total = int(other.recv(10))
            break
        except OSError:
            time.sleep(0.2)
print("attempt", os.environ["DLLAB_ATTEMPT"], "sum", total, "from step", step, flush=True)
if step == 0:
    if rank == 0:
        saved.write_text("30")
    time.sleep(600)
"""
HANGS = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Namespace]:
    disk = tmp_path / "disk"
    disk.mkdir()
    async with a_namespace(disk) as made:
        yield made


def wish(source: str, *roles: Role, **more: Any) -> TrainingSpec:
    roles = roles or (Role(cpus=0.1),)
    more = {"name": "digits", "image": "here", "roles": roles, **more}
    return TrainingSpec(code=Code(source=source), **more)


async def until(backend, job: TrainingJob, *states: JobState, reason: str = "", seconds=90.0):
    give_up = time.monotonic() + seconds
    while True:
        now = await backend.get(job.owner, job.id)
        if (not states or now.state in states) and reason in now.reason:
            return now
        assert time.monotonic() < give_up, (now.state, now.reason, now.replicas)
        await asyncio.sleep(0.1)


async def said(backend, job: TrainingJob, text: str, times: int, attempt: int | None = None):
    give_up = time.monotonic() + 90
    while True:
        log = ""
        try:
            log = (await backend.logs(job.owner, job.id, attempt=attempt)).text
        except NotFound:  # The attempt has not begun.
            assert attempt is not None
        if log.count(text) >= times:
            return log
        assert time.monotonic() < give_up, log
        await asyncio.sleep(0.1)


async def test_a_lost_pod_is_a_new_attempt_of_all(space, tmp_path):
    """Four ranks meet by their names; when a pod goes all are relaunched, and go on."""
    async with space.backend(space.state(tmp_path / "state")) as backend:
        job = await backend.submit("ada", wish(ALLREDUCE, Role(replicas=4, cpus=0.1)))
        await said(backend, job, "attempt 1 sum 6 from step 0", 4)
        await until(backend, job, JobState.RUNNING)
        victim = (await space.pods(job.id))[2]
        await space.core.delete_namespaced_pod(victim.metadata.name, space.name)

        await said(backend, job, "attempt 2 sum 6 from step 30", 4, attempt=2)
        done = await until(backend, job, JobState.SUCCEEDED)
        first = await backend.logs("ada", job.id, attempt=1)
        told = [event.reason for event in await backend.events("ada", job.id)]

    events = [reason for reason in told if reason != "Waiting"]  # Pods that go make room late.
    assert (2, {0}) == (done.attempt, {one.exit_code for one in done.replicas})
    assert 4 == first.text.count("from step 0")
    assert ["Submitted", "Started", "Relaunched", "Started", "Succeeded"] == events


async def test_the_chief_ends_the_servers(space, tmp_path):
    """When the chief has succeeded the job is over and nothing of it runs."""
    roles = [
        Role(name=name, replicas=n, cpus=0.1)
        for name, n in (("chief", 1), ("ps", 1), ("worker", 2))
    ]
    async with space.backend(space.state(tmp_path / "state")) as backend:
        job = await backend.submit("ada", wish(SERVERS, *roles, strategy="ps"))
        done = await until(backend, job, JobState.SUCCEEDED)
        log = (await backend.logs("ada", job.id)).text
        give_up = time.monotonic() + 60
        while any(pod.status.phase == "Running" for pod in await space.pods(job.id)):
            assert time.monotonic() < give_up
            await asyncio.sleep(0.3)

    assert "[chief-0] chief 0 parameters" in log
    assert JobState.SUCCEEDED is done.replicas[0].state


async def test_a_pause_and_a_resume(space, tmp_path):
    """A paused job has no pods; resumed, its next attempt has a log of its own and goes on."""
    async with space.backend(space.state(tmp_path / "state")) as backend:
        job = await backend.submit("ada", wish(ALLREDUCE, Role(replicas=2, cpus=0.1)))
        await said(backend, job, "attempt 1 sum 1 from step 0", 2)
        await backend.pause("ada", job.id)
        paused = await until(backend, job, JobState.PAUSED)
        assert [] == await space.pods(job.id)

        await backend.resume("ada", job.id)
        await said(backend, job, "attempt 2 sum 1 from step 30", 2, attempt=2)
        done = await until(backend, job, JobState.SUCCEEDED)

    assert "paused by ada" in paused.reason
    assert done.ran > paused.ran > 0


async def test_the_service_goes_and_comes(space, tmp_path):
    """Without a service a job runs, is relaunched and ends; the next one has its whole story."""
    state = space.state(tmp_path / "state")
    async with space.backend(state) as backend:
        job = await backend.submit("ada", wish(ALLREDUCE, Role(replicas=2, cpus=0.1)))
        await said(backend, job, "attempt 1 sum 1 from step 0", 2)
        await until(backend, job, JobState.RUNNING)
    await space.core.delete_namespaced_pod((await space.pods(job.id))[0].metadata.name, space.name)
    give_up = time.monotonic() + 90
    while not all(pod.status.phase == "Succeeded" for pod in await space.pods(job.id)):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.3)
    async with space.backend(state) as backend:
        done = await until(backend, job, JobState.SUCCEEDED)
        log = (await backend.logs("ada", job.id, attempt=2)).text

    assert 2 == log.count("attempt 2 sum 1 from step 30")
    assert 2 == done.attempt


async def test_nobody_elses_jobs(space, tmp_path):
    """Another person's job does not exist, whatever is asked of it."""
    async with space.backend(space.state(tmp_path / "state")) as backend:
        job = await backend.submit("ada", wish(HANGS))
        await said(backend, job, "up", 1)
        for ask in (backend.get, backend.cancel, backend.pause, backend.logs, backend.events):
            with pytest.raises(NotFound):
                await ask("grace", job.id)
        assert () == (await backend.list("grace")).jobs
        assert not (await backend.get("ada", job.id)).state.is_terminal
        await backend.cancel("ada", job.id)
        await until(backend, job, JobState.CANCELLED)

    assert [] == await space.pods(job.id)


async def test_how_code_fails(space, tmp_path):
    """The exception of who failed first is the job's reason, after its relaunches."""
    source = "raise ValueError('no such digit')"
    async with space.backend(space.state(tmp_path / "state")) as backend:
        job = await backend.submit("ada", wish(source, max_restarts=1))
        done = await until(backend, job, JobState.FAILED)

    assert "worker-0 exited with code 1: ValueError: no such digit" in done.reason
    assert "relaunched once" in done.reason
    assert "no such digit" in done.replicas[0].traceback
    assert done.diagnosis is not None


async def test_too_little_memory(space, tmp_path):
    """Who uses more memory than it may is ended, and that is what the job says."""
    source = "x = bytearray(400 << 20); print(len(x))"
    async with space.backend(space.state(tmp_path / "state")) as backend:
        role = Role(cpus=0.1, memory=128 << 20)
        job = await backend.submit("ada", wish(source, role, max_restarts=0))
        done = await until(backend, job, JobState.FAILED)

    assert "memory" in done.reason
    assert done.replicas[0].oom


async def test_an_image_that_is_not_there(space, tmp_path):
    """A job that waits for an image says what the registry said; it can be cancelled."""
    state = space.state(tmp_path / "state")
    text = (state.root / "catalog.toml").read_text()
    (state.root / "catalog.toml").write_text(text.replace('container = "', 'container = "nosuch-'))
    async with space.backend(state) as backend:
        job = await backend.submit("ada", wish("print()"))
        waits = await until(backend, job, JobState.PENDING, reason="image")
        await backend.cancel("ada", job.id)
        done = await until(backend, job, JobState.CANCELLED)

    assert waits.diagnosis is not None
    assert "before it started" in done.reason


async def test_more_than_there_is_now(space, tmp_path):
    """A job for which no machine has room says so, and runs when there is some."""
    async with space.backend(space.state(tmp_path / "state")) as backend:
        capacity = await backend.capacity("ada", None)
        if not capacity.total:
            pytest.skip("the node has no GPUs, not even pretended ones")
        gpus = Role(gpus=capacity.total, processes=1, cpus=0.1)
        first = await backend.submit("ada", wish(HANGS, gpus, name="first"))
        await until(backend, first, JobState.RUNNING)
        job = await backend.submit("ada", wish("print()", gpus))
        waits = await until(backend, job, JobState.PENDING, reason="GPU")
        seen = await backend.capacity("grace", 1)
        await backend.cancel("ada", first.id)
        await until(backend, job, JobState.SUCCEEDED)
        with pytest.raises(InvalidRequest) as caught:
            await backend.submit("ada", wish("print()", Role(gpus=capacity.total + 1)))

    assert waits.diagnosis is not None
    assert (0, "wait") == (seen.free, seen.forecast.answer)
    assert "roles.0.gpus" == caught.value.field
