"""Places where jobs run and models are served. A contract test gets each of them, by name, as the
fixture ``place`` or ``serving_place``."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path

import pytest
from real_cluster import SERVES, WHY_NOT, WHY_NOT_SERVED, Namespace, a_namespace
from remote_place import remote_backend
from serving_place import ServingPlace, end_all, local_serving

import dllab_hub
from dllab_hub.backends.base import Backend
from dllab_hub.backends.local import LocalBackend
from dllab_hub.leases import LeaseDir
from dllab_hub.specs import Code, Holder, JobState, Role, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir
from dllab_hub.testing import MemoryBackend

GPUS = ("GPU-0", "GPU-1")
CPUS = 64


def _spec(
    name: str = "digits",
    source: str = "print('hello')",
    *,
    replicas: int = 1,
    gpus: int = 0,
    cpus: float | None = None,
    processes: int | None = None,
    **more,
) -> TrainingSpec:
    """A wish for the image that every place here offers."""
    return TrainingSpec(
        **{
            "name": name,
            "image": "here",
            "code": Code(source=source),
            "roles": (Role(replicas=replicas, gpus=gpus, cpus=cpus, processes=processes),),
            "max_restarts": 0,
            **more,
        }
    )


def _program(prints: str, code: int | None) -> str:
    """Code that prints and returns; None: it goes on."""
    lines = [
        f"import sys, time; sys.stdout.buffer.write({prints.encode()!r})",
        "sys.stdout.flush()",
        "time.sleep(600)" if code is None else f"sys.exit({code})",
    ]
    return "\n".join(lines)


async def _until(condition: Callable, seconds: float = 20.0):
    """The first truthy answer of an async function."""
    give_up = time.monotonic() + seconds
    while not (answer := await condition()):
        assert time.monotonic() < give_up, f"not within {seconds} s"
        await asyncio.sleep(0.03)
    return answer


class Place(ABC):
    """A backend, and a way to have jobs that print something and end, or never end."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @abstractmethod
    async def submit(
        self, owner: str, *, prints: str = "", code: int | None = 0, **spec
    ) -> TrainingJob:
        """A job whose replicas print ``prints`` and return ``code``; None: they run on."""

    def own_queue(self) -> None:  # noqa: B027 - most places have one
        """Skip a test about the order of those that wait where that is not ours to decide."""

    @abstractmethod
    def lab(self, owner: str, *, lend: bool = False) -> AbstractContextManager[Holder]:
        """While it is open, a lab of the owner holds both GPUs."""

    async def state(
        self, job: TrainingJob, *states: JobState, seconds: float = 20.0
    ) -> TrainingJob:
        """The job once it is in one of the states."""

        async def reached() -> TrainingJob | None:
            now = await self.backend.get(job.owner, job.id)
            return now if now.state in states else None

        return await _until(reached, seconds)

    async def over(self, job: TrainingJob, seconds: float = 20.0) -> TrainingJob:
        """The job once it has ended."""
        return await self.state(job, *(s for s in JobState if s.is_terminal), seconds=seconds)


class MemoryPlace(Place):
    """Jobs do what was asked for, at once."""

    def __init__(self, memory: MemoryBackend, backend: Backend | None = None) -> None:
        super().__init__(backend or memory)
        self.memory = memory

    async def submit(self, owner, *, prints="", code=0, **spec):
        job = await self.backend.submit(owner, _spec(**spec))
        if job.state is JobState.PENDING:
            return job
        for replica in job.replicas:
            if prints:
                self.memory.write_log(job.id, replica.name, prints)
        if code is not None:
            state = JobState.FAILED if code else JobState.SUCCEEDED
            self.memory.finish(job.id, state, exit_code=code)
        return job

    @contextmanager
    def lab(self, owner, *, lend=False):
        holder = Holder(kind="lab", owner=owner, name="mine", id="mine-1", lend=lend)
        for uuid in GPUS:
            self.memory.hold(uuid, holder)
        yield holder
        for uuid in GPUS:
            self.memory.hold(uuid, None)


class LocalPlace(Place):
    """Jobs are processes that do it."""

    def __init__(self, backend: LocalBackend, state: StateDir) -> None:
        super().__init__(backend)
        self.leases = LeaseDir(state.leases)

    @contextmanager
    def lab(self, owner, *, lend=False):
        holder = {"kind": "lab", "owner": owner, "name": "mine", "id": "mine-1", "lend": lend}
        with self.leases.take(GPUS, 2, holder):
            yield Holder(**holder)

    async def submit(self, owner, *, prints="", code=0, **spec):
        return await self.backend.submit(owner, _spec(source=_program(prints, code), **spec))


class ClusterPlace(Place):
    """Jobs are pods of a real cluster that do it."""

    def __init__(self, backend: Backend, namespace: Namespace) -> None:
        super().__init__(backend)
        self.namespace = namespace

    def own_queue(self):
        pytest.skip("on a cluster its scheduler decides, no queue of ours")

    def lab(self, owner, *, lend=False):
        pytest.skip("a lab on a cluster holds its GPUs until it is stopped")

    async def submit(self, owner, *, prints="", code=0, **spec):
        return await self.backend.submit(owner, _spec(source=_program(prints, code), **spec))

    async def state(self, job, *states, seconds=20.0):
        return await super().state(job, *states, seconds=4 * seconds)  # Pods take their time.


@asynccontextmanager
async def memory_place(root: Path) -> AsyncIterator[Place]:
    yield MemoryPlace(MemoryBackend(gpus=GPUS, cpus=CPUS))


@asynccontextmanager
async def local_place(root: Path) -> AsyncIterator[Place]:
    state = StateDir(root, root / "envs")
    async with _running(state) as backend:
        yield LocalPlace(backend, state)


@asynccontextmanager
async def over_rest(root: Path) -> AsyncIterator[Place]:
    async with remote_backend() as (backend, memory):
        memory.cpus = CPUS
        yield MemoryPlace(memory, backend)


@asynccontextmanager
async def cluster_place(root: Path) -> AsyncIterator[Place]:
    disk = root / "disk"
    disk.mkdir(parents=True)
    async with a_namespace(disk) as name, name.backend(name.state(root)) as backend:
        yield ClusterPlace(backend, name)


#: Add a place here and every contract test runs on it.
PLACES: dict[str, Callable[[Path], AbstractAsyncContextManager[Place]]] = {
    "memory": memory_place,
    "local": local_place,
    "remote": over_rest,
    "cluster": cluster_place,
}
_REAL = (
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "none"),
)


@asynccontextmanager
async def _running(
    state: StateDir, *, leave: bool = False, **options
) -> AsyncIterator[LocalBackend]:
    """A backend on this machine that leaves nothing running, unless the next one is to find it."""
    options = {"here": True, "gpus": lambda: GPUS, "cpus": CPUS, "grace": 1.0, **options}
    backend = LocalBackend(state, **options)
    await backend.start()
    try:
        yield backend
    finally:
        for job in [] if leave else await backend._keep(backend._store.live):
            await backend.cancel(job.owner, job.id)
        for job in [] if leave else await backend._keep(backend._store.live):
            await _until(lambda job=job: _is_over(backend, job))
        if not leave:
            await _until(lambda: _quiet(backend))
        await backend.close()


async def _is_over(backend: LocalBackend, job: TrainingJob) -> bool:
    return (await backend.get(job.owner, job.id)).state.is_terminal


async def _quiet(backend: LocalBackend) -> bool:
    return not backend.machine.queue.busy


@pytest.fixture(
    params=[pytest.param(name, marks=_REAL if name == "cluster" else ()) for name in PLACES]
)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """A place with two GPUs and 64 CPUs."""
    async with PLACES[request.param](tmp_path / "state") as made:
        yield made


@asynccontextmanager
async def memory_serving(root: Path, files: Path) -> AsyncIterator[ServingPlace]:
    yield ServingPlace(MemoryBackend().serving, files)


@asynccontextmanager
async def serving_here(root: Path, files: Path) -> AsyncIterator[ServingPlace]:
    state = StateDir(root, root / "envs")
    try:
        async with local_serving(state) as serving:
            place = ServingPlace(serving, files)
            yield place
            await place.clear()
    finally:
        end_all(state)


@asynccontextmanager
async def serving_over_rest(root: Path, files: Path) -> AsyncIterator[ServingPlace]:
    async with remote_backend() as (backend, _):
        yield ServingPlace(backend.serving, files)


@asynccontextmanager
async def cluster_serving(root: Path, files: Path) -> AsyncIterator[ServingPlace]:
    disk = root / "disk"
    disk.mkdir(parents=True)
    async with (
        a_namespace(disk) as namespace,
        namespace.backend(namespace.state(root / "state", SERVES)) as backend,
    ):
        assert await backend.serving.found(30)
        place = ServingPlace(backend.serving, files, balanced=False)
        yield place
        await place.clear()


#: Add a place here and every contract test of serving runs on it.
SERVING_PLACES: dict[str, Callable[[Path, Path], AbstractAsyncContextManager[ServingPlace]]] = {
    "memory": memory_serving,
    "local": serving_here,
    "remote": serving_over_rest,
    "cluster": cluster_serving,
}
_SERVED = (
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(WHY_NOT_SERVED), reason=WHY_NOT_SERVED or "none"),
)


@pytest.fixture(
    params=[
        pytest.param(name, marks=_SERVED if name == "cluster" else ()) for name in SERVING_PLACES
    ]
)
async def serving_place(
    request: pytest.FixtureRequest, tmp_path: Path, onnx_models: Path
) -> AsyncIterator[ServingPlace]:
    """A place that keeps models and serves them."""
    async with SERVING_PLACES[request.param](tmp_path / "state", onnx_models) as made:
        yield made


@pytest.fixture
def a_state(tmp_path: Path) -> StateDir:
    """A state directory of nobody."""
    return StateDir(tmp_path / "state", tmp_path / "envs")


@pytest.fixture
async def local(a_state: StateDir) -> AsyncIterator[LocalPlace]:
    """A local backend with two GPUs."""
    async with _running(a_state) as backend:
        yield LocalPlace(backend, a_state)


@pytest.fixture
def make_spec():
    """Makes a wish; see `_spec`."""
    return _spec


@pytest.fixture
def until():
    """Waits for the truth of an async function; see `_until`."""
    return _until


@pytest.fixture
def running():
    """Runs a backend on a state directory; see `_running`."""
    return _running


@pytest.fixture(autouse=True, scope="session")
def _package_is_importable() -> None:
    """Shims find the package the way this interpreter does."""
    found = subprocess.run(
        [sys.executable, "-P", "-c", "import dllab_hub"], capture_output=True, check=False
    )
    if found.returncode:  # Not installed: run from a checkout.
        os.environ["PYTHONPATH"] = str(Path(dllab_hub.__file__).parents[1])
